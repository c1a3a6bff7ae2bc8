import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { type Disk, isWithin } from "../disk.ts";
import type { Component } from "../types.ts";

/** https://docs.npmjs.com/cli/configuring-npm/package-json, the part that a closure needs. */
export interface PackageJson {
  readonly name?: string;
  readonly version?: string;
  readonly type?: string;
  readonly main?: string;
  readonly license?: unknown;
  readonly exports?: unknown;
  readonly imports?: unknown;
  readonly os?: unknown;
  readonly cpu?: unknown;
  readonly libc?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** A folder with a package.json. */
export interface Scope {
  readonly folder: string;
  readonly json: PackageJson;
}

/** The packages of a project: which package.json rules a file, and which component it belongs to. */
export class Packages {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #app: Component;
  readonly #scopes = new Map<string, Scope | undefined>();

  constructor(disk: Disk, root: string, app: Component) {
    this.#disk = disk;
    this.#root = root;
    this.#app = app;
  }

  /** The scope that starts in exactly this folder. */
  at(folder: string): Scope | undefined {
    if (this.#scopes.has(folder)) return this.#scopes.get(folder);
    const file = path.join(folder, "package.json");
    const scope = this.#disk.isFile(file) ? { folder, json: this.#parse(file) } : undefined;
    this.#scopes.set(folder, scope);
    return scope;
  }

  /** Looks at a folder anew, and at what is in it: it was added. */
  forget(folder: string): void {
    for (const known of this.#scopes.keys()) if (isWithin(known, folder)) this.#scopes.delete(known);
  }

  /** The scope Node.js applies to a file: the nearest package.json, never beyond a node_modules folder. */
  of(file: string): Scope | undefined {
    for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
      if (path.basename(folder) === "node_modules") return undefined;
      const scope = this.at(folder);
      if (scope !== undefined || folder === this.#root || path.dirname(folder) === folder) return scope;
    }
  }

  /** The scope of the whole package that a file belongs to: nested package.json files are passed over. */
  whole(file: string): Scope | undefined {
    const at = file.lastIndexOf(`${path.sep}node_modules${path.sep}`);
    if (at >= 0) {
      const parts = file.slice(at + 14).split(path.sep);
      return this.at(
        path.join(file.slice(0, at), "node_modules", ...parts.slice(0, parts[0]?.startsWith("@") ? 2 : 1)),
      );
    }
    for (let folder = path.dirname(file); isWithin(folder, this.#root); folder = path.dirname(folder)) {
      const scope = this.at(folder);
      if (scope?.json.name !== undefined || folder === this.#root) return scope;
    }
    return undefined;
  }

  /** Whether a file is the user's own and not an installed package's. */
  isOwn(file: string): boolean {
    return !file.slice(this.#root.length).includes(`${path.sep}node_modules${path.sep}`);
  }

  component(file: string): Component {
    const scope = this.whole(file);
    const name = scope?.json.name;
    if (name === undefined || name === this.#app.name || (this.isOwn(file) && scope?.folder === this.#root))
      return this.#app;
    const { version, license } = scope?.json ?? {};
    return {
      purl: npmPurl(name, version),
      name,
      ...(typeof version === "string" ? { version } : {}),
      ...(typeof license === "string" ? { license } : {}),
    };
  }

  #parse(file: string): PackageJson {
    const text = this.#disk
      .read(file)
      .toString("utf8")
      .replace(/^\uFEFF/, "");
    try {
      const json: unknown = JSON.parse(text);
      return typeof json === "object" && json !== null ? (json as PackageJson) : {};
    } catch (cause) {
      if (this.isOwn(file)) throw new SlimError("SYNTAX", "is not valid JSON", { where: file, cause });
      return {};
    }
  }
}

/** https://github.com/package-url/purl-spec/blob/main/types-doc/npm-definition.md */
export function npmPurl(name: string, version?: string): string {
  const path = name.split("/").map(encodeURIComponent).join("/").toLowerCase();
  return `pkg:npm/${path}${version === undefined ? "" : `@${encodeURIComponent(version)}`}`;
}

/** `@scope/name/sub/path` taken apart: the package, and `./sub/path` or `.`; undefined where it is no package name. */
export function splitSpecifier(specifier: string): { readonly name: string; readonly subpath: string } | undefined {
  const match = /^((?:@[^/\\%]+\/)?[^./\\%@][^/\\%]*)(\/.*)?$/.exec(specifier);
  if (match?.[1] === undefined) return undefined;
  return { name: match[1], subpath: `.${match[2] ?? ""}` };
}

/** What a package has for people and tools: documentation, declarations, headers and source maps. */
export const forPeople =
  /\.(?:md|map|d\.[cm]?ts|tsbuildinfo|hp?p?|gypi?|pc|a)$|(?:^|\/)(?:licen[cs]e|notice|changelog)[^/]*$/i;
