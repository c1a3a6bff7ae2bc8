import { type Dirent, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { ioError, systemCode } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";

/**
 * The project's disk, seen once and case-sensitively on every system: what is asked for must be
 * spelled as the folder spells it. Everything is remembered for the length of one build.
 */
export class Disk {
  readonly #folders = new Map<string, ReadonlyMap<string, Dirent> | undefined>();
  readonly #kinds = new Map<string, "file" | "folder" | undefined>();
  readonly #real = new Map<string, string>();

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
    return this.#list(path.dirname(file))?.get(path.basename(file))?.isSymbolicLink() === true;
  }

  /** The place a path really has, links followed. */
  realpath(file: string): string {
    let real = this.#real.get(file);
    if (real === undefined) {
      real = realpathSync.native(file);
      this.#real.set(file, real);
    }
    return real;
  }

  read(file: string): Buffer {
    try {
      return readFileSync(file);
    } catch (error) {
      throw ioError(error, file, "read");
    }
  }

  /** Every file below a folder, sorted; `node_modules` and links to folders are not entered. */
  *below(folder: string): Generator<string> {
    for (const [name, entry] of this.#list(folder) ?? []) {
      const file = path.join(folder, name);
      if (entry.isDirectory()) {
        if (name !== "node_modules" && name !== ".git") yield* this.below(file);
      } else if (this.isFile(file)) yield file;
    }
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
    const entry = this.#list(parent)?.get(path.basename(file));
    if (entry === undefined) return undefined;
    if (entry.isFile()) return "file";
    if (entry.isDirectory()) return "folder";
    if (!entry.isSymbolicLink()) return undefined;
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats?.isFile() ? "file" : stats?.isDirectory() ? "folder" : undefined;
  }

  #list(folder: string): ReadonlyMap<string, Dirent> | undefined {
    if (this.#folders.has(folder)) return this.#folders.get(folder);
    const parent = path.dirname(folder);
    let listing: ReadonlyMap<string, Dirent> | undefined;
    if (parent === folder || this.#kind(folder) === "folder") {
      try {
        const entries = readdirSync(folder, { withFileTypes: true });
        listing = new Map(entries.sort((a, b) => compareStrings(a.name, b.name)).map((entry) => [entry.name, entry]));
      } catch (error) {
        const code = systemCode(error);
        if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EACCES") throw ioError(error, folder, "list");
      }
    }
    this.#folders.set(folder, listing);
    return listing;
  }
}

/** Whether `file` is `folder` or lies below it. */
export function isWithin(file: string, folder: string): boolean {
  return file === folder || file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);
}
