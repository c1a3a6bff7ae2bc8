import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Writable } from "node:stream";
import { aborted, type Context, throwIfAborted } from "../base/context.ts";
import { ioError, SlimError, systemCode } from "../base/error.ts";
import type { Digest } from "../image/digest.ts";
import type { Artifact, Image } from "../image/types.ts";
import { archiveStore, writeArchive } from "./archive.ts";
import { type AskLayers, askContainerd, askDocker, askUnpacked } from "./engine-layers.ts";
import type { Store } from "./types.ts";

/** Container engines, in the order in which one is looked for. kind is used only by name: it runs inside another. */
export const engineNames = ["docker", "podman", "containerd", "kind"] as const;
export type EngineName = (typeof engineNames)[number];

/**
 * How an engine is talked to: by its own client, which knows contexts, remote hosts, rootless sockets
 * and virtual machines, and is told of them as always (`DOCKER_HOST`, `CONTAINER_HOST`,
 * `CONTAINERD_ADDRESS`, `CONTAINERD_NAMESPACE`, `KIND_CLUSTER_NAME`).
 */
interface Client {
  readonly engine: EngineName;
  readonly program: string;
  /** Fails when nothing can be loaded. Where an engine keeps one image under a name, prints `os/architecture` of it. */
  readonly ask: readonly string[];
  readonly takes: "everything" | "one image";
  /** Reads the archive from stdin, or from the file that is appended. */
  readonly load: readonly string[];
  readonly from: "stdin" | "file";
  /** Where the engine can say what it has, and takes an archive without that. */
  readonly layers?: AskLayers;
  /** Writes one image to a file, as an archive; both are appended. */
  readonly save?: readonly string[];
}

const clients: readonly Client[] = [
  {
    engine: "docker",
    program: "docker",
    ask: ["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"],
    takes: "one image",
    load: ["load", "--quiet"],
    from: "stdin",
    layers: askDocker,
    save: ["save", "--output"],
  },
  {
    engine: "podman",
    program: "podman",
    ask: ["info", "--format", "{{.Host.OS}}/{{.Host.Arch}}"],
    takes: "one image",
    load: ["load", "--quiet"],
    from: "stdin",
    layers: askUnpacked,
    save: ["save", "--quiet", "--format", "oci-archive", "--output"],
  },
  {
    engine: "containerd",
    program: "ctr",
    // Its own patience is ten seconds, of which a local socket needs none.
    ask: ["--connect-timeout", "2s", "version"],
    takes: "everything",
    load: ["images", "import", "--all-platforms", "-"],
    from: "stdin",
    layers: askContainerd,
  },
  {
    engine: "containerd",
    program: "nerdctl",
    ask: ["info"],
    takes: "everything",
    load: ["load", "--all-platforms"],
    from: "stdin",
  },
  {
    engine: "kind",
    program: "kind",
    ask: ["get", "clusters"],
    takes: "everything",
    load: ["load", "image-archive"],
    from: "file",
  },
];

/** How long an engine may take to say that it is there, in milliseconds. */
const PATIENCE = 30_000;

/**
 * A container engine on this machine, or the first that answers. An index is written whole where the
 * engine keeps one, else as the image for the engine's own platform. Docker and Podman can be read.
 * @throws SlimError `ENGINE` with the engine's own words; `PLATFORM`, `CONFIG`
 */
export function engineStore(engine?: EngineName): Store {
  return {
    read: async (context, ref) => read(context, await answering(context, engine), ref),
    write: async (context, artifact, refs) => {
      if (refs.length === 0) {
        throw new SlimError("CONFIG", "there is no name to load the image under", { hint: "-t name:tag" });
      }
      const { client, answer } = await answering(context, engine);
      const taken = client.takes === "everything" ? artifact : imageFor(answer, artifact);
      return { type: "engine", engine: client.engine, refs, sentBytes: await load(context, client, taken, refs) };
    },
  };
}

/** The engines that answer on this machine, by name. */
export async function answeringEngines(context: Context): Promise<readonly EngineName[]> {
  const answers = await Promise.all(
    engineNames.map((name) =>
      answering(context, name).then(
        () => [name],
        (error: unknown) => {
          throwIfAborted(context.signal);
          if (!(error instanceof SlimError)) throw error;
          return [];
        },
      ),
    ),
  );
  return answers.flat();
}

interface Found {
  readonly client: Client;
  readonly answer: string;
}

async function answering(context: Context, engine: EngineName | undefined): Promise<Found> {
  const failures: SlimError[] = [];
  for (const client of clients) {
    if (engine === undefined ? client.engine === "kind" : client.engine !== engine) continue;
    try {
      return { client, answer: (await run(context, client, client.ask, { timeout: PATIENCE })).trim() };
    } catch (error) {
      if (!(error instanceof SlimError) || error.code === "ABORTED") throw error;
      failures.push(error);
    }
  }
  const [first, ...more] = failures;
  if (first !== undefined && more.length === 0) throw first;
  throw new SlimError("ENGINE", `no container engine: ${failures.map((failure) => failure.toLine()).join("; ")}`, {
    hint: "start one, or write a file with -o and load that",
  });
}

/** Docker's archive would give the name to the first image, whatever machine that is for. */
function imageFor(platform: string, artifact: Artifact): Image {
  if (artifact.kind === "image") return artifact;
  const image = artifact.images.find(({ config }) => `${config.os}/${config.architecture}` === platform);
  if (image !== undefined) return image;
  throw new SlimError("PLATFORM", `the index has no image for ${platform}, which the engine runs`, {
    where: artifact.descriptor.digest,
  });
}

