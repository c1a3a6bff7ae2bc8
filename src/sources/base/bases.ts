import { createReadStream } from "node:fs";
import type { Context } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { CHUNK, compareStrings } from "../../base/files.ts";
import { type Digest, verified } from "../../image/digest.ts";
import { ociLayer } from "../../image/inherit.ts";
import { formatPlatform, type Platform } from "../../image/platform.ts";
import { formatReference, parseReference } from "../../image/reference.ts";
import type { Artifact, Descriptor, Image, ImageConfig, Layer } from "../../image/types.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Content } from "../../layer/entry.ts";
import { openStore, type Source } from "../../store/open.ts";
import { chooseImage, RegistryClient, type RegistryOptions } from "../../store/registry/index.ts";
import { BaseFiles, type RegularFile } from "./files.ts";
import { type Listing, listLayer, unpackLayer } from "./listing.ts";

/** Digests of bases by reference. */
export type BaseLock = Readonly<Record<string, Digest>>;

/** An image that others are put on, for one platform. */
export interface BaseImage {
  /** Its whole reference; none for what lies on this machine. */
  readonly name: string | undefined;
  /** What messages call it. */
  readonly where: string;
  /** Of the index, where it is one. */
  readonly digest: Digest;
  readonly config: ImageConfig;
  /** With the types of OCI; fetched when they are opened. */
  readonly layers: readonly Layer[];
  readonly files: BaseFiles;
  /** How many regular files one of the layers has. */
  filesIn(layer: number): number;
  /** The bytes of a regular file. */
  content(file: RegularFile): Promise<Content>;
  /** A small text file, links followed; undefined where there is none. */
  text(path: string): Promise<string | undefined>;
}

export interface BasesOptions {
  readonly context: Context;
  readonly cache: Cache;
  readonly registry: RegistryOptions;
  readonly lock?: BaseLock | undefined;
  readonly frozen: boolean;
}

/** Of a file that is read as text, in bytes. */
const MAX_TEXT = 1 << 20;
/** How many layers are fetched at once. */
const PARALLEL = 4;

/**
 * Base images of any store. Those of registries are locked by reference; what was read of one is kept
 * by digest, so that it is read once. Others are files of this machine, as the project is.
 */
export class Bases {
  readonly #options: BasesOptions;
  readonly #lock: Map<string, Digest>;
  readonly #client: RegistryClient;
  /** By digest: a layer that is being fetched or unpacked, once for all platforms. */
  readonly #fetching = new Map<string, Promise<Content>>();
  readonly #listing = new Map<string, Promise<Listing>>();
  readonly #resolving = new Map<string, Promise<Digest>>();

  constructor(options: BasesOptions) {
    this.#options = options;
    this.#lock = new Map(Object.entries(options.lock ?? {}));
    this.#client = new RegistryClient(options.registry);
  }

