import path from "node:path";
import { SlimError } from "../../base/error.ts";
import type { Content } from "../../layer/entry.ts";
import type { Debian } from "../../sources/debian/debian.ts";
import { type LibraryFile, type LibraryFiles, overlay } from "../elf/files.ts";
import { bytesReader, withFile } from "../elf/reader.ts";
import { resolveLibraries } from "../elf/resolve.ts";
import type { DebianFiles } from "./debian-files.ts";

/** A program or library of the image that needs others. */
export interface Needing {
  /** Its path in the image. */
  readonly path: string;
  readonly content: Content;
}

/**
 * Brings every library that `program` needs, as the target's loader would find it, from Debian: the
 * package that has the file, then the next one's needs.
 * @throws SlimError `CLOSURE` with the chain to a library that is missing or too old
 */
export async function takeLibraries(
  debian: Debian,
  architecture: string,
  taken: DebianFiles,
  program: Needing,
): Promise<void> {
  const owners = new Map<string, string>();
  const view = async (name: string): Promise<LibraryFiles> => {
    const { files } = await debian.package(architecture, name);
    const seen = new Map<string, LibraryFile>();
    for (const file of files) {
      if (file.type === "directory") continue;
      owners.set(file.path, owners.get(file.path) ?? name);
      seen.set(file.path, file.type === "symlink" ? { type: "link", target: file.target } : inContent(file.content));
    }
    return { at: async (at) => seen.get(at) };
  };
  const itself: LibraryFiles = { at: async (at) => (at === program.path ? inContent(program.content) : undefined) };
  const { objects, problems } = await resolveLibraries({
    // base-files has the links that make /lib and /lib64 parts of /usr.
    files: overlay([itself, await view("base-files")]),
    program: program.path,
    missing: async (name) => {
      const owner = await debian.libraryPackage(architecture, path.posix.basename(name));
      return owner === undefined ? undefined : view(owner);
    },
  });
  const [problem] = problems;
  if (problem !== undefined) {
    throw new SlimError("CLOSURE", problem.message, {
      where: program.path,
      hint: "Debian trixie does not have it; ship the library with the program",
    });
  }
  for (const object of objects) {
    const chain = [...object.links.map((link) => link.path), object.path];
    for (const place of chain) {
      const owner = owners.get(place);
      if (owner === undefined) continue;
      for (const reason of object.reasons) await taken.take(owner, place, reason);
    }
  }
}

function inContent(content: Content): LibraryFile {
  return {
    type: "file",
    withReader: async (use) => {
      const { place, size } = content;
      if (place !== undefined) {
        return withFile(place.file, ({ read }) =>
          use({
            size,
            read: (offset, length) => read(place.offset + offset, Math.min(length, Math.max(0, size - offset))),
          }),
        );
      }
      const parts: Uint8Array[] = [];
      for await (const chunk of content.open()) parts.push(chunk);
      return use(bytesReader(Buffer.concat(parts)));
    },
  };
}
