import { open, readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { Diagnostic } from "../base/diagnostic.ts";
import { ioError, SlimError } from "../base/error.ts";
import { compareStrings, statOrUndefined } from "../base/files.ts";
import { parseElf } from "../closure/elf/parse.ts";
import { withFile } from "../closure/elf/reader.ts";
import type { Platform } from "../image/platform.ts";
import { readJson } from "./config.ts";
import { readScript, type Started } from "./start.ts";

/** What a user points at, before anything is decided about it. */
export type Project =
  | {
      readonly kind: "binary";
      /** Several where they are for several platforms. */
      readonly files: readonly ProgramFile[];
      /** Where configuration and lock are. */
      readonly folder: string;
    }
  /** A program out of a Debian package. */
  | {
      readonly kind: "package";
      /** Path in the image, or a name to look for on its PATH. */
      readonly entry: string;
      readonly folder: string;
    }
  | {
      readonly kind: "node";
      /** Where package.json is, or the folder of the entry file where there is none. */
      readonly folder: string;
      readonly manifest: Manifest;
      /** The entry file, absolute, where the user pointed at a file. */
      readonly file?: string;
    };

/** A program, and what the user says it is for. */
export interface ProgramFile {
  /** Absolute, without links. */
  readonly file: string;
  readonly platform?: Platform;
}

/** The fields of package.json that a build reads. https://docs.npmjs.com/cli/configuring-npm/package-json */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly description?: string;
  readonly license?: unknown;
  readonly homepage?: unknown;
  readonly repository?: unknown;
  readonly main?: unknown;
  readonly bin?: unknown;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const script = /\.(?:[cm]?[jt]s|[jt]sx)$/;

/**
 * Finds out what `target` is.
 * @param folder where a binary's configuration and lock are: a program may lie anywhere
 * @throws SlimError `NOT_FOUND`, `CONFIG` when it is nothing that slim can build
 */
export async function findProject(target: string, folder: string): Promise<Project> {
  const found = await statOrUndefined(target);
  if (found === undefined) {
    throw new SlimError("NOT_FOUND", "no such file or folder", {
      where: target,
      hint: "check the spelling of the path",
    });
  }
  if (found.isDirectory()) {
    if (!(await statOrUndefined(path.join(target, "package.json")))) {
      const binaries = (files: readonly string[]) =>
        ({ kind: "binary", files: files.map((file) => ({ file })), folder }) as const;
      const files = await findPrograms(target, isExecutable);
      if (files.length > 0) return binaries(files);
      // What a build writes: `.output`, `build`, `dist`.
      const entry = await customaryEntry(target);
      if (entry !== undefined) return nodeFile(path.join(target, entry), path.resolve(target));
      // Archives of build servers lose the mark of what can be executed.
      const unmarked = await findPrograms(target, (mode) => !isExecutable(mode));
      if (unmarked.length > 0) return binaries(unmarked);
      throw new SlimError("CONFIG", "is not a project: it has no package.json", {
        where: target,
        hint: "point at a folder with a package.json, a JS/TS entry file, or an ELF binary",
      });
    }
    const real = await realpath(target);
    return { kind: "node", folder: real, manifest: await readManifest(real) };
  }
  if (!found.isFile()) throw new SlimError("CONFIG", "is neither a file nor a folder", { where: target });
  if (await startsLikeElf(target)) return { kind: "binary", files: [{ file: await realpath(target) }], folder };
  if (!script.test(target)) throw await notBuildable(target);
  const file = await realpath(target);
  return nodeFile(file, path.dirname(file));
}

/** @param folder whose package.json, or the nearest above it, is the file's */
async function nodeFile(target: string, folder: string): Promise<Project> {
  const file = await realpath(target);
  const real = await realpath(folder);
  const owner = await nearestManifest(real);
  const manifest = owner === undefined ? {} : await readManifest(owner);
  return { kind: "node", folder: owner ?? real, manifest, file };
}

async function readManifest(folder: string): Promise<Manifest> {
  const file = path.join(folder, "package.json");
  const value = await readJson(file);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return withoutOddFields(value);
  throw new SlimError("CONFIG", "is not a JSON object", { where: file });
}

/** npm does not refuse a name, version or script of the wrong type, so neither does a build: it is as if it were not there. */
function withoutOddFields(value: object): Manifest {
  const isString = (one: unknown) => typeof one === "string";
  const isRecord = (one: unknown) => typeof one === "object" && one !== null && Object.values(one).every(isString);
  const kinds = {
    name: isString,
    version: isString,
    description: isString,
    scripts: isRecord,
    engines: isRecord,
    dependencies: isRecord,
    optionalDependencies: isRecord,
  };
  return Object.fromEntries(
    Object.entries(value).filter(([name, field]) => kinds[name as keyof typeof kinds]?.(field) ?? true),
  );
}

async function nearestManifest(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = path.dirname(at)) {
    if (await statOrUndefined(path.join(at, "package.json"))) return at;
    if (at === path.dirname(at)) return undefined;
  }
}

