import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import { type Context, throwIfAborted } from "../base/context.ts";
import { ioError, SlimError } from "../base/error.ts";
import { CHUNK, makeFolder, statOrUndefined, temporaryName, writeAll } from "../base/files.ts";
import type { Artifact } from "../image/types.ts";
import {
  blobName,
  blobsOf,
  holdsSeveral,
  indexJson,
  LAYOUT_BYTES,
  LAYOUT_FILE,
  type LayoutFiles,
  readLayout,
} from "./oci-layout.ts";
import type { Output, Store } from "./types.ts";

/** An OCI layout as a folder. */
export function folderStore(folder: string): Store {
  return {
    read: (_context, ref) => readLayout(folderFiles(folder), ref),
    write: (context, artifact, refs) => writeFolder(context, folder, artifact, refs),
  };
}

/** The files of a layout folder. */
export function folderFiles(folder: string): LayoutFiles {
  const at = (name: string) => path.join(folder, ...name.split("/"));
  return {
    where: folder,
    has: async (name) => (await statOrUndefined(at(name)))?.isFile() ?? false,
    read: async (name, limit) => {
      const parts: Uint8Array[] = [];
      let size = 0;
      try {
        for await (const chunk of createReadStream(at(name))) {
          size += chunk.length;
          if (size > limit) throw new SlimError("INVALID", `is larger than ${limit} bytes`, { where: at(name) });
          parts.push(chunk);
        }
      } catch (error) {
        throw ioError(error, at(name), "read");
      }
      return Buffer.concat(parts);
    },
    open: (name) => createReadStream(at(name), { highWaterMark: CHUNK }),
  };
}

/**
 * Writes the layout under another name and moves it to its place, so that what is there is never half an
 * image. A layout of one image that is there already is replaced; a folder with anything else in it is refused.
 * A folder that is there stays: it may be one that somebody works in, or a mount point.
 */
async function writeFolder(
  context: Context,
  folder: string,
  artifact: Artifact,
  refs: readonly string[],
): Promise<Output> {
  const isThere = await checkReplaceable(folder);
  const temporary = temporaryName(isThere ? path.join(folder, "new") : path.resolve(folder));
  try {
    await makeFolder(path.dirname(temporary));
    await mkdir(temporary);
    const write = async (name: string, source: AsyncIterable<Uint8Array> | readonly Uint8Array[]) => {
      throwIfAborted(context.signal);
      const file = path.join(temporary, name);
      await makeFolder(path.dirname(file));
      const handle = await open(file, "wx", 0o666);
      try {
        await writeAll(handle, source);
        await handle.sync();
      } finally {
        await handle.close();
      }
    };
    for (const blob of blobsOf(artifact)) await write(blobName(blob.descriptor.digest), blob.open());
    await write(LAYOUT_FILE, [LAYOUT_BYTES]);
    await write(INDEX, [indexJson(artifact, refs)]);
    if (isThere) await moveMembers(temporary, folder);
    else await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw ioError(error, folder, "write");
  }
  return { type: "oci-layout", path: folder };
}

const INDEX = "index.json";
/** The index is the last: without it there is no image. */
const members = ["blobs", LAYOUT_FILE, INDEX];

async function moveMembers(from: string, to: string): Promise<void> {
  for (const name of members.toReversed()) await rm(path.join(to, name), { recursive: true, force: true });
  for (const name of members) await rename(path.join(from, name), path.join(to, name));
  await rmdir(from);
}

/**
 * Whether there is a folder already.
 * @throws SlimError `IO` when it holds what must not be lost
 */
async function checkReplaceable(folder: string): Promise<boolean> {
  const existing = await readdir(folder).catch(() => undefined);
  if (existing === undefined) return false;
  const others = existing.filter((name) => !members.includes(name));
  if (others.length > 0 || (existing.length > 0 && !existing.includes(LAYOUT_FILE))) {
    throw new SlimError("IO", "is a folder with other files in it", {
      where: folder,
      hint: "choose a folder that is empty, absent or an OCI layout",
    });
  }
  if (existing.includes(INDEX) && (await holdsSeveral(folderFiles(folder)))) {
    throw new SlimError("IO", "is an OCI layout of several images, which would be lost", {
      where: folder,
      hint: "choose a folder that is empty, absent or a layout of one image",
    });
  }
  return true;
}