/**
 * Loads an artifact without the layers that the engine has; whole, where that does not work. Gives the
 * bytes that were sent.
 */
async function load(context: Context, client: Client, artifact: Artifact, refs: readonly string[]): Promise<number> {
  let sent = 0;
  const there = await layersIn(context, client, artifact);
  if (there.size > 0) {
    try {
      sent = await send(context, client, artifact, refs, there);
      // Between the question and the load somebody may have removed what was counted on.
      const still = await layersIn(context, client, artifact);
      if ([...there].every((digest) => still.has(digest))) return sent;
    } catch (error) {
      throwIfAborted(context.signal);
      if (!(error instanceof SlimError) || error.code !== "ENGINE") throw error;
    }
  }
  return sent + (await send(context, client, artifact, refs, new Set()));
}

/** What the engine says it has; nothing, where it cannot say. */
async function layersIn(context: Context, client: Client, artifact: Artifact): Promise<ReadonlySet<Digest>> {
  const ask = (...args: readonly string[]) => run(context, client, args, { timeout: PATIENCE, longest: ANSWER });
  try {
    return (await client.layers?.(ask, artifact)) ?? new Set();
  } catch (error) {
    throwIfAborted(context.signal);
    if (!(error instanceof SlimError)) throw error;
    return new Set();
  }
}

async function send(
  context: Context,
  client: Client,
  artifact: Artifact,
  refs: readonly string[],
  without: ReadonlySet<Digest>,
): Promise<number> {
  if (client.from === "stdin") {
    let bytes = 0;
    const write = async (stdin: Writable) => {
      bytes = await writeArchive(context, artifact, refs, stdin, without);
    };
    await run(context, client, client.load, { write });
    return bytes;
  }
  const folder = await temporaryFolder();
  try {
    const file = path.join(folder, "image.tar");
    await archiveStore(file).write(context, artifact, refs);
    await run(context, client, [...client.load, file]);
    return (await stat(file)).size;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Layers are read later, so what the engine saved is kept until the process ends. */
async function read(context: Context, { client }: Found, ref: string | undefined): Promise<Artifact> {
  const { engine, save } = client;
  if (save === undefined) throw new SlimError("CONFIG", "images can be written there but not read", { where: engine });
  if (ref === undefined || ref.startsWith("-")) {
    throw new SlimError("CONFIG", "an engine is read by the name of an image", { where: ref ?? engine });
  }
  const folder = await temporaryFolder();
  try {
    const file = path.join(folder, "image.tar");
    await run(context, client, [...save, file, ref]);
    const artifact = await archiveStore(file).read(context);
    removeAtExit(folder);
    return artifact;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function temporaryFolder(): Promise<string> {
  const parent = tmpdir();
  return mkdtemp(path.join(parent, "slim-engine-")).catch((error: unknown) => {
    throw ioError(error, parent, "make a folder");
  });
}

/** Folders of artifacts that were read in this process. */
const leftovers: string[] = [];

function removeAtExit(folder: string): void {
  if (leftovers.length === 0) {
    process.once("exit", () => {
      for (const leftover of leftovers) rmSync(leftover, { recursive: true, force: true });
    });
  }
  leftovers.push(folder);
}

interface RunOptions {
  readonly timeout?: number;
  /** Characters of the output that are kept, the last ones. */
  readonly longest?: number;
  readonly write?: (stdin: Writable) => Promise<void>;
}

/** Runs a client to its end and gives back what it printed. What it complains of is more telling than a broken pipe. */
async function run(
  context: Context,
  { program }: Client,
  args: readonly string[],
  { timeout, longest = LONGEST, write }: RunOptions = {},
): Promise<string> {
  throwIfAborted(context.signal);
  // Not spawn's own timeout: its timer keeps Node.js alive when there is no such program.
  const late = timeout === undefined ? [] : [AbortSignal.timeout(timeout)];
  const child = spawn(program, args, {
    env: context.env,
    signal: AbortSignal.any([context.signal, ...late]),
    stdio: [write === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      printed[name] = (printed[name] + text).slice(-longest);
    });
  }
  const ended = new Promise<void>((resolve, reject) => {
    const fail = (message: string, cause?: unknown) =>
      reject(new SlimError("ENGINE", message, { where: program, cause }));
    child.on("error", (error) => {
      if (context.signal.aborted) return reject(aborted(context.signal.reason));
      if (late.some(({ aborted }) => aborted)) return fail("does not answer", error);
      fail(systemCode(error) === "ENOENT" ? "is not installed" : `cannot be run: ${error.message}`, error);
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve();
      fail(
        inWords(printed.stderr) || inWords(printed.stdout) || `${args[0]} ended with ${signal ?? `exit code ${code}`}`,
      );
    });
  });
  const written = write === undefined || child.stdin === null ? undefined : feed(child.stdin, write);
  const [end, writing] = await Promise.allSettled([ended, written]);
  if (end.status === "rejected") throw end.reason;
  if (writing.status === "rejected") throw writing.reason;
  return printed.stdout;
}

/** The end of the input says that the archive is whole; where it is not, the client is cut off. */
async function feed(stdin: Writable, write: (stdin: Writable) => Promise<void>): Promise<void> {
  // A client that ends early closes its input; its own words say why.
  stdin.on("error", () => {});
  try {
    await write(stdin);
    stdin.end();
  } catch (error) {
    stdin.destroy();
    throw error;
  }
}

/** As much of an engine's output as is kept, in characters. */
const LONGEST = 4000;
/** Enough for what a thousand images are made of. */
const ANSWER = 16 * 1024 * 1024;

function inWords(output: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would take for commands
  return output.replace(/\x1b\[[\d;]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f]/g, "").trim();
}
