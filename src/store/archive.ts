import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { type Context, throwIfAborted } from "../base/context.ts";
import { ioError, SlimError } from "../base/error.ts";
import { CHUNK, compareStrings, writeAll, writeAtomically } from "../base/files.ts";
import { readTarHeaders, type TarMember, type TarSpan, writeTar } from "../base/tar.ts";
import type { Digest } from "../image/digest.ts";
import type { Artifact } from "../image/types.ts";
import { type ArchiveFiles, readDockerArchive } from "./docker-archive.ts";
import { blobName, blobsOf, dockerManifest, indexJson, LAYOUT_BYTES, LAYOUT_FILE, readLayout } from "./oci-layout.ts";
import type { Store } from "./types.ts";

/** One tar that everything reads: an OCI layout with Docker's manifest.json beside its index.json. */
export function archiveStore(file: string): Store {
  return {
    read: async (_context, ref) => {
      const files = await archiveFiles(file);
      const isDockers = !(await files.has("index.json")) && (await files.has("manifest.json"));
      return isDockers ? readDockerArchive(files, ref) : readLayout(files, ref);
    },
    write: async (context, artifact, refs) => {
      await writeAtomically(file, (handle) => writeAll(handle, archiveBytes(context, artifact, refs)));
      return { type: "archive", path: file };
    },
  };
}

/**
 * Writes the archive to a stream, such as standard output, and does not end it. A reader that has
 * stopped reading does not keep an abort from coming through. Gives the bytes that were written.
 * @param without blobs that the reader has
 * @throws SlimError `ABORTED`, `IO`
 */
export async function writeArchive(
  context: Context,
  artifact: Artifact,
  refs: readonly string[],
  to: Writable,
  without: ReadonlySet<Digest> = new Set(),
): Promise<number> {
  const gone = new AbortController();
  const stop = (error?: unknown) => gone.abort(error ?? new Error("the reader has gone"));
  to.once("error", stop).once("close", stop);
  const signal = AbortSignal.any([context.signal, gone.signal]);
  let bytes = 0;
  try {
    for await (const chunk of archiveBytes(context, artifact, refs, without)) {
      bytes += chunk.length;
      if (!to.write(chunk)) await once(to, "drain", { signal });
    }
    return bytes;
  } catch (error) {
    throwIfAborted(context.signal);
    throw ioError(gone.signal.aborted ? gone.signal.reason : error, "the output stream", "write");
  } finally {
    to.off("error", stop).off("close", stop);
  }
}

async function* archiveBytes(
  context: Context,
  artifact: Artifact,
  refs: readonly string[],
  without: ReadonlySet<Digest> = new Set(),
): AsyncGenerator<Uint8Array> {
  const small = (path: string, bytes: Uint8Array) => file(path, bytes.length, () => [bytes]);
  const given = blobsOf(artifact).filter(({ descriptor }) => !without.has(descriptor.digest));
  const blobs = given.map(({ descriptor, open }) => {
    return file(blobName(descriptor.digest), descriptor.size, () => guarded(context, open()));
  });
  const folders = new Set(["blobs", ...blobs.map(({ path }) => path.slice(0, path.lastIndexOf("/")))]);
  // What names the image comes first, so that a reader of a stream knows what will follow.
  yield* writeTar([
    small(LAYOUT_FILE, LAYOUT_BYTES),
    small("index.json", indexJson(artifact, refs)),
    small("manifest.json", dockerManifest(artifact, refs)),
    ...[...folders].sort(compareStrings).map((path) => ({ ...common, path, type: "directory", mode: 0o755 }) as const),
    ...blobs,
  ]);
}

const common = { uid: 0, gid: 0, mtime: 0, size: 0 };

function file(path: string, size: number, open: () => AsyncIterable<Uint8Array> | readonly Uint8Array[]): TarMember {
  return {
    ...common,
    path,
    type: "file",
    mode: 0o644,
    size,
    open: async function* () {
      yield* open();
    },
  };
}

async function* guarded(context: Context, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    throwIfAborted(context.signal);
    yield chunk;
  }
}

/**
 * The files of an archive, found by reading its headers alone.
 * @throws SlimError `INVALID` when it is not a tar
 */
export async function archiveFiles(file: string): Promise<ArchiveFiles> {
  const members = await withFile(file, async (handle) => {
    const { size } = await handle.stat();
    const found = new Map<string, TarSpan>();
    for await (const span of readTarHeaders((at, length) => readAt(handle, at, length), size, file)) {
      found.set(span.path.replace(/^\.\//, ""), span);
    }
    return found;
  });
  const span = (name: string) => {
    const found = members.get(name);
    if (found === undefined) throw new SlimError("INVALID", `has no ${name}`, { where: file });
    return found;
  };
  return {
    where: file,
    has: (name) => members.has(name),
    size: (name) => span(name).size,
    read: async (name, limit) => {
      const { offset, size } = span(name);
      if (size > limit) throw new SlimError("INVALID", `${name} is larger than ${limit} bytes`, { where: file });
      return withFile(file, (handle) => readAt(handle, offset, size));
    },
    open: async function* (name) {
      const { offset, size } = span(name);
      if (size === 0) return;
      const handle = await open(file, "r");
      yield* handle.createReadStream({ start: offset, end: offset + size - 1, highWaterMark: CHUNK });
    },
  };
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  try {
    const handle = await open(file, "r");
    try {
      return await use(handle);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, file, "read");
  }
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
