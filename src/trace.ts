import { spawn } from "node:child_process";
import { realpathSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "./base/context.ts";
import type { Diagnostic } from "./base/diagnostic.ts";
import { ioError, SlimError } from "./base/error.ts";
import { compareStrings } from "./base/files.ts";
import type { NodeProgram } from "./closure/closure.ts";
import { trimFile } from "./closure/elf/trim.ts";
import { type Known, knownFiles } from "./closure/node/known.ts";
import { splitSpecifier } from "./closure/node/packages.ts";
import { keyOf, TRACE_NAME, type TracedFile, writeTraced } from "./closure/node/traced.ts";
import type { Platform } from "./image/platform.ts";
import type { Cache } from "./layer/cache.ts";
import { type Plan, plan } from "./plan/plan.ts";
import { type PlanCall, withCache } from "./resolve.ts";
import { Sources } from "./sources/sources.ts";

export interface TraceCall extends PlanCall {
  /** The program to run, and its arguments. */
  readonly command: readonly [string, ...string[]];
}

export interface TraceResult {
  /** Of the command; 128 and the signal's number where one ended it. */
  readonly exitCode: number;
  /** `slim.trace.json`. */
  readonly traceFile: string;
  /** All that it says now. */
  readonly files: readonly TracedFile[];
  /** What it did not say before. */
  readonly added: readonly TracedFile[];
  /** What was opened by code that is not in the image, such as tests and tools, relative to the project. */
  readonly leftOut: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What the recorder writes down. */
interface Opening {
  readonly how: "load" | "read";
  readonly file: string;
  readonly from: string;
  readonly specifier?: string;
  readonly by?: string;
}

/**
 * Runs the app or its tests, and writes into `slim.trace.json` what they opened and loaded and the code does not
 * show. The abort signal ends the command; what it did until then counts.
 * @throws SlimError
 */
export async function trace(call: TraceCall): Promise<TraceResult> {
  // What is done after the command has been stopped is not stopped with it.
  const unstopped = { ...call, signal: new AbortController().signal };
  return withCache(unstopped, (context, cache) => traceWith(context, cache, call));
}

async function traceWith(context: Context, cache: Cache, call: TraceCall): Promise<TraceResult> {
  const planned = await plan(context, call.cwd ?? process.cwd(), call, call.config);
  const target = nodeTarget(planned);
  const sources = await Sources.open(context, cache, planned, trimFile);
  const look = remembering((traced: readonly TracedFile[]) =>
    knownFiles(context, { ...target.program, traced, target: targetOf(target.platform) }, sources),
  );
  // An app that cannot be built is not run.
  await look(target.program.traced);
  const { exitCode, records, begun } = await record(call, target.program.root);
  const { folder, root } = target.program;
  const settled = await settle(records, { folder, root, begun, before: target.program.traced, look });
  if (settled.files.length > 0 || target.program.traced.length > 0) await writeTraced(folder, settled.files);
  return { exitCode, traceFile: path.join(folder, TRACE_NAME), ...settled };
}

/** Analysing an app takes seconds, and mostly the list that it is analysed with stays the same. */
function remembering(look: Settling["look"]): Settling["look"] {
  const known = new Map<string, Promise<Known>>();
  return (traced) => {
    const key = traced.map(keyOf).join("\n");
    const found = known.get(key) ?? look(traced);
    known.set(key, found);
    return found;
  };
}

function nodeTarget({ targets }: Plan): { readonly program: NodeProgram; readonly platform: Platform } {
  for (const { program, platform } of targets) if (program.kind === "node") return { program, platform };
  throw new SlimError("CONFIG", "only Node.js apps can be traced", { hint: "point at a folder with a package.json" });
}

/** The Node.js that runs slim is near enough: what it makes of conditions is what the command saw. */
function targetOf(platform: Platform) {
  return { node: process.versions.node, platform };
}

// -- the run -------------------------------------------------------------------------------------------------

interface Recorded {
  readonly exitCode: number;
  readonly records: readonly Opening[];
  /** When the command was started, in milliseconds. */
  readonly begun: number;
}

async function record({ command, cwd, environment, signal }: TraceCall, root: string): Promise<Recorded> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-trace-"));
  try {
    const preload = path.join(folder, "preload.cjs");
    const recorder = fileURLToPath(new URL("./recorder.cjs", import.meta.url));
    const args = [path.join(folder, "records"), root, preload].map((one) => JSON.stringify(one)).join(", ");
    await writeFile(preload, `require(${JSON.stringify(recorder)})(${args});\n`);
    await mkdir(path.join(folder, "records"));
    const given = environment ?? process.env;
    const options = [given.NODE_OPTIONS, `--require ${JSON.stringify(preload)}`].filter(Boolean).join(" ");
    const begun = Date.now();
    const exitCode = await run(command, {
      cwd: cwd ?? process.cwd(),
      env: { ...given, NODE_OPTIONS: options },
      signal,
    });
    return { exitCode, begun, records: await readRecords(path.join(folder, "records")) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<{ [name: string]: string | undefined }>;
  readonly signal: AbortSignal | undefined;
}

async function run([file, ...args]: readonly [string, ...string[]], { cwd, env, signal }: RunOptions): Promise<number> {
  const child = spawn(file, args, { cwd, env, stdio: "inherit" });
  const stop = () => {
    const name = signal?.reason === "SIGINT" ? "SIGINT" : "SIGTERM";
    // From a terminal it has the signal already.
    if (name !== "SIGINT" || !process.stdin.isTTY) child.kill(name);
  };
  signal?.addEventListener("abort", stop);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, ended) => resolve(code ?? 128 + (os.constants.signals[ended ?? "SIGTERM"] ?? 0)));
    });
  } catch (error) {
    throw ioError(error, file, "start");
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function readRecords(folder: string): Promise<readonly Opening[]> {
  const lines: string[] = [];
  for (const name of await readdir(folder))
    lines.push(...(await readFile(path.join(folder, name), "utf8")).split("\n"));
  // A process that was killed may have left half a line.
  return [...new Set(lines)].filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as Opening);
}

