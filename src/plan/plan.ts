import path from "node:path";
import type { Context } from "../base/context.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import type { BinaryProgram, NodeProgram } from "../closure/closure.ts";
import { parseElf } from "../closure/elf/parse.ts";
import { withFile } from "../closure/elf/reader.ts";
import { formatPlatform, type Platform, parsePlatform, platformOfArch } from "../image/platform.ts";
import { parseReference } from "../image/reference.ts";
import { LOCK_NAME } from "../sources/lock.ts";
import { mergeOptions, readConfig } from "./config.ts";
import { type ImagePlan, planImage } from "./image-config.ts";
import type { BuildOptions } from "./options.ts";
import { findEntry, findProject, type Project } from "./project.ts";
import { planRuntime } from "./runtime.ts";
import { findRoot } from "./workspace.ts";

/** A build with everything decided that can be decided by looking: plain data, nothing is read twice. */
export interface Plan {
  readonly program: NodeProgram | BinaryProgram;
  readonly platform: Platform;
  readonly image: ImagePlan;
  /** Whose npm configuration counts. */
  readonly folder: string;
  readonly lockFile: string;
  readonly tags: readonly string[];
  readonly compressionLevel: number;
  readonly frozen: boolean;
  readonly strict: boolean;
  readonly debianMirror: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Decides what to build.
 * @throws SlimError `CONFIG`, `NOT_FOUND`, `PLATFORM`, `ELF`
 */
export async function plan(context: Context, cwd: string, given: BuildOptions, config?: string): Promise<Plan> {
  const project = await findProject(path.resolve(cwd, given.path ?? "."), cwd);
  const configured = await readConfig(project.folder, config === undefined ? undefined : path.resolve(cwd, config));
  const options = mergeOptions(configured, given);
  for (const tag of options.tags ?? []) {
    if (parseReference(tag).digest !== undefined) {
      throw new SlimError("CONFIG", `"${tag}" has a digest`, {
        where: "--tag",
        hint: "a tag names what the digest will be",
      });
    }
  }
  const compressionLevel = options.compressionLevel ?? 6;
  if (!Number.isInteger(compressionLevel) || compressionLevel < 1 || compressionLevel > 9) {
    throw new SlimError("CONFIG", `${compressionLevel} is not a level of gzip`, {
      where: "--compression-level",
      hint: "1 to 9",
    });
  }
  const asked = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const { program, platform, diagnostics } =
    project.kind === "binary"
      ? await planBinary(project, options, asked)
      : await planNode(project, options, asked, cwd);
  return {
    program,
    platform,
    image: planImage(
      options,
      project.kind === "node" ? project.manifest : { name: path.basename(project.file) },
      context.env,
    ),
    folder: project.folder,
    lockFile: path.join(project.folder, LOCK_NAME),
    tags: options.tags ?? [],
    compressionLevel,
    frozen: options.frozen ?? false,
    strict: options.strict ?? false,
    debianMirror: options.debianMirror,
    diagnostics,
  };
}

type Decision = { program: Plan["program"]; platform: Platform; diagnostics: readonly Diagnostic[] };

async function planNode(
  project: Project & { kind: "node" },
  options: BuildOptions,
  asked: Platform | undefined,
  cwd: string,
): Promise<Decision> {
  if (options.bare) {
    throw new SlimError("CONFIG", "a Node.js app cannot be bare: it needs its runtime", { where: "--bare" });
  }
  const { folder, manifest } = project;
  const entry = await findEntry(project, options.entry);
  const root = await findRoot(folder, manifest);
  const inside = path
    .relative(root, folder)
    .split(path.sep)
    .filter((part) => part !== "");
  const program: NodeProgram = {
    kind: "node",
    root,
    folder,
    entry: [...inside, entry.file].join("/"),
    nodeOptions: entry.nodeOptions,
    name: manifest.name ?? path.basename(folder),
    ...(manifest.version === undefined ? {} : { version: manifest.version }),
    mode: planMode(options.mode ?? "bundle"),
    include: options.include ?? [],
    exclude: options.exclude ?? [],
    external: options.external ?? [],
    sourcemap: options.sourcemap ?? false,
    runtime: await planRuntime(folder, manifest, options.node, cwd),
  };
  return { program, platform: asked ?? platformOfArch(process.arch), diagnostics: entry.diagnostics };
}

function planMode(mode: string): "bundle" | "files" {
  if (mode === "bundle" || mode === "files") return mode;
  throw new SlimError("CONFIG", `"${mode}" is not a mode`, { where: "--mode", hint: "bundle or files" });
}

async function planBinary(
  { file }: Project & { kind: "binary" },
  options: BuildOptions,
  asked: Platform | undefined,
): Promise<Decision> {
  for (const name of ["entry", "node"] as const) {
    if (options[name] === undefined) continue;
    throw new SlimError("CONFIG", `--${name} is for Node.js apps; this is a binary`, { where: file });
  }
  const elf = await withFile(file, (reader) => parseElf(reader, file));
  if (elf.platform === undefined)
    throw new SlimError("ELF", "is for a machine that no image platform names", { where: file });
  if (asked !== undefined && formatPlatform(asked) !== formatPlatform(elf.platform)) {
    throw new SlimError("PLATFORM", `is for ${formatPlatform(elf.platform)}, not ${formatPlatform(asked)}`, {
      where: file,
    });
  }
  if (elf.linkage !== "static" && elf.linkage !== "static-pie") {
    throw new SlimError("ELF", "is not a static program", {
      where: file,
      hint: "link it statically; dynamic programs are not supported yet",
    });
  }
  return {
    program: { kind: "binary", file, bare: options.bare ?? false },
    platform: elf.platform,
    diagnostics: [],
  };
}