/** How deep programs lie: `target/x86_64-unknown-linux-musl/release/app`, `dist/app_linux_arm64/app`. */
const MAX_DEPTH = 4;
/** What cargo keeps beside its results, and folders nobody builds programs into. */
const passedOver = new Set(["build", "deps", "examples", "incremental", "node_modules", "debug"]);

/** Programs for Linux in a folder as compilers lay them out, sorted; what else lies there is nobody's program. */
async function findPrograms(folder: string, fits: (mode: number) => boolean, depth = 1): Promise<string[]> {
  const found: string[] = [];
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => compareStrings(a.name, b.name))) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH && !entry.name.startsWith(".") && !passedOver.has(entry.name)) {
      found.push(...(await findPrograms(file, fits, depth + 1)));
    }
    if (entry.isFile() && fits((await stat(file)).mode) && (await isProgram(file))) {
      found.push(await realpath(file));
    }
  }
  return found;
}

function isExecutable(mode: number): boolean {
  return (mode & 0o111) !== 0;
}

/** Libraries are executable files too, and goreleaser builds for other systems that have ELF. */
async function isProgram(file: string): Promise<boolean> {
  if (!(await startsLikeElf(file))) return false;
  const { platform, linkage, soname } = await withFile(file, (reader) => parseElf(reader, file));
  // libc runs, but is a library all the same.
  return platform !== undefined && linkage !== "library" && linkage !== "other" && soname === undefined;
}

async function startsLikeElf(file: string): Promise<boolean> {
  return (await startOf(file)).startsWith("\x7fELF");
}

/** The first bytes of a file, one character each. */
async function startOf(file: string): Promise<string> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, file, "read");
  }
}

