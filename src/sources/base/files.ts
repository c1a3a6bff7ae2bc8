import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import type { Listing, Member, PresentMember } from "./listing.ts";

/** What is at a path of a base. The bytes of a file are in the pack of one of its layers. */
export type RegularFile = PresentMember & { readonly type: "file" } & { readonly layer: number };
export type BaseFile = RegularFile | (PresentMember & { readonly type: "folder" | "link" | "other" });

/** As Linux: more links than these on the way to one file are taken for a loop, longer ones for none. */
const MAX_LINKS = 40;
const MAX_TARGET = 4095;

/** The file system of a base: its layers put on each other, as an engine unpacks them. */
export class BaseFiles {
  readonly #files = new Map<string, BaseFile>();
  /** Paths of what is in a folder, by its path. */
  readonly #inside = new Map<string, Set<string>>();
  readonly #where: string;

  constructor(listings: readonly Listing[], where: string) {
    this.#where = where;
    for (const [layer, { members }] of listings.entries()) {
      // What a layer takes away is what lies below it, never its own.
      for (const member of members) if (member.type === "gone" || member.type === "emptied") this.#takeAway(member);
      for (const member of members) this.#put(member, layer);
    }
  }

  /** What is at a path no parent of which is a link. */
  at(place: string): BaseFile | undefined {
    return place === "/" ? { type: "folder", path: "/" } : this.#files.get(place);
  }

  /** What is at a path, all links followed. */
  find(place: string): BaseFile | undefined {
    const real = this.#follow(place, true);
    return real === undefined ? undefined : this.at(real);
  }

  /** The path without links in the folders on the way: where a file that is put at it comes to lie. */
  placeOf(place: string): string {
    return this.#follow(place, false) ?? place;
  }

  /** Paths of everything, sorted. */
  paths(): readonly string[] {
    return [...this.#files.keys()].sort(compareStrings);
  }

  /** Names in a folder, sorted; none where there is no such folder. */
  names(folder: string): readonly string[] {
    const found = this.find(folder);
    if (found?.type !== "folder") return [];
    return [...(this.#inside.get(found.path) ?? [])].map((place) => path.posix.basename(place)).sort(compareStrings);
  }

  /** Of all regular files. */
  get totals(): { readonly files: number; readonly bytes: number } {
    let files = 0;
    let bytes = 0;
    for (const file of this.#files.values()) {
      if (file.type !== "file") continue;
      files += 1;
      bytes += file.size;
    }
    return { files, bytes };
  }

  #put(member: Member, layer: number): void {
    if (member.type === "gone" || member.type === "emptied" || member.path === "/") return;
    const place = this.placeOf(member.path);
    this.#addParents(place);
    if (member.type !== "folder") this.#empty(place);
    this.#set(this.#fileOf(member, place, layer));
  }

  #set(file: BaseFile): void {
    this.#files.set(file.path, file);
    const folder = path.posix.dirname(file.path);
    const inside = this.#inside.get(folder) ?? new Set();
    this.#inside.set(folder, inside.add(file.path));
  }

  #fileOf(member: PresentMember, place: string, layer: number): BaseFile {
    if (member.type === "file") return { ...member, path: place, layer };
    if (member.type !== "same") return { ...member, path: place };
    const linked = this.#files.get(this.placeOf(member.target));
    if (linked !== undefined && linked.type !== "folder") return { ...linked, path: place };
    throw new SlimError("INVALID", `${member.path} is a hard link to ${member.target}, which is no file`, {
      where: this.#where,
    });
  }

  #takeAway({ type, path: asked }: Member): void {
    const place = this.placeOf(asked);
    this.#empty(place);
    if (type === "emptied" || !this.#files.delete(place)) return;
    this.#inside.get(path.posix.dirname(place))?.delete(place);
  }

  #empty(folder: string): void {
    const queue = [folder];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const place of this.#inside.get(next) ?? []) {
        this.#files.delete(place);
        queue.push(place);
      }
      this.#inside.delete(next);
    }
  }

  #addParents(place: string): void {
    for (let folder = path.posix.dirname(place); folder !== "/"; folder = path.posix.dirname(folder)) {
      const found = this.#files.get(folder)?.type;
      if (found === "folder") return;
      this.#set({ type: "folder", path: folder });
    }
  }

  #follow(asked: string, last: boolean): string | undefined {
    const done: string[] = [];
    const rest = asked.split("/").reverse();
    let links = 0;
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        done.pop();
        continue;
      }
      done.push(part);
      const found = this.#files.get(`/${done.join("/")}`);
      if (found?.type !== "link" || (!last && rest.every((one) => one === "" || one === "."))) continue;
      links += 1;
      if (links > MAX_LINKS || found.target.length > MAX_TARGET) return undefined;
      done.splice(found.target.startsWith("/") ? 0 : done.length - 1);
      rest.push(...found.target.split("/").reverse());
    }
    return `/${done.join("/")}`;
  }
}
