import { createHash } from "node:crypto";
import type { Context } from "../base/context.ts";
import { SlimError } from "../base/error.ts";
import { writeTar } from "../base/tar.ts";
import { zstd } from "../base/zstd.ts";
import { type Digest, verified } from "../image/digest.ts";
import { type Layer, mediaTypes } from "../image/types.ts";
import type { Cache } from "./cache.ts";
import type { Content, Entry } from "./entry.ts";
import { gzip } from "./gzip.ts";

/** Raised whenever the same entries would give other bytes than before: old cache records are then ignored. */
const FORMAT = 1;

export interface LayerOptions {
  readonly compression: "gzip" | "zstd";
  readonly level: number;
  /** Seconds since the epoch, for every member. */
  readonly mtime: number;
}

export interface BuiltLayer extends Layer {
  /** Regular files. */
  readonly files: number;
  /** Bytes of all regular files. */
  readonly unpackedSize: number;
  /** Whether it was taken from the cache. */
  readonly cached: boolean;
}

interface LayerRecord {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Packs entries into a compressed layer, or finds the one that was packed from the same entries
 * before. The bytes depend on entries and options alone, not on time, machine or Node.js version.
 * @param entries sorted by path, parents first, no path twice
 * @throws SlimError `INVALID` when the entries break a rule of layers
 */
export async function buildLayer(
  context: Context,
  cache: Cache,
  name: string,
  entries: readonly Entry[],
  options: LayerOptions,
): Promise<BuiltLayer> {
  checkEntries(entries);
  const members = membersOf(entries);
  const key = JSON.stringify([FORMAT, options, members.map(identity)]);
  const produce = async (): Promise<{ record: LayerRecord; content: Content }> => {
    context.report({ type: "stage", name: `layer ${name}` });
    const hash = createHash("sha256");
    const compress = options.compression === "zstd" ? zstd : gzip;
    const content = await cache.add(compress(hashed(tarOf(members, options.mtime), hash), options.level));
    const record: LayerRecord = { diffId: `sha256:${hash.digest("hex")}`, digest: content.digest, size: content.size };
    await cache.put("layer", key, record);
    return { record, content };
  };
  const known = await cache.get<LayerRecord>("layer", key);
  if (known === undefined) {
    const { record, content } = await produce();
    return describe(name, members, options, record, content, false);
  }
  const found = await cache.blob(known.digest);
  if (found !== undefined) return describe(name, members, options, known, found, true);
  // What it will be is known; whether anybody needs the bytes is not. A registry that has them does not.
  const later = {
    open: async function* () {
      yield* (await produce()).content.open();
    },
  };
  return describe(name, members, options, known, later, false);
}

function describe(
  name: string,
  members: readonly Member[],
  { compression }: LayerOptions,
  { diffId, digest, size }: LayerRecord,
  content: { open(): AsyncIterable<Uint8Array> },
  cached: boolean,
): BuiltLayer {
  const files = members.filter((member) => member.type === "file");
  return {
    name,
    diffId,
    descriptor: { mediaType: compression === "zstd" ? mediaTypes.layerZstd : mediaTypes.layerGzip, digest, size },
    open: () => verified(content.open(), { digest, size }, `the cached layer ${name}`),
    files: files.length,
    unpackedSize: files.reduce((sum, file) => sum + file.content.size, 0),
    cached,
  };
}

/** An entry as it is written: of the files that are one, all but the first are hard links to that. */
type Member = Entry | (Omit<Entry & { type: "file" }, "type" | "content"> & { type: "link"; target: string });

function membersOf(entries: readonly Entry[]): readonly Member[] {
  const first = new Map<string, Entry & { type: "file" }>();
  return entries.map((entry) => {
    if (entry.type !== "file" || entry.inode === undefined) return entry;
    const { content, ...rest } = entry;
    const file = first.get(entry.inode);
    if (file === undefined) first.set(entry.inode, entry);
    if (file === undefined || !isSame(file, entry)) return entry;
    return { ...rest, type: "link", target: file.path };
  });
}

/** A hard link has no owner, mode and content of its own. */
function isSame(a: Entry & { type: "file" }, b: Entry & { type: "file" }): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.content.digest === b.content.digest;
}

/** Everything about a member that shows in the layer. */
function identity(member: Member): readonly unknown[] {
  const { type, path, uid, gid } = member;
  if (type === "file") return [type, path, uid, gid, member.mode, member.content.digest, member.content.size];
  if (type === "directory") return [type, path, uid, gid, member.mode];
  return [type, path, uid, gid, member.target];
}

async function* tarOf(members: readonly Member[], mtime: number): AsyncGenerator<Uint8Array> {
  yield* writeTar(
    members.map((member) => {
      const common = { path: member.path.slice(1), type: member.type, uid: member.uid, gid: member.gid, mtime };
      if (member.type === "directory") return { ...common, mode: member.mode, size: 0 };
      if (member.type === "symlink") return { ...common, mode: 0o777, size: 0, target: member.target };
      if (member.type === "link") return { ...common, mode: member.mode, size: 0, target: member.target.slice(1) };
      const { content } = member;
      const open = () => verified(content.open(), content, member.path);
      return { ...common, mode: member.mode, size: content.size, open };
    }),
  );
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: { update(chunk: Uint8Array): unknown }) {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

function checkEntries(entries: readonly Entry[]): void {
  let previous = "";
  for (const { path } of entries) {
    const problem = !path.startsWith("/")
      ? "is not absolute"
      : path.split("/").some((part, index) => index > 0 && (part === "" || part === "." || part === ".."))
        ? "is not normalised"
        : path.includes("\0")
          ? "has a NUL byte"
          : path.slice(path.lastIndexOf("/") + 1).startsWith(".wh.")
            ? "begins with .wh., which would delete a file of a lower layer"
            : path <= previous
              ? "is there twice or out of order"
              : undefined;
    if (problem)
      throw new SlimError("INVALID", `the path ${problem}`, { where: path, hint: "rename or exclude the file" });
    previous = path;
  }
}
