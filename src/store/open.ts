import path from "node:path";
import { SlimError } from "../base/error.ts";
import { statOrUndefined } from "../base/files.ts";
import { archiveStore } from "./archive.ts";
import { folderStore } from "./folder.ts";
import type { Store } from "./types.ts";

/** A store, and the name inside it that was asked for. */
export interface Source {
  readonly store: Store;
  readonly ref?: string;
}

/**
 * Finds the store that a source means: `oci:DIR[:NAME]`, `archive:FILE[:NAME]`, or the path of either.
 * @throws SlimError `NOT_FOUND` when there is nothing at the path
 */
export async function openStore(source: string, cwd: string): Promise<Source> {
  const [, scheme, rest = source] = /^(oci|archive):(.+)$/.exec(source) ?? [];
  const { place, ref } = await split(path.resolve(cwd, rest));
  const found = await statOrUndefined(place);
  if (found === undefined) {
    throw new SlimError("NOT_FOUND", "no such image", {
      where: source,
      hint: "give an archive or an OCI layout folder",
    });
  }
  const isFolder = scheme === undefined ? found.isDirectory() : scheme === "oci";
  return { store: isFolder ? folderStore(place) : archiveStore(place), ...(ref === undefined ? {} : { ref }) };
}

/** A name may follow a path after a colon, where the path with the colon does not itself exist. */
async function split(whole: string): Promise<{ place: string; ref?: string }> {
  if (await statOrUndefined(whole)) return { place: whole };
  for (let at = whole.indexOf(":"); at > 0; at = whole.indexOf(":", at + 1)) {
    if (await statOrUndefined(whole.slice(0, at))) return { place: whole.slice(0, at), ref: whole.slice(at + 1) };
  }
  return { place: whole };
}