// -- what it means -------------------------------------------------------------------------------------------

interface Settling {
  readonly folder: string;
  readonly root: string;
  readonly begun: number;
  readonly before: readonly TracedFile[];
  readonly look: (traced: readonly TracedFile[]) => Promise<Known>;
}

/** The least that has to be written down for the closure to have all that was needed. */
async function settle(records: readonly Opening[], { folder, root, begun, before, look }: Settling) {
  const relative = (file: string) => path.relative(folder, file).split(path.sep).join("/");
  const needed = new Map<string, Opening>();
  for (const { how, specifier, ...paths } of records) {
    const file = realFile(paths.file);
    if (file === undefined || isWritten(file, begun)) continue;
    const by = paths.by === undefined ? {} : { by: realFile(paths.by) ?? paths.by };
    const name = specifier !== undefined && isPackageName(specifier) ? { specifier } : {};
    const one = { how, file, from: realFile(paths.from) ?? paths.from, ...name, ...by };
    needed.set(JSON.stringify(one), one);
  }
  const [inside, outside]: [Opening[], Opening[]] = [[], []];
  for (const [, one] of [...needed].sort(([a], [b]) => compareStrings(a, b)))
    (one.file.startsWith(root + path.sep) ? inside : outside).push(one);

  const files = new Map(before.filter(({ file }) => realFile(path.join(folder, file))).map((one) => [keyOf(one), one]));
  // What was written down once and is found by now need not stay.
  const found = await look([]);
  for (const [key, one] of files) if (found.has(path.join(folder, one.file), one.how)) files.delete(key);
  const refused = new Set<string>();
  const diagnostics = new Map<string, Diagnostic>();
  let known = await look([...files.values()]);
  for (let more = true; more; ) {
    more = false;
    for (const record of inside) {
      const { how, file, specifier } = record;
      const one: TracedFile = {
        file: relative(file),
        how,
        from: relative(record.from),
        ...(specifier && { specifier }),
      };
      const key = keyOf(one);
      if (known.has(file, how) || !isByApp(record, known) || files.has(key) || refused.has(key)) continue;
      files.set(key, one);
      more = true;
    }
    if (!more) break;
    // With these in it, code may show the others. What must not be in an image has not come in.
    known = await look([...files.values()]);
    for (const diagnostic of known.diagnostics) diagnostics.set(JSON.stringify(diagnostic), diagnostic);
    for (const [key, { file, how }] of files) {
      if (known.has(path.join(folder, file), how)) continue;
      files.delete(key);
      refused.add(key);
    }
  }
  for (const record of outside) {
    if (!isByApp(record, known)) continue;
    const message = `reads ${record.file}, which is outside of the project`;
    const hint = "build from the folder that holds both, or mount it when the container runs";
    const file = relative(record.from);
    diagnostics.set(`${file} ${message}`, { code: "outside-project", severity: "warning", message, file, hint });
  }
  const old = new Set(before.map(keyOf));
  const all = [...files.values()].sort((a, b) => compareStrings(keyOf(a), keyOf(b)));
  const leftOut = new Set(inside.filter(({ file, how }) => !known.has(file, how)).map(({ file }) => relative(file)));
  return {
    files: all,
    added: all.filter((one) => !old.has(keyOf(one))),
    leftOut: [...leftOut].sort(compareStrings),
    diagnostics: [...diagnostics.values()],
  };
}

/** Whether code of the image asked, and not a test or a tool, be it through a package that is in the image. */
function isByApp({ from, by }: Opening, known: Known): boolean {
  return known.hasCode(from) && (by === undefined || known.hasCode(by));
}

/** Names that mean something else elsewhere; a path or an address is said by the file. */
function isPackageName(specifier: string): boolean {
  return splitSpecifier(specifier) !== undefined && !/^[a-z][a-z0-9+.-]*:/i.test(specifier);
}

/** The real place of a file, where there is one. */
function realFile(file: string): string | undefined {
  try {
    return statSync(file).isFile() ? realpathSync.native(file) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the run itself made or changed a file: logs, uploads, caches. */
function isWritten(file: string, begun: number): boolean {
  const { mtimeMs, birthtimeMs } = statSync(file);
  return mtimeMs >= begun || birthtimeMs >= begun;
}
