import { builtinModules } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import semver from "semver";
import { type Disk, isWithin } from "../disk.ts";
import { type Packages, splitSpecifier } from "./packages.ts";

/** How a module is asked for; Node.js has two algorithms. */
export type Style = "import" | "require";

export type Resolution =
  | { readonly type: "builtin" }
  | {
      readonly type: "file";
      /** With links followed. */
      readonly file: string;
      /** For a bare name: the folder that the search of Node.js found it from, as `node_modules` is looked up. */
      readonly base?: string;
    }
  | { readonly type: "missing"; readonly message: string };

/** Extensions that `require` tries, and those that TypeScript projects leave out as well. */
const extensions = [".js", ".json", ".node"];
const typescript = [".ts", ".tsx", ".mts", ".cts", ".jsx"];
/** What TypeScript writes in an import, and what is meant. */
const written: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx"],
  ".jsx": [".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
};

/** Path aliases of a tsconfig.json that applies to a file. */
export type Aliases = (
  file: string,
) => { readonly base: string; readonly paths: Readonly<Record<string, readonly string[]>> } | undefined;

/**
 * Resolves as the target's Node.js does, whichever runs the build.
 * https://nodejs.org/api/modules.html#all-together, https://nodejs.org/api/esm.html#resolution-algorithm
 */
export class Resolver {
  readonly #disk: Disk;
  readonly #packages: Packages;
  readonly #root: string;
  readonly #aliases: Aliases;
  readonly #conditions: Readonly<Record<Style, ReadonlySet<string>>>;

  constructor(disk: Disk, packages: Packages, root: string, node: string, aliases: Aliases) {
    this.#disk = disk;
    this.#root = root;
    this.#packages = packages;
    this.#aliases = aliases;
    const common = ["node", "node-addons", "default"];
    // Since require() takes ES modules: https://nodejs.org/api/packages.html#conditional-exports
    if (hasRequireEsm(node)) common.push("module-sync");
    this.#conditions = { import: new Set(["import", ...common]), require: new Set(["require", ...common]) };
  }

  resolve(specifier: string, from: string, style: Style): Resolution {
    if (isBuiltin(specifier)) return { type: "builtin" };
    const asked = withoutQuery(specifier, style);
    const typed = /\.[cm]?tsx?$|\.jsx$/.test(from);
    if (asked.startsWith("file:")) return this.#place(fileURLToPath(asked), style, typed);
    if (/^[a-z][a-z0-9+.-]+:/i.test(asked)) return missing(`unsupported scheme in "${specifier}"`);
    if (/^\.{0,2}\//.test(asked) || asked === "." || asked === "..") {
      const place = path.resolve(path.dirname(from), style === "import" ? decode(asked) : asked);
      return this.#place(asked.endsWith("/") || /(^|\/)\.\.?$/.test(asked) ? place + path.sep : place, style, typed);
    }
    const aliased = this.#alias(asked, from, style);
    if (aliased !== undefined) return aliased;
    return asked.startsWith("#") ? this.#internal(asked, from, style) : this.#bare(asked, from, style);
  }

