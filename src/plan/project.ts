import { open, readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { Diagnostic } from "../base/diagnostic.ts";
import { ioError, SlimError } from "../base/error.ts";
import { compareStrings, statOrUndefined } from "../base/files.ts";
import { readJson } from "./config.ts";

/** What a user points at, before anything is decided about it. */
export type Project =
  | {
      readonly kind: "binary";
      /** Absolute, without links; several where they are for several platforms. */
      readonly files: readonly string[];
      /** Where configuration and lock are. */
      readonly folder: string;
    }
  /** A program out of a Debian package. */
  | { readonly kind: "package"; readonly folder: string }
  | {
      readonly kind: "node";
      /** Where package.json is, or the folder of the entry file where there is none. */
      readonly folder: string;
      readonly manifest: Manifest;
      /** The entry file, absolute, where the user pointed at a file. */
      readonly file?: string;
    };

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
      const files = await findPrograms(target);
      if (files.length > 0) return { kind: "binary", files, folder };
      throw new SlimError("CONFIG", "is not a project: it has no package.json", {
        where: target,
        hint: "point at a folder with a package.json, a JS/TS entry file, or an ELF binary",
      });
    }
    const real = await realpath(target);
    return { kind: "node", folder: real, manifest: await readManifest(real) };
  }
  if (await startsLikeElf(target)) return { kind: "binary", files: [await realpath(target)], folder };
  if (!script.test(target)) throw await notBuildable(target);
  const file = await realpath(target);
  const owner = await nearestManifest(path.dirname(file));
  const manifest = owner === undefined ? {} : await readManifest(owner);
  return { kind: "node", folder: owner ?? path.dirname(file), manifest, file };
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

/** Executable ELF files of a folder as compilers lay them out, sorted. */
async function findPrograms(folder: string, depth = 1): Promise<string[]> {
  const found: string[] = [];
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => compareStrings(a.name, b.name))) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH && !entry.name.startsWith(".") && !passedOver.has(entry.name)) {
      found.push(...(await findPrograms(file, depth + 1)));
    }
    if (entry.isFile() && ((await stat(file)).mode & 0o111) !== 0 && (await startsLikeElf(file))) {
      found.push(await realpath(file));
    }
  }
  return found;
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
  if (interpreter !== undefined && !/\bnode\b/.test(interpreter)) {
    return new SlimError("CONFIG", `is a script for ${interpreter}`, {
      where: file,
      hint: "slim builds Node.js apps and binaries; a program of Debian is added with --package",
    });
  }
  const known = others.find((one) => one.start.test(start));
  return new SlimError("CONFIG", known?.what ?? "is not something slim can build", {
    where: file,
    hint: known?.hint ?? "point at a folder with a package.json, a JS/TS entry file, or an ELF binary",
  });
}

/** How the app is started, and how we know. */
export interface Entry {
  /** Relative to the project's folder, with `/`. */
  readonly file: string;
  /** Options of Node.js itself, which stand before the file. */
  readonly nodeOptions: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Names of entry files by custom, most telling first; `npm start` runs server.js when nothing says otherwise. */
const customary = ["server", "index", "src/server", "src/index", "src/main", "app", "main", "src/app"];
const extensions = ["js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx"];

/**
 * The entry of a Node.js app: what was asked for, else what `npm start` runs, else package.json's
 * `main` or its only `bin`, else a file with a customary name.
 * @throws SlimError `CONFIG`
 */
export async function findEntry(project: Project & { kind: "node" }, asked: string | undefined): Promise<Entry> {
  const { folder, manifest, file } = project;
  const plain = (found: string): Entry => ({ file: found, nodeOptions: [], diagnostics: [] });
  if (asked !== undefined) return plain(await existing(folder, asked, "--entry"));
  if (file !== undefined) return plain(path.relative(folder, file).split(path.sep).join("/"));
  const start = startScript(manifest.scripts?.start);
  if (start !== undefined)
    return { ...start, file: await existing(folder, start.file, "scripts.start in package.json") };
  if (typeof manifest.main === "string") return plain(await existing(folder, manifest.main, "main in package.json"));
  const bins = typeof manifest.bin === "string" ? [manifest.bin] : Object.values(manifest.bin ?? {});
  if (bins.length === 1 && typeof bins[0] === "string") {
    return plain(await existing(folder, bins[0], "bin in package.json"));
  }
  for (const name of customary) {
    const found = await withExtension(folder, name);
    if (found !== undefined) return plain(found);
  }
  throw new SlimError("CONFIG", "does not say which file starts the app", {
    where: path.join(folder, "package.json"),
    hint: 'set "main", a start script of the form "node FILE", or --entry FILE',
  });
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

/** Reads `[NAME=value ...] node [options] FILE`; undefined for any other script. */
function startScript(start: string | undefined): Entry | undefined {
  const words = start?.trim().split(/\s+/) ?? [];
  if (/["'`$&|;<>()\\]/.test(start ?? "")) return undefined;
  const node = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  if (words[node] !== "node") return undefined;
  const at = words.findIndex((word, index) => index > node && !word.startsWith("-"));
  const file = words[at];
  if (file === undefined || at !== words.length - 1) return undefined;
  const options = words.slice(node + 1, at);
  const preloads = options.filter((option) =>
    /^(?:-r|--require|--import|--loader|--experimental-loader)(?:=|$)/.test(option),
  );
  const diagnostics: Diagnostic[] = preloads.map((option) => ({
    code: "start-script-preload",
    severity: "warning",
    message: `the start script's ${option} is not carried into the image`,
    file: "package.json",
    hint: "import that module from the entry file",
  }));
  return { file, nodeOptions: options.filter((option) => !preloads.includes(option)), diagnostics };
}