/** What people take for a program of Linux, by how it starts, and what to do instead. */
const others: readonly { readonly start: RegExp; readonly what: string; readonly hint: string }[] = [
  { start: /^$/, what: "is empty", hint: "has the build that makes it failed?" },
  { start: /^MZ/, what: "is a program for Windows", hint: "build it for Linux" },
  {
    start: /^(?:[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe\0\0\0[^\x2d-\xff])/,
    what: "is a program for macOS",
    hint: "build it for Linux",
  },
  {
    start: /^\0asm/,
    what: "is WebAssembly, which needs a program that runs it",
    hint: "point at the app that loads it",
  },
  { start: /^!<arch>/, what: "is a static library or a package", hint: "point at a program" },
];

async function notBuildable(file: string): Promise<SlimError> {
  const start = await startOf(file);
  const interpreter = /^#![ \t]*(\S[^\n]*)/.exec(start)?.[1];
  if (interpreter !== undefined && !/\bnode(?:js)?\b/.test(interpreter)) {
    return new SlimError("CONFIG", `is a script for ${interpreter}`, {
      where: file,
      hint: "slim builds Node.js apps and binaries; a program of Debian is added with --package",
    });
  }
  if (interpreter !== undefined) {
    return new SlimError("CONFIG", "is a script for Node.js whose name does not say what is in it", {
      where: file,
      hint: "give it a name that ends in .js, .mjs or .cjs",
    });
  }
  const known = others.find((one) => one.start.test(start));
  return new SlimError("CONFIG", known?.what ?? "is not something slim can build", {
    where: file,
    hint: known?.hint ?? "point at a folder with a package.json, a JS/TS entry file, or an ELF binary",
  });
}

/** How the app is started, and how we know. */
export interface Entry extends Omit<Started, "run" | "leftOut"> {
  /** Relative to the project's folder, with `/`; above it for the program of a package that lies there. */
  readonly file: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** Names of entry files by custom, most telling first; `npm start` runs server.js when nothing says otherwise. */
const customary = [
  "server",
  "index",
  "src/server",
  "src/index",
  "src/main",
  "app",
  "main",
  "src/app",
  "server/index",
  "server/entry",
];
const extensions = ["js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx"];

/** Scripts that start an app, best first: `start` may be the one for development. */
const startScripts = ["start", "start:prod", "start:production"];

/**
 * The entry of a Node.js app: what was asked for, else what `npm start` runs, else package.json's
 * `main` or its only `bin`, else a file with a customary name.
 * @throws SlimError `CONFIG`
 */
export async function findEntry(project: Project & { kind: "node" }, asked: string | undefined): Promise<Entry> {
  const { folder, manifest, file } = project;
  if (asked !== undefined) return plain(await existing(folder, asked, "--entry"));
  if (file !== undefined) return plain(path.relative(folder, file).split(path.sep).join("/"));
  const start = manifest.scripts?.start;
  for (const name of startScripts) {
    const entry = await ofScript(project, name);
    if (entry !== undefined) return entry;
  }
  const found = await namedEntry(folder, manifest);
  if (found !== undefined) return plain(found, start === undefined ? [] : [notUsed(start, found)]);
  const what =
    start === undefined
      ? "does not say which file starts the app"
      : `the start script "${start}" does not say which file Node.js starts`;
  throw new SlimError("CONFIG", what, {
    where: path.join(folder, "package.json"),
    hint: 'set "main", a start script of the form "node FILE", or --entry FILE',
  });
}

function plain(file: string, diagnostics: readonly Diagnostic[] = []): Entry {
  return { file, args: [], env: {}, nodeOptions: [], preloads: [], diagnostics };
}

function notUsed(start: string, file: string): Diagnostic {
  return {
    code: "start-script",
    severity: "warning",
    message: `the start script "${start}" does not say which file Node.js starts: ${file} is taken`,
    file: "package.json",
    hint: "--entry FILE says it",
  };
}

/** What package.json or a file's name says without a script. */
async function namedEntry(folder: string, manifest: Manifest): Promise<string | undefined> {
  if (typeof manifest.main === "string") return existing(folder, manifest.main, "main in package.json");
  const bins = typeof manifest.bin === "string" ? [manifest.bin] : Object.values(manifest.bin ?? {});
  if (bins.length === 1 && typeof bins[0] === "string") return existing(folder, bins[0], "bin in package.json");
  return customaryEntry(folder);
}

async function customaryEntry(folder: string): Promise<string | undefined> {
  for (const name of customary) {
    const found = await withExtension(folder, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** @throws SlimError `CONFIG` where a script names a file that is not there, or a program that needs more than an image has */
async function ofScript({ folder, manifest }: Project & { kind: "node" }, name: string): Promise<Entry | undefined> {
  const started = readScript(manifest.scripts ?? {}, name);
  if (started === undefined) return undefined;
  const { run, leftOut, ...how } = started;
  const diagnostics = leftOut.map(({ what, hint }) => said("start-script-part", `the ${name} script ${what}`, hint));
  if ("file" in run) {
    return { ...how, file: await existing(folder, run.file, `scripts.${name} in package.json`), diagnostics };
  }
  const program = await programOf(folder, manifest, run.program);
  if (program === undefined) return undefined;
  const output = outputs[[run.program, how.args[0]].join(" ")];
  if (output !== undefined) {
    const entry = (await readdir(folder)).some((file) => file.startsWith(output.config))
      ? undefined
      : await customaryEntry(folder);
    if (entry !== undefined) return plain(entry);
    const script = manifest.scripts?.[name];
    throw new SlimError("CONFIG", `the ${name} script "${script}" serves a folder that only it knows`, {
      where: path.join(folder, "package.json"),
      hint: output.hint,
    });
  }
  const what = `the ${name} script runs ${run.program} of ${program.package}: files that it finds by itself may be missing`;
  const hint = "slim trace -- npm start notes what it opens, --include adds files";
  return { ...how, file: program.file, diagnostics: [...diagnostics, said("start-script-program", what, hint)] };
}

/**
 * Programs whose build can write an output for images, with the script that the project has: where the configuration
 * is, is the project.
 */
const outputs: Readonly<Record<string, { readonly config: string; readonly hint: string }>> = {
  "next start": {
    config: "next.config.",
    hint: 'set output: "standalone" in next.config, run next build, copy public and .next/static into .next/standalone as Next.js says, and slim build .next/standalone',
  },
};

function said(code: string, message: string, hint: string): Diagnostic {
  return { code, severity: "warning", message, file: "package.json", hint };
}

/** The file of a program that a dependency brings; undefined for what only development has. */
async function programOf(
  folder: string,
  { dependencies, optionalDependencies }: Manifest,
  program: string,
): Promise<{ readonly file: string; readonly package: string } | undefined> {
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const place = await installed(folder, name);
    const { bin } = place === undefined ? {} : await readManifest(place);
    const bins = typeof bin === "string" ? { [name.replace(/^@[^/]+\//, "")]: bin } : (bin ?? {});
    const file = (bins as Readonly<Record<string, unknown>>)[program];
    if (place === undefined || typeof file !== "string") continue;
    return { file: path.relative(folder, path.join(place, file)).split(path.sep).join("/"), package: name };
  }
  return undefined;
}

async function installed(folder: string, name: string): Promise<string | undefined> {
  for (let at = folder; ; at = path.dirname(at)) {
    const place = path.join(at, "node_modules", name);
    if (await statOrUndefined(path.join(place, "package.json"))) return place;
    if (at === path.dirname(at)) return undefined;
  }
}

async function existing(folder: string, name: string, source: string): Promise<string> {
  const relative = path.relative(folder, path.resolve(folder, name)).split(path.sep).join("/");
  if (relative.startsWith("../") || path.isAbsolute(relative)) {
    throw new SlimError("CONFIG", `${source} lies outside the project`, { where: name });
  }
  const found = await withExtension(folder, relative || "index");
  if (found !== undefined) return found;
  throw new SlimError("CONFIG", `${source} names a file that does not exist`, {
    where: path.join(folder, name),
    hint: "if a build step makes it, run that first; or choose another with --entry",
  });
}

async function withExtension(folder: string, name: string): Promise<string | undefined> {
  const candidates = [name, ...extensions.map((extension) => `${name}.${extension}`)];
  for (const candidate of [...candidates, ...extensions.map((extension) => `${name}/index.${extension}`)]) {
    if ((await statOrUndefined(path.join(folder, candidate)))?.isFile()) return candidate;
  }
  return undefined;
}
