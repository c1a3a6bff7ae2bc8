import { spawn } from "node:child_process";
import path from "node:path";
import type { BuildResult } from "../../src/build.ts";

/** The folder with package.json, as built by `npm run build`. */
export const checkout = path.resolve(import.meta.dirname, "../..");
/** Shared by all tests and kept between runs, so that nothing is downloaded twice. */
export const cacheDir = process.env.SLIM_CACHE_DIR ?? path.join(checkout, "node_modules/.cache/slim-test");

export interface SlimOptions {
  readonly cwd?: string;
  /** Over the environment of the tests; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The Node.js that runs slim. Default: the one that runs the tests. */
  readonly node?: string;
  /** Options of Node.js itself. */
  readonly nodeOptions?: readonly string[];
  /** What it reads from standard input; nothing by default. */
  readonly input?: string;
  /** Ctrl-C is pressed when this is settled. */
  readonly interrupt?: Promise<unknown>;
  /** `077` */
  readonly umask?: string;
}

export interface SlimRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Buffer;
}

/** Tests of a file run side by side; the machine is not theirs alone. */
const places = new Set<Promise<unknown>>();

/** Runs the command line as a user would. */
export async function slim(args: readonly string[], options: SlimOptions = {}): Promise<SlimRun> {
  while (places.size >= 2) await Promise.race(places);
  const running = start(args, options);
  const ended = running.catch(() => {}).finally(() => places.delete(ended));
  places.add(ended);
  return running;
}

async function start(args: readonly string[], options: SlimOptions): Promise<SlimRun> {
  const { node = process.execPath, nodeOptions = [], umask, cwd = checkout, input } = options;
  const command = [node, ...nodeOptions, path.join(checkout, "dist/cli.js"), ...args];
  const [file = "", ...rest] =
    umask === undefined ? command : ["sh", "-c", `umask ${umask}; exec "$@"`, "sh", ...command];
  const { SOURCE_DATE_EPOCH: _, NODE_OPTIONS: __, ...inherited } = process.env;
  const env = { ...inherited, SLIM_CACHE_DIR: cacheDir, ...options.env };
  const child = spawn(file, rest, { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  // Who does not read has no use for it.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  // npm hands on what the terminal has sent already: twice.
  options.interrupt?.then(() => [child.kill("SIGINT"), child.kill("SIGINT")]);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const bytes = Buffer.concat(stdout);
  return {
    code,
    bytes,
    get stdout() {
      return bytes.toString();
    },
    stderr: Buffer.concat(stderr).toString(),
  };
}

/** What `--json` prints: the library's result without what only programs can use. */
export type Printed = Omit<BuildResult, "closures" | "digest"> & { readonly digest: string };

/** Runs `slim build --json`, which must succeed. */
export async function slimBuild(args: readonly string[], options: SlimOptions = {}): Promise<Printed> {
  const { code, stdout, stderr } = await slim(["build", "--json", ...args], options);
  if (code !== 0) throw new Error(`slim build ${args.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as Printed;
}