  /** The names that `exports` or `imports` of package.json have for files, of the package that a name begins with. */
  *names(start: string, from: string, style: Style): Generator<string> {
    const name = start.startsWith("#") ? "#" : splitSpecifier(start)?.name;
    if (name === undefined) return;
    const own = this.#packages.of(from);
    const isOwn = name === "#" || own?.json.name === name;
    const scope = isOwn ? own : this.#packages.at(this.#installed(name, from) ?? "");
    const map = name === "#" ? own?.json.imports : scope?.json.exports;
    if (scope === undefined || !isRecord(map)) return;
    for (const [key, value] of Object.entries(map)) {
      const asked = name === "#" ? key : key.startsWith(".") ? name + key.slice(1) : undefined;
      const target = this.#target(value, "*", style);
      if (asked === undefined || target === undefined || target === null) continue;
      if (!key.includes("*")) yield asked;
      else for (const star of this.#stars(path.join(scope.folder, target))) yield asked.replace("*", star);
    }
  }

  #installed(name: string, from: string): string | undefined {
    for (let folder = path.dirname(from); isWithin(folder, this.#root); folder = path.dirname(folder)) {
      const place = path.join(folder, "node_modules", name);
      if (this.#disk.isFolder(place)) return this.#disk.realpath(place);
    }
    return undefined;
  }

  /** What `*` may stand for in the path of a file. */
  *#stars(pattern: string): Generator<string> {
    const folder = path.dirname(pattern.slice(0, pattern.indexOf("*") + 1));
    for (const file of this.#disk.below(folder)) {
      const star = matchPattern(pattern, file);
      if (star !== undefined) yield star;
    }
  }

  /** A file of that name in another case, where a relative import has one: the reason most people look for. */
  otherCase(specifier: string, from: string): string | undefined {
    if (!specifier.startsWith(".")) return undefined;
    let place = path.dirname(from);
    const parts = specifier.split("/");
    let differs = false;
    for (const [index, part] of parts.entries()) {
      if (part === "." || part === "..") {
        place = path.resolve(place, part);
        continue;
      }
      const last = index === parts.length - 1;
      const name = this.#disk.names(place).find((candidate) => {
        const [a, b] = [candidate.toLowerCase(), part.toLowerCase()];
        return a === b || (last && [...extensions, ...typescript].some((extension) => a === b + extension));
      });
      if (name === undefined) return undefined;
      differs ||= !name.startsWith(part);
      place = path.join(place, name);
    }
    return differs ? place : undefined;
  }

  #place(place: string, style: Style, typed: boolean): Resolution {
    const found =
      style === "require" || typed ? this.#asFileOrFolder(place, typed) : this.#disk.isFile(place) ? place : undefined;
    return found === undefined ? missing("no such file") : { type: "file", file: this.#disk.realpath(found) };
  }

  #asFileOrFolder(place: string, typed: boolean): string | undefined {
    const folder = place.endsWith(path.sep) ? place.slice(0, -1) : place;
    return (folder === place ? this.#asFile(place, typed) : undefined) ?? this.#asFolder(folder, typed);
  }

  #asFile(place: string, typed: boolean): string | undefined {
    if (this.#disk.isFile(place)) return place;
    const extension = path.extname(place);
    const meant = typed ? (written[extension] ?? []).map((other) => place.slice(0, -extension.length) + other) : [];
    const added = [...extensions, ...(typed ? typescript : [])].map((other) => place + other);
    return [...meant, ...added].find((file) => this.#disk.isFile(file));
  }

  #asFolder(folder: string, typed: boolean): string | undefined {
    if (!this.#disk.isFolder(folder)) return undefined;
    const main = this.#packages.at(folder)?.json.main;
    if (typeof main === "string" && main !== "") {
      const place = path.resolve(folder, main);
      const found = this.#asFile(place, typed) ?? this.#asFile(path.join(place, "index"), typed);
      if (found !== undefined) return found;
    }
    return this.#asFile(path.join(folder, "index"), typed);
  }

  #internal(specifier: string, from: string, style: Style): Resolution {
    const scope = this.#packages.of(from);
    if (scope === undefined || !isRecord(scope.json.imports))
      return missing(`no package.json here has an "imports" field`);
    const target = this.#match(specifier, scope.json.imports, style);
    if (target === undefined || target === null) return missing(`"imports" of ${scope.folder} has no such name`);
    if (target.startsWith("./")) return this.#exact(path.join(scope.folder, target), scope.folder);
    if (isBuiltin(target)) return { type: "builtin" };
    const found = this.#bare(target, path.join(scope.folder, "package.json"), style);
    return found.type === "file" ? { type: "file", file: found.file, base: scope.folder } : found;
  }

  #alias(specifier: string, from: string, style: Style): Resolution | undefined {
    const aliases = this.#aliases(from);
    for (const [pattern, targets] of Object.entries(aliases?.paths ?? {})) {
      const rest = matchPattern(pattern, specifier);
      if (rest === undefined) continue;
      for (const target of targets) {
        const found = this.#place(path.resolve(aliases?.base ?? "", target.replace("*", rest)), style, true);
        if (found.type === "file") return found;
      }
    }
    return undefined;
  }

  #bare(specifier: string, from: string, style: Style): Resolution {
    const split = splitSpecifier(specifier);
    if (split === undefined) return missing("is not a valid package name");
    const own = this.#packages.of(from);
    if (own?.json.name === split.name && own.json.exports !== undefined && own.json.exports !== null) {
      return this.#exported(own.folder, own.json.exports, split.subpath, style);
    }
    for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
      const base = path.join(folder, "node_modules");
      const place = path.join(base, split.name);
      if (path.basename(folder) !== "node_modules" && this.#disk.isFolder(place)) {
        const found = this.#inPackage(place, split.subpath, style);
        if (found !== undefined) return found.type === "file" ? { ...found, base: folder } : found;
      } else if (path.basename(folder) !== "node_modules" && split.subpath === "." && style === "require") {
        const file = this.#asFile(place, false);
        if (file !== undefined) return { type: "file", file: this.#disk.realpath(file), base: folder };
      }
      // The image has nothing above the project.
      if (folder === this.#root || path.dirname(folder) === folder)
        return missing(this.#outside(split.name) ?? "is not installed");
    }
  }

  #outside(name: string): string | undefined {
    for (let folder = path.dirname(this.#root); path.dirname(folder) !== folder; folder = path.dirname(folder)) {
      if (this.#disk.isFolder(path.join(folder, "node_modules", name)))
        return `is installed outside of the project, in ${folder}: build from there`;
    }
    return undefined;
  }

  #inPackage(place: string, subpath: string, style: Style): Resolution | undefined {
    const json = this.#packages.at(place)?.json;
    if (json?.exports !== undefined && json.exports !== null)
      return this.#exported(place, json.exports, subpath, style);
    const target = path.join(place, subpath) + (subpath.endsWith("/") ? path.sep : "");
    const found =
      style === "require" || subpath === "."
        ? this.#asFileOrFolder(target, false)
        : this.#disk.isFile(target)
          ? target
          : undefined;
    if (found !== undefined) return { type: "file", file: this.#disk.realpath(found) };
    // CommonJS goes on upwards, an import does not: https://github.com/nodejs/node/blob/main/lib/internal/modules/esm/resolve.js
    return style === "require" ? undefined : missing(`${place} has no ${subpath === "." ? "main file" : subpath}`);
  }

  #exported(folder: string, exports: unknown, subpath: string, style: Style): Resolution {
    const map =
      isRecord(exports) && Object.keys(exports).some((key) => key.startsWith(".")) ? exports : { ".": exports };
    const target = this.#match(subpath, map, style);
    if (target === undefined || target === null)
      return missing(`"exports" of its package.json does not have "${subpath}"`);
    return this.#exact(path.join(folder, target), folder);
  }

  #exact(file: string, folder: string): Resolution {
    if (!isWithin(file, folder)) return missing("its package.json points out of the package");
    if (!this.#disk.isFile(file))
      return missing(`its package.json points to ${path.relative(folder, file)}, which does not exist`);
    return { type: "file", file: this.#disk.realpath(file) };
  }

  /** The target of a key in `exports` or `imports`; null where it is closed on purpose. */
  #match(key: string, map: Readonly<Record<string, unknown>>, style: Style): string | null | undefined {
    if (key in map && !key.includes("*")) return this.#target(map[key], "", style);
    let best: { key: string; rest: string } | undefined;
    for (const pattern of Object.keys(map)) {
      if (!pattern.includes("*") && !pattern.endsWith("/")) continue;
      const rest = matchPattern(pattern.endsWith("/") ? `${pattern}*` : pattern, key);
      if (rest !== undefined && (best === undefined || comparePatterns(pattern, best.key) < 0))
        best = { key: pattern, rest };
    }
    return best && this.#target(map[best.key], best.rest, style, best.key.endsWith("/"));
  }

  #target(target: unknown, rest: string, style: Style, folder = false): string | null | undefined {
    if (typeof target === "string") return folder ? target + rest : target.replaceAll("*", rest);
    if (target === null) return null;
    if (Array.isArray(target)) {
      for (const choice of target) {
        const found = this.#target(choice, rest, style, folder);
        if (found !== undefined && found !== null) return found;
      }
      return undefined;
    }
    if (!isRecord(target)) return undefined;
    for (const [condition, value] of Object.entries(target)) {
      if (!this.#conditions[style].has(condition)) continue;
      const found = this.#target(value, rest, style, folder);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** https://nodejs.org/api/modules.html#loading-ecmascript-modules-using-require, without a flag. */
export function hasRequireEsm(node: string): boolean {
  return semver.satisfies(node, "^20.19.0 || >=22.12.0", { includePrerelease: true });
}

/** https://nodejs.org/api/module.html#moduleregisterhooksoptions */
export function hasRegisterHooks(node: string): boolean {
  return semver.satisfies(node, "^22.15.0 || >=23.5.0", { includePrerelease: true });
}

/** Modules that only exist with the scheme: no list of the building Node.js is asked for these. */
const builtins = new Set(builtinModules.filter((name) => !name.includes(":")));

export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || builtins.has(specifier);
}

function missing(message: string): Resolution {
  return { type: "missing", message };
}

function withoutQuery(specifier: string, style: Style): string {
  return style === "import" && /^(\.{0,2}\/|file:)/.test(specifier) ? specifier.replace(/[?#].*$/s, "") : specifier;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What `*` stands for, or undefined where the pattern does not fit. */
function matchPattern(pattern: string, text: string): string | undefined {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern === text ? "" : undefined;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  if (text.length < pattern.length || !text.startsWith(head) || !text.endsWith(tail)) return undefined;
  return text.slice(star, text.length - tail.length);
}

/** `PATTERN_KEY_COMPARE` of the specification: the longest prefix first. */
function comparePatterns(a: string, b: string): number {
  const base = (key: string) => (key.includes("*") ? key.indexOf("*") + 1 : key.length);
  return base(b) - base(a) || b.length - a.length;
}