  /** What was used, and what the given lock had; undefined when that is nothing. */
  get lock(): BaseLock | undefined {
    if (this.#lock.size === 0) return undefined;
    return Object.fromEntries([...this.#lock].sort(([a], [b]) => compareStrings(a, b)));
  }

  /**
   * The base for a platform, with all that is in it.
   * @param source as `openStore` reads it
   * @throws SlimError `PLATFORM` with what there is; `LOCK` when the lock does not know it and may not change;
   *   `NOT_FOUND`, `INVALID`, `INTEGRITY`, or as the store
   */
  async image(source: string, cwd: string, platform: Platform): Promise<BaseImage> {
    const { context, cache, registry } = this.#options;
    const found = await openStore(source, cwd, registry);
    const read = found.store instanceof RegistryClient ? this.#ofRegistry(found.ref ?? "", platform) : undefined;
    const { name, digest, config, layers } = await (read ?? this.#ofMachine(found, source, platform));
    const where = name ?? source;
    const listings: Listing[] = [];
    for (let at = 0; at < layers.length; at += PARALLEL) {
      const some = layers.slice(at, at + PARALLEL);
      listings.push(...(await Promise.all(some.map((layer) => this.#list(context, cache, layer, where)))));
    }
    const files = new BaseFiles(listings, where);
    const content: BaseImage["content"] = async ({ layer, offset, size, digest }) => {
      const { pack } = listings[layer] as Listing;
      const place = (await this.#pack(layers[layer] as Layer, pack, where)).place;
      if (place === undefined) throw new SlimError("IO", "the cache lost a file", { where });
      const part = { file: place.file, offset: place.offset + offset };
      return { digest, size, place: part, open: () => readPart(part, size) };
    };
    return {
      name,
      where,
      digest,
      config,
      layers,
      files,
      content,
      text: async (path) => {
        const file = files.find(path);
        if (file?.type !== "file" || file.size > MAX_TEXT) return undefined;
        const chunks: Uint8Array[] = [];
        for await (const chunk of (await content(file)).open()) chunks.push(chunk);
        return Buffer.concat(chunks).toString();
      },
      filesIn: (layer) => listings[layer]?.members.filter(({ type }) => type === "file").length ?? 0,
    };
  }

  async #ofMachine({ store, ref }: Source, source: string, platform: Platform): Promise<ReadBase> {
    const artifact = await store.read(this.#options.context, ref);
    const { config, layers } = onlyImage(chooseImage(artifact, platform, source), source);
    const { digest } = artifact.descriptor;
    return { name: undefined, digest, config, layers: layers.map((layer) => asOci(layer, source)) };
  }

  async #ofRegistry(ref: string, platform: Platform): Promise<ReadBase> {
    const { context, cache } = this.#options;
    const { host, repository, tag, digest: exact } = parseReference(ref);
    const place = { host, repository };
    const name = formatReference(
      exact === undefined || tag !== undefined ? { ...place, tag: tag ?? "latest" } : { ...place, digest: exact },
    );
    const digest = exact ?? (await this.#resolve(name));
    const where = formatReference({ ...place, digest });
    const isLocked = exact === undefined;
    let reading: Promise<Image> | undefined;
    const read = () => {
      reading ??= this.#client
        .read(context, where, platform)
        .then((artifact) => onlyImage(artifact, where))
        .catch((error) => rethrow(error, isLocked));
      return reading;
    };
    const key = `${digest} ${formatPlatform(platform)}`;
    const known = await cache.get<BaseRecord>("base", key);
    const record = known ?? recordOf(await read(), name);
    if (known === undefined) await cache.put("base", key, record);
    const layers = record.layers.map(({ descriptor, diffId }, index): Layer => {
      // Who has only the record asks the registry again, and only when somebody wants the bytes.
      const fetch = async function* () {
        yield* ((await read()).layers[index] as Layer).open();
      };
      const layer = { name: descriptor.digest, descriptor, diffId, origin: { host, repository } };
      return { ...layer, open: () => this.#fetched({ ...layer, open: fetch }, where) };
    });
    return { name, digest, config: record.config, layers };
  }

  /** What a reference stands for: the locked digest, else that of now. */
  #resolve(name: string): Promise<Digest> {
    const locked = this.#lock.get(name);
    if (locked !== undefined) return Promise.resolve(locked);
    if (this.#options.frozen) {
      throw new SlimError("LOCK", `does not have the base ${name}`, {
        where: "slim.lock",
        hint: "build once without --frozen and commit slim.lock",
      });
    }
    const resolving =
      this.#resolving.get(name) ?? this.#client.resolve(this.#options.context, name).then(({ digest }) => digest);
    this.#resolving.set(name, resolving);
    return resolving.then((digest) => {
      this.#lock.set(name, digest);
      return digest;
    });
  }

  /** The bytes of a layer, which are kept once they were fetched. */
  async *#fetched(layer: Layer, where: string): AsyncGenerator<Uint8Array> {
    const { digest, size } = layer.descriptor;
    const { cache } = this.#options;
    const fetching = this.#fetching.get(digest) ?? cache.blob(digest).then((known) => known ?? cache.add(layer.open()));
    this.#fetching.set(digest, fetching);
    try {
      yield* verified((await fetching).open(), { digest, size }, `${where}: the layer ${digest}`);
    } finally {
      this.#fetching.delete(digest);
    }
  }

  #list(context: Context, cache: Cache, layer: Layer, where: string): Promise<Listing> {
    const listing = this.#listing.get(layer.diffId) ?? listLayer(context, cache, layer, where);
    this.#listing.set(layer.diffId, listing);
    return listing;
  }

  /** The bytes of a layer's files; where the cache has lost them the layer is read again. */
  async #pack(layer: Layer, pack: Digest, where: string): Promise<Content> {
    const { context, cache } = this.#options;
    const known = await cache.blob(pack);
    if (known !== undefined) return known;
    await unpackLayer(context, cache, layer, where);
    const made = await cache.blob(pack);
    if (made === undefined) throw new SlimError("IO", "the cache lost a file", { where });
    return made;
  }
}

type ReadBase = Pick<BaseImage, "name" | "digest" | "config" | "layers">;

/** What is kept of a base in a registry, so that it is read once. */
interface BaseRecord {
  readonly config: ImageConfig;
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[];
}

function recordOf({ config, layers }: Image, where: string): BaseRecord {
  return {
    config,
    layers: layers.map(({ descriptor, diffId }) => ({ descriptor: ociLayer(descriptor, where), diffId })),
  };
}

function rethrow(error: unknown, isLocked: boolean): never {
  if (!isLocked || !(error instanceof SlimError) || error.code !== "NOT_FOUND") throw error;
  throw new SlimError("NOT_FOUND", "the registry does not have the base that slim.lock names", {
    where: error.where,
    hint: "slim lock --update base takes what its tag is now",
    cause: error,
  });
}

function onlyImage(artifact: Artifact, where: string): Image {
  if (artifact.kind === "image") return artifact;
  throw new SlimError("INVALID", "holds several images where one was asked for", { where });
}

async function* readPart({ file, offset }: { file: string; offset: number }, size: number): AsyncGenerator<Uint8Array> {
  if (size === 0) return;
  yield* createReadStream(file, { start: offset, end: offset + size - 1, highWaterMark: CHUNK });
}

function asOci(layer: Layer, where: string): Layer {
  const descriptor = ociLayer(layer.descriptor, where);
  return { ...layer, name: descriptor.digest, descriptor };
}
