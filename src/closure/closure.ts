import path from "node:path";
import type { Context } from "../base/context.ts";
import { SlimError } from "../base/error.ts";
import { formatPlatform, type Platform } from "../image/platform.ts";
import { debianArchitecture } from "../sources/debian/architecture.ts";
import type { Sources } from "../sources/sources.ts";
import { binaryClosure } from "./binary.ts";
import { composeClosure } from "./compose.ts";
import { type NodeProject, nodeClosure } from "./node/index.ts";
import { findRuntime, nodePath, type RuntimeRequest } from "./node/runtime.ts";
import { certificatesPath, DebianFiles } from "./system/debian-files.ts";
import { takeLibraries } from "./system/libraries.ts";
import { rootfs } from "./system/rootfs.ts";
import type { Closure } from "./types.ts";

/** A Node.js app; the version of its target is known when the runtime has been found. */
export interface NodeProgram extends Omit<NodeProject, "target"> {
  readonly kind: "node";
  readonly runtime: RuntimeRequest;
  /** Options of Node.js itself, which stand before the entry. */
  readonly nodeOptions: readonly string[];
}

/** A static program. */
export interface BinaryProgram {
  readonly kind: "binary";
  readonly file: string;
  /** The program alone, without accounts, certificates and folders around it. */
  readonly bare: boolean;
}

/** How the program is started. */
export interface Launch {
  readonly entrypoint: readonly string[];
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ProgramClosure {
  readonly closure: Closure;
  readonly launch: Launch;
}

/** Where programs look for others by default, as Docker sets it. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Every file that a program needs on a platform, each with the reason why, and how it is started.
 * @throws SlimError
 */
export async function closureOf(
  context: Context,
  sources: Sources,
  program: NodeProgram | BinaryProgram,
  platform: Platform,
): Promise<ProgramClosure> {
  if (program.kind === "node") return closureOfNode(context, sources, program, platform);
  return program.bare ? closureOfBareBinary(program, platform) : closureOfBinary(sources, program, platform);
}

async function closureOfNode(
  context: Context,
  sources: Sources,
  program: NodeProgram,
  platform: Platform,
): Promise<ProgramClosure> {
  const architecture = architectureOf(platform);
  const runtime = await findRuntime(sources, program.runtime, platform);
  const taken = new DebianFiles(sources.debian, architecture);
  const [app, { binary, part }] = await Promise.all([
    nodeClosure(context, { ...program, target: { node: runtime.version, platform } }),
    runtime.load(),
    taken.takeCertificates(),
  ]);
  await takeLibraries(sources.debian, architecture, taken, { path: nodePath, content: binary });
  return {
    closure: composeClosure(platform, [rootfs(), await taken.part(), part, app]),
    launch: {
      entrypoint: [nodePath, ...program.nodeOptions, app.entrypoint],
      workdir: path.posix.join("/app", path.relative(program.root, program.folder).split(path.sep).join("/")),
      env: { PATH, NODE_ENV: "production", SSL_CERT_FILE: certificatesPath },
    },
  };
}

async function closureOfBinary(sources: Sources, program: BinaryProgram, platform: Platform): Promise<ProgramClosure> {
  const taken = new DebianFiles(sources.debian, architectureOf(platform));
  const [binary] = await Promise.all([binaryClosure(program.file), taken.takeCertificates()]);
  return {
    closure: composeClosure(platform, [rootfs(), await taken.part(), binary]),
    launch: { entrypoint: [binary.entrypoint], workdir: "/", env: { PATH, SSL_CERT_FILE: certificatesPath } },
  };
}

async function closureOfBareBinary(program: BinaryProgram, platform: Platform): Promise<ProgramClosure> {
  const binary = await binaryClosure(program.file);
  return {
    closure: composeClosure(platform, [binary]),
    launch: { entrypoint: [binary.entrypoint], workdir: "/", env: { PATH } },
  };
}

function architectureOf(platform: Platform): string {
  const architecture = debianArchitecture(platform);
  if (architecture !== undefined) return architecture;
  throw new SlimError("PLATFORM", `Debian has nothing for ${formatPlatform(platform)}`, {
    hint: "a static program can be built with --bare",
  });
}
