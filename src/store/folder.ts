import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { type Context, throwIfAborted } from "../base/context.ts";
import { ioError, SlimError } from "../base/error.ts";
import { CHUNK, makeFolder, statOrUndefined, temporaryName, writeAll } from "../base/files.ts";
import type { Artifact } from "../image/types.ts";
import { blobName, blobsOf, indexJson, LAYOUT_BYTES, LAYOUT_FILE, type LayoutFiles, readLayout } from "./oci-layout.ts";
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
 * Writes the layout beside its place and moves it there, so that the folder is never half of it. A
 * layout that is there already is replaced; a folder with anything else in it is refused.
 */
async function writeFolder(
  context: Context,
  folder: string,
  artifact: Artifact,
  refs: readonly string[],
): Promise<Output> {
  const existing = await readdir(folder).catch(() => undefined);
  if (existing !== undefined && existing.length > 0 && !existing.includes(LAYOUT_FILE)) {
    throw new SlimError("IO", "is a folder with other files in it", {
      where: folder,
      hint: "choose a folder that is empty, absent or an OCI layout",
    });
  }
  const temporary = temporaryName(path.resolve(folder));
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
    await write("index.json", [indexJson(artifact, refs)]);
    if (existing !== undefined) await rm(folder, { recursive: true });
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw ioError(error, folder, "write");
  }
  return { type: "oci-layout", path: folder };
}
