import type { ByteReader } from "./reader.ts";

/** A regular file's bytes, a symbolic link's target as written, or something else, which hides what another view has. */
export type LibraryFile =
  | { readonly type: "file"; withReader<T>(use: (reader: ByteReader) => Promise<T>): Promise<T> }
  | { readonly type: "link"; readonly target: string }
  | { readonly type: "folder" };

/** The files of an image as far as a loader looks at them. Folders need not be told. */
export interface LibraryFiles {
  /** What is at an absolute, normalised path no parent of which is a link; undefined where nothing is. */
  at(path: string): Promise<LibraryFile | undefined>;
}

/** A symbolic link of the image, which must be there for the loader to find a file. */
export interface Link {
  readonly path: string;
  readonly target: string;
}

/** A file with every link followed. */
export interface FoundFile {
  /** Without links. */
  readonly path: string;
  /** The links on the way, of folders too, in the order they are passed. */
  readonly links: readonly Link[];
  withReader<T>(use: (reader: ByteReader) => Promise<T>): Promise<T>;
}

/** As Linux: more links than these on the way to one file are taken for a loop. */
const MAX_LINKS = 40;
/** As Linux, in bytes. */
const MAX_TARGET = 4095;

/** Follows links from the root of `files`, which neither `..` nor an absolute link leaves. */
export async function findFile(files: LibraryFiles, path: string): Promise<FoundFile | undefined> {
  const links: Link[] = [];
  const done: string[] = [];
  const rest = path.split("/").reverse();
  let found: LibraryFile | undefined;
  for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
    if (part === "" || part === ".") continue;
    if (found?.type === "file") return undefined;
    if (part === "..") {
      done.pop();
      continue;
    }
    done.push(part);
    const here = `/${done.join("/")}`;
    found = await files.at(here);
    if (found?.type !== "link") continue;
    if (links.length === MAX_LINKS || found.target.length > MAX_TARGET) return undefined;
    links.push({ path: here, target: found.target });
    done.splice(found.target.startsWith("/") ? 0 : done.length - 1);
    rest.push(...found.target.split("/").reverse());
    found = undefined;
  }
  if (found?.type !== "file") return undefined;
  return { path: `/${done.join("/")}`, links, withReader: found.withReader };
}

/** Several views as one: what an earlier one has hides what is in a later one. */
export function overlay(views: readonly LibraryFiles[]): LibraryFiles {
  return {
    async at(path) {
      for (const view of views) {
        const found = await view.at(path);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}
