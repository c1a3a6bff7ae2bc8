import { createHash } from "node:crypto";
import path from "node:path";
import { type Context, throwIfAborted } from "../../base/context.ts";
import { SlimError, systemCode } from "../../base/error.ts";
import type { Digest } from "../../image/digest.ts";
import type { Layer } from "../../image/types.ts";
import type { Cache } from "../../layer/cache.ts";
import { membersOf, uncompressed } from "../../store/uncompressed.ts";

/** A member of a base's layer: something that is there, or what is no longer there, itself or all below it. */
export type Member = PresentMember | AbsentMember;
export type AbsentMember =
  | { readonly type: "gone"; readonly path: string }
  | { readonly type: "emptied"; readonly path: string };

/** The bytes of a regular file are a range of the pack. */
export type PresentMember =
  | {
      readonly type: "file";
      readonly path: string;
      readonly mode: number;
      readonly size: number;
      readonly digest: Digest;
      readonly offset: number;
    }
  | { readonly type: "folder" | "other"; readonly path: string }
  | { readonly type: "link"; readonly path: string; readonly target: string }
  /** A hard link to a file that is not in this layer. */
  | { readonly type: "same"; readonly path: string; readonly target: string };

/** What is in a layer. */
export interface Listing {
  /** In the order of the layer. */
  readonly members: readonly Member[];
  /** The bytes of all regular files, one after another. */
  readonly pack: Digest;
}

/** What a layer may hold at most. */
const limits = { members: 500_000, path: 4096, unpacked: 2 ** 34, ratio: 200, ratioFree: 2 ** 26 };

/**
 * The listing of a layer, from the cache, or else by reading the layer once. Nothing is kept when
 * anything is wrong with it.
 * @throws SlimError `INTEGRITY` when it does not unpack to its `diff_id`; `INVALID`, `ARCHIVE_UNSAFE`, or as opening it
 */
export async function listLayer(context: Context, cache: Cache, layer: Layer, where: string): Promise<Listing> {
  return (await cache.get<Listing>("base-layer", layer.diffId)) ?? unpackLayer(context, cache, layer, where);
}

/** Reads a layer, and leaves its listing and its bytes in the cache. */
export async function unpackLayer(context: Context, cache: Cache, layer: Layer, where: string): Promise<Listing> {
  const tar = uncompressed(layer);
  if (tar === undefined) throw new SlimError("INVALID", `has a layer of type ${layer.descriptor.mediaType}`, { where });
  context.report({ type: "stage", name: `read ${where}` });
  const list = new MemberList(where);
  const { digest } = await cache.add(list.read(checked(context, tar, layer, where))).catch((cause: unknown) => {
    if (cause instanceof SlimError || /^E(?!RR_)/.test(systemCode(cause) ?? "")) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SlimError("INVALID", `the layer ${layer.descriptor.digest} cannot be read: ${reason}`, { where, cause });
  });
  const listing: Listing = { members: list.members, pack: digest };
  await cache.put("base-layer", layer.diffId, listing);
  return listing;
}

/** Passes a layer's tar on, as far as it keeps within bounds and is what the config says. */
async function* checked(
  { signal }: Context,
  tar: AsyncIterable<Uint8Array>,
  { descriptor, diffId }: Layer,
  where: string,
): AsyncGenerator<Uint8Array> {
  const limit = Math.min(limits.unpacked, limits.ratioFree + limits.ratio * descriptor.size);
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of tar) {
    throwIfAborted(signal);
    size += chunk.length;
    if (size > limit) {
      throw new SlimError("ARCHIVE_UNSAFE", `${descriptor.digest} unpacks to more than ${limit} bytes`, { where });
    }
    hash.update(chunk);
    yield chunk;
  }
  const actual: Digest = `sha256:${hash.digest("hex")}`;
  if (actual === diffId) return;
  throw new SlimError("INTEGRITY", `${descriptor.digest} unpacks to ${actual}, not ${diffId}`, { where });
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts */
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Collects what is in a layer, and passes on the bytes of its files. */
class MemberList {
  readonly members: Member[] = [];
  readonly #where: string;
  readonly #files = new Map<string, Member & { readonly type: "file" }>();
  #offset = 0;

  constructor(where: string) {
    this.#where = where;
  }

  async *read(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const member of await membersOf(tar)) {
      const { name, type, mode = 0, linkname } = member.header;
      const at = this.#place(name);
      const base = path.posix.basename(at);
      if (base === OPAQUE) this.#add({ type: "emptied", path: path.posix.dirname(at) });
      else if (base.startsWith(WHITEOUT)) {
        // Doubled, it is something that only the builder of the layer had a use for.
        if (!base.startsWith(WHITEOUT, WHITEOUT.length))
          this.#add({ type: "gone", path: path.posix.join(path.posix.dirname(at), base.slice(WHITEOUT.length)) });
      } else if (type === "file" || type === "contiguous-file") {
        yield* this.#readFile(at, mode & 0o7777, member as AsyncIterable<Uint8Array>);
      } else if (type === "directory") this.#add({ type: "folder", path: at });
      else if (type === "symlink") this.#add({ type: "link", path: at, target: linkname ?? "" });
      else if (type === "link") this.#addHardLink(at, this.#place(linkname ?? ""));
      else this.#add({ type: "other", path: at });
      member.resume();
    }
  }

  async *#readFile(at: string, mode: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    const offset = this.#offset;
    for await (const chunk of body) {
      hash.update(chunk);
      this.#offset += chunk.length;
      yield chunk;
    }
    const digest: Digest = `sha256:${hash.digest("hex")}`;
    const file = { type: "file", path: at, mode, size: this.#offset - offset, digest, offset } as const;
    this.#files.set(at, file);
    this.#add(file);
  }

  #addHardLink(at: string, target: string): void {
    const linked = this.#files.get(target);
    this.#add(linked === undefined ? { type: "same", path: at, target } : { ...linked, path: at });
    if (linked !== undefined) this.#files.set(at, { ...linked, path: at });
  }

  #add(member: Member): void {
    if (this.members.length === limits.members) {
      throw new SlimError("ARCHIVE_UNSAFE", `has a layer of more than ${limits.members} files`, {
        where: this.#where,
      });
    }
    this.members.push(member);
  }

  /** Names are relative to the root, however they begin. */
  #place(name: string): string {
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..") || name.includes("\0") || name.length > limits.path) {
      throw new SlimError(
        "ARCHIVE_UNSAFE",
        `path ${JSON.stringify(name.slice(0, 256))} leaves its root or its bounds`,
        { where: this.#where },
      );
    }
    return `/${parts.join("/")}`;
  }
}
