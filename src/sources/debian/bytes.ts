import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import * as zlib from "node:zlib";
import { SlimError } from "../../base/error.ts";
import { CHUNK } from "../../base/files.ts";
import { unzstd } from "../../base/zstd.ts";

/** A part of a file: of an archive member, say. */
export interface Range {
  readonly file: string;
  readonly start: number;
  readonly size: number;
}

/** @throws what the file system throws */
export function readRange({ file, start, size }: Range): Readable {
  if (size === 0) return Readable.from([]);
  return createReadStream(file, { start, end: start + size - 1, highWaterMark: 4 * CHUNK });
}

/** @throws SlimError `DEBIAN` when it is more than `limit` bytes */
export async function readText(source: AsyncIterable<Uint8Array>, limit: number, where: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) throw new SlimError("DEBIAN", `is larger than ${limit} bytes`, { where });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * The unpacked bytes of a part of a file, for the compression that `name` ends in (none, gz, xz, zst).
 * @throws SlimError `DEBIAN` when they are damaged or more than `limit`
 */
export async function* decompress(
  name: string,
  range: Range,
  limit: number,
  where: string,
): AsyncGenerator<Uint8Array> {
  if (range.size === 0) throw new SlimError("DEBIAN", `${name} is empty`, { where });
  const source = readRange(range);
  let size = 0;
  try {
    for await (const chunk of await decoded(name, source, where)) {
      size += chunk.length;
      if (size > limit) {
        throw new SlimError("ARCHIVE_UNSAFE", `${name} unpacks to more than ${limit} bytes`, { where });
      }
      yield chunk;
    }
  } catch (error) {
    if (error instanceof SlimError && error.code !== "INVALID") throw error;
    throw new SlimError("DEBIAN", `cannot unpack ${name}`, { where, cause: error });
  } finally {
    source.destroy();
  }
}

async function decoded(name: string, source: Readable, where: string): Promise<AsyncIterable<Uint8Array>> {
  if (name.endsWith(".gz")) return piped(source, zlib.createGunzip({ chunkSize: 4 * CHUNK }));
  if (name.endsWith(".xz")) return unxz(source);
  if (name.endsWith(".zst")) return unzstd(source, where);
  return source;
}

function piped(source: Readable, unpack: zlib.Gunzip): AsyncIterable<Uint8Array> {
  source.on("error", (error) => unpack.destroy(error));
  return source.pipe(unpack);
}

async function unxz(source: Readable): Promise<AsyncIterable<Uint8Array>> {
  // The package is CommonJS of a form whose names Node.js does not see, but tsx does.
  const module = await import("xz-decompress");
  const { XzReadableStream } = module.default ?? module;
  // Not by `Readable.toWeb`: one that is left in its middle can end the process (seen with Node.js 20.20).
  const compressed = ReadableStream.from(source) as ConstructorParameters<typeof XzReadableStream>[0];
  return new XzReadableStream(compressed) as unknown as AsyncIterable<Uint8Array>;
}
