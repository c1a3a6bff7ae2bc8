import { createHash, randomBytes } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { type FileHandle, mkdir, open, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { ioError, SlimError, systemCode } from "./error.ts";

/** A fixed chunk size: what is read, hashed and compressed never depends on the machine. */
export const CHUNK = 64 * 1024;

/** A name beside `file` that no other process uses, and that sorts as hidden; not longer than names may be. */
export function temporaryName(file: string): string {
  const begin = path.basename(file).slice(0, 50);
  return path.join(path.dirname(file), `.${begin}.${randomBytes(6).toString("hex")}.tmp`);
}

/**
 * Makes a folder and those above it. Not by Node.js's own recursive mkdir: where a folder is there but
 * cannot hold another, as /proc, that one tries for ever (seen with 20.20).
 * @throws what the file system throws
 */
export async function makeFolder(folder: string): Promise<void> {
  if (await makeOne(folder)) return;
  const parent = path.dirname(folder);
  if (parent !== folder) await makeFolder(parent);
  // Where it is still missing although its parent is there, nothing can be made in that parent.
  if (!(await makeOne(folder))) await mkdir(folder);
}

/** False when the folder above is not there. */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT") return false;
    if (code !== "EEXIST" || !(await stat(folder)).isDirectory()) throw error;
  }
  return true;
}

/**
 * Writes a file completely or not at all: a temporary name, fsync, rename. Idempotent; when `write`
 * throws, nothing is left. Missing parent folders are made. A symbolic link is written through, and what
 * is no file (`/dev/null`, a pipe) is never put a file in the place of.
 * @throws SlimError `IO`, or what `write` throws
 */
export async function writeAtomically<T>(
  file: string,
  write: (handle: FileHandle) => Promise<T>,
  doing = "write",
): Promise<T> {
  let temporary: string | undefined;
  let result: T;
  try {
    const place = await followed(file);
    temporary = temporaryName(place);
    await makeFolder(path.dirname(place));
    const handle = await open(temporary, "wx", 0o666);
    try {
      result = await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, place);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {});
    throw ioError(error, file, doing);
  }
  return result;
}

/** Where a file is written to: the end of symbolic links, which need not be there. */
async function followed(file: string): Promise<string> {
  const found = await statOrUndefined(file);
  if (found !== undefined && !found.isFile() && !found.isDirectory()) {
    throw new SlimError("IO", "is neither a file nor a folder", {
      where: file,
      hint: "name a file, which is replaced as a whole",
    });
  }
  const target = await readlink(file).catch(() => undefined);
  return target === undefined ? file : followed(path.resolve(await realpath(path.dirname(file)), target));
}

/** Writes every byte of `source` to `handle`, and gives back how many there were. */
export async function writeAll(
  handle: FileHandle,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  let size = 0;
  for await (const chunk of source) {
    let offset = 0;
    while (offset < chunk.length) offset += (await handle.write(chunk, offset, chunk.length - offset)).bytesWritten;
    size += chunk.length;
  }
  return size;
}

/** `sha256:<hex>` and size of a file, streamed. */
export async function hashFile(file: string): Promise<{ digest: `sha256:${string}`; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 4 * CHUNK })) {
      hash.update(chunk);
      size += chunk.length;
    }
  } catch (error) {
    throw ioError(error, file, "read");
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/** Like `stat`, but undefined where there is nothing. Other failures are thrown. */
export async function statOrUndefined(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw ioError(error, file, "look at");
  }
}

/** Compares by UTF-16 code unit: the same order everywhere, whatever the locale. */
export function compareStrings(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
