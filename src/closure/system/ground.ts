import { createReadStream } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import path from "node:path";
import { ioError } from "../../base/error.ts";
import { CHUNK, hashFile } from "../../base/files.ts";
import type { Entry } from "../../layer/entry.ts";
import { withReason } from "../compose.ts";
import { findFile, type LibraryFiles } from "../elf/files.ts";
import { hostRoot, loaderFolders } from "../elf/host.ts";
import type { LibraryProblem, LoadedObject } from "../elf/resolve.ts";
import type { ClosureEntry, ClosurePart, Component, Reason } from "../types.ts";

/** Where the libraries under a program come from. */
export interface Ground {
  /** What a loader sees of it at once. */
  readonly files: LibraryFiles;
  /** Folders where a loader looks besides its own. */
  readonly configured: readonly string[];
  /** More of it: whatever may have a library or a loader that nothing in view has. */
  missing(name: string, requester: LoadedObject): Promise<LibraryFiles | undefined>;
  /** Puts a file or a link of it into the image. */
  take(path: string, reason: Reason): Promise<void>;
  /** Puts a link into the image that the ground does not have, so that a loader without cache finds what it names. */
  link?(link: { readonly path: string; readonly target: string }, reason: Reason): void;
  /** Whether the image has something at a path by now. */
  has?(path: string): boolean;
  /** What to do about what it does not have. */
  hint(problem: LibraryProblem): Promise<string>;
}

/** A ground that packages of Debian can be added to. */
export interface PackageGround extends Ground {
  /** Brings a package into view. */
  show(name: string): Promise<LibraryFiles>;
}

const nothing: LibraryFiles = { at: async () => undefined };

/** No ground at all: for programs that bring everything. @param hint what brings a library after all */
export function noGround(hint: Ground["hint"]): Ground {
  return { files: nothing, configured: [], missing: async () => undefined, take: async () => {}, hint };
}

/** A folder that holds a system: this machine's root, or a sysroot. */
export class FolderGround implements Ground {
  readonly #root: string;
  readonly #component: Component;
  readonly #entries = new Map<string, ClosureEntry>();
  readonly files: LibraryFiles;
  readonly configured: readonly string[];
  readonly hint: Ground["hint"];

  private constructor(root: string, configured: readonly string[], hint: Ground["hint"]) {
    const name = root === "/" ? "host" : "sysroot";
    this.#root = root;
    this.#component = { purl: `pkg:generic/${name}`, name };
    this.files = hostRoot(root);
    this.configured = configured;
    this.hint = hint;
  }

  /** @throws SlimError `IO` */
  static async open(root: string, hint: Ground["hint"]): Promise<FolderGround> {
    return new FolderGround(root, await loaderFolders(root), hint);
  }

  async missing(): Promise<undefined> {}

  async take(place: string, reason: Reason): Promise<void> {
    const entry = this.#entries.get(place)?.entry ?? (await this.#entry(place));
    this.#add(entry, reason);
  }

  link(link: { readonly path: string; readonly target: string }, reason: Reason): void {
    this.#add({ ...link, type: "symlink", uid: 0, gid: 0 }, reason);
  }

  async #takeOsRelease(): Promise<void> {
    const found = await findFile(this.files, "/etc/os-release");
    if (found === undefined) return;
    for (const place of [...found.links.map((link) => link.path), found.path]) {
      await this.take(place, { kind: "metadata", what: "os-release" });
    }
  }

  #add(entry: Entry, reason: Reason): void {
    const fresh = { entry, layer: "os", purl: this.#component.purl, reasons: [] } as const;
    this.#entries.set(entry.path, withReason(this.#entries.get(entry.path) ?? fresh, reason));
  }

  /** Everything taken, and what says which system it is of. */
  async part(): Promise<ClosurePart> {
    if (this.#entries.size > 0) await this.#takeOsRelease();
    const components = this.#entries.size === 0 ? [] : [this.#component];
    return { entries: [...this.#entries.values()], components, diagnostics: [] };
  }

  async #entry(place: string): Promise<Entry> {
    const file = path.join(this.#root, place);
    const common = { path: place, uid: 0, gid: 0 };
    try {
      const stats = await lstat(file);
      if (stats.isSymbolicLink()) return { ...common, type: "symlink", target: await readlink(file) };
      const open = () => createReadStream(file, { highWaterMark: CHUNK });
      const content = { ...(await hashFile(file)), open, place: { file, offset: 0 } };
      return { ...common, type: "file", mode: stats.mode & 0o111 ? 0o755 : 0o644, content };
    } catch (error) {
      throw ioError(error, file, "read");
    }
  }
}
