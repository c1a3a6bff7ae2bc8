import { type Dirent, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { ioError, systemCode } from "../base/error.ts";
import { compareStrings } from "../base/files.ts";

/** A file that is not on the disk where it is seen. */
export interface AddedFile {
  /** Relative to the folder it is added to, with `/`. */
  readonly path: string;
  /** Where its bytes lie. */
  readonly source: string;
  readonly executable: boolean;
}

type Kind = "file" | "folder" | "link";

/**
 * The project's disk, seen once and case-sensitively on every system: what is asked for must be
 * spelled as the folder spells it. Everything is remembered for the length of one build. Folders can be
 * added, which are then seen as if they were there.
 */
export class Disk {
  readonly #folders = new Map<string, ReadonlyMap<string, Kind | undefined> | undefined>();
  readonly #kinds = new Map<string, "file" | "folder" | undefined>();
  readonly #real = new Map<string, string>();
  /** Files, folders (null) and links that were added. */
  readonly #added = new Map<string, AddedFile | { readonly target: string } | null>();
  readonly #children = new Map<string, Map<string, Kind>>();
  readonly #links: string[] = [];

  isFile(file: string): boolean {
    return this.#kind(file) === "file";
  }

  isFolder(folder: string): boolean {
    return this.#kind(folder) === "folder";
  }

  /** Names in a folder, sorted; none where there is no such folder. */
  names(folder: string): readonly string[] {
    return [...(this.#list(folder)?.keys() ?? [])];
  }

  isLink(file: string): boolean {
    return this.#list(path.dirname(file))?.get(path.basename(file)) === "link";
  }

  isExecutable(file: string): boolean {
    const added = this.#addedFile(file);
    return added === undefined ? (statSync(file).mode & 0o100) !== 0 : added.executable;
  }

  /** The place a path really has, links followed. */
  realpath(file: string): string {
    const place = this.#followed(file);
    if (this.#added.has(place)) return place;
    let real = this.#real.get(place);
    if (real === undefined) {
      real = realpathSync.native(place);
      this.#real.set(place, real);
    }
    return real;
  }

  read(file: string): Buffer {
    try {
      return readFileSync(this.source(file));
    } catch (error) {
      throw ioError(error, file, "read");
    }
  }

  /** Where the bytes of a file lie: at its place, unless it was added. */
  source(file: string): string {
    return this.#addedFile(file)?.source ?? file;
  }

  /** Every file below a folder, sorted; `node_modules` and links to folders are not entered. */
  *below(folder: string): Generator<string> {
    for (const [name, kind] of this.#list(folder) ?? []) {
      const file = path.join(folder, name);
      if (kind === "folder") {
        if (name !== "node_modules" && name !== ".git") yield* this.below(file);
      } else if (this.isFile(file)) yield file;
    }
  }

  /** Adds a folder with its files; `folder` is a real place, or below one. */
  add(folder: string, files: readonly AddedFile[]): void {
    for (const file of files) this.#add(path.join(folder, file.path), file);
  }

  /** Adds a link to a folder that was added. */
  addLink(place: string, target: string): void {
    this.#links.push(place);
    for (const known of [...this.#kinds.keys(), ...this.#folders.keys()])
      if (isWithin(known, place)) this.#forget(known);
    this.#add(place, { target });
  }

  #add(place: string, added: AddedFile | { readonly target: string } | null): void {
    const parent = path.dirname(place);
    if (this.#kind(parent) !== "folder") this.#add(parent, null);
    this.#added.set(place, added);
    const kind = added === null ? "folder" : "target" in added ? "link" : "file";
    const listing = this.#children.get(parent) ?? new Map<string, Kind>();
    this.#children.set(parent, listing.set(path.basename(place), kind));
    // What was looked for in vain before is there now.
    this.#forget(place);
    this.#folders.delete(parent);
  }

  #forget(place: string): void {
    this.#kinds.delete(place);
    this.#folders.delete(place);
  }

  #addedFile(file: string): AddedFile | undefined {
    const added = this.#added.get(this.#followed(file));
    return added && "source" in added ? added : undefined;
  }

  /** A path with the links that were added followed. */
  #followed(file: string): string {
    for (const link of this.#links) {
      const added = this.#added.get(link);
      if (added && "target" in added && isWithin(file, link)) return added.target + file.slice(link.length);
    }
    return file;
  }

  #kind(file: string): "file" | "folder" | undefined {
    if (this.#kinds.has(file)) return this.#kinds.get(file);
    const kind = this.#look(file);
    this.#kinds.set(file, kind);
    return kind;
  }

  #look(file: string): "file" | "folder" | undefined {
    const parent = path.dirname(file);
    if (parent === file) return "folder";
    const kind = this.#list(parent)?.get(path.basename(file));
    if (kind !== "link") return kind;
    const place = this.#followed(file);
    if (place !== file) return this.#kind(place);
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats?.isFile() ? "file" : stats?.isDirectory() ? "folder" : undefined;
  }

  #list(folder: string): ReadonlyMap<string, Kind | undefined> | undefined {
    if (this.#folders.has(folder)) return this.#folders.get(folder);
    const listing = path.dirname(folder) === folder || this.#kind(folder) === "folder" ? this.#read(folder) : undefined;
    this.#folders.set(folder, listing);
    return listing;
  }

  #read(folder: string): ReadonlyMap<string, Kind | undefined> | undefined {
    const place = this.#followed(folder);
    const found = new Map<string, Kind | undefined>();
    if (this.#added.get(place) === undefined) {
      try {
        for (const entry of readdirSync(place, { withFileTypes: true })) found.set(entry.name, kindOf(entry));
      } catch (error) {
        const code = systemCode(error);
        if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EACCES") throw ioError(error, folder, "list");
        return undefined;
      }
    }
    for (const [name, kind] of this.#children.get(place) ?? []) found.set(name, kind);
    return new Map([...found].sort(([a], [b]) => compareStrings(a, b)));
  }
}

function kindOf(entry: Dirent): Kind | undefined {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  return entry.isSymbolicLink() ? "link" : undefined;
}

/** Whether `file` is `folder` or lies below it. */
export function isWithin(file: string, folder: string): boolean {
  return file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);
}
