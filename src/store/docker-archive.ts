import { createHash } from "node:crypto";
import { SlimError } from "../base/error.ts";
import { type Digest, digestOf, verified } from "../image/digest.ts";
import { once } from "../image/image.ts";
import { MAX_JSON, parseConfig } from "../image/parse.ts";
import { isSameName } from "../image/reference.ts";
import { type Image, type Layer, mediaTypes } from "../image/types.ts";
import type { LayoutFiles } from "./oci-layout.ts";

/** What an archive can say beside what a folder can. */
export interface ArchiveFiles extends LayoutFiles {
  /** Bytes of a file. */
  size(name: string): number;
}

interface Entry {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

/**
 * Reads what `docker save` wrote before version 25, and Jib, Bazel and Kaniko still do: a config and
 * layers without a manifest (https://github.com/moby/docker-image-spec/blob/v1.3.1/v1.2.md). The config
 * and so the image's ID are kept; the manifest is made here, and is the same each time.
 * @throws SlimError `INVALID`, `INTEGRITY`; `NOT_FOUND` when there is no such name, or several and none was chosen
 */
export async function readDockerArchive(files: ArchiveFiles, ref?: string): Promise<Image> {
  const entry = choose(parseEntries(await files.read("manifest.json", MAX_JSON), files.where), ref, files.where);
  const configBytes = await files.read(entry.Config, MAX_JSON);
  const config = parseConfig(configBytes, `${files.where}: ${entry.Config}`);
  const digest = digestOf(configBytes);
  const named = /(?:^|\/)([a-f0-9]{64})(?:\.json)?$/.exec(entry.Config)?.[1];
  if (named !== undefined && digest !== `sha256:${named}`) {
    throw new SlimError("INTEGRITY", `has digest ${digest}, not that of its name`, {
      where: `${files.where}: ${entry.Config}`,
    });
  }
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== entry.Layers.length) {
    throw new SlimError("INVALID", "the config does not have one diff_id for each layer", { where: files.where });
  }
  const places = await placesOf(files, diffIds, entry.Layers);
  const layers: Layer[] = [];
  for (const [index, diffId] of diffIds.entries()) {
    layers.push(await layerAt(files, places.get(diffId) ?? (entry.Layers[index] as string), diffId));
  }
  const manifest = {
    schemaVersion: 2 as const,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest, size: configBytes.length },
    layers: layers.map(({ descriptor }) => descriptor),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return {
    kind: "image",
    descriptor: { mediaType: mediaTypes.manifest, digest: digestOf(bytes), size: bytes.length },
    bytes,
    manifest,
    config,
    configBlob: { descriptor: manifest.config, open: () => once(configBytes) },
    layers,
  };
}

function parseEntries(bytes: Uint8Array, where: string): readonly Entry[] {
  let entries: unknown;
  try {
    entries = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw new SlimError("INVALID", "manifest.json is not JSON", { where, cause });
  }
  if (!Array.isArray(entries) || !entries.every(isEntry)) {
    throw new SlimError("INVALID", "manifest.json is not Docker's", { where });
  }
  return entries;
}

function isEntry(value: unknown): value is Entry {
  const { Config, RepoTags, Layers } = (value ?? {}) as Partial<Record<keyof Entry, unknown>>;
  return typeof Config === "string" && isNames(Layers) && (RepoTags == null || isNames(RepoTags));
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function choose(entries: readonly Entry[], ref: string | undefined, where: string): Entry {
  const matching = entries.filter(
    ({ RepoTags }) => ref === undefined || RepoTags?.some((name) => isSameName(name, ref)),
  );
  const [first] = matching;
  if (first === undefined) throw new SlimError("NOT_FOUND", `holds no image${ref ? ` named ${ref}` : ""}`, { where });
  if (matching.some(({ Config }) => Config !== first.Config)) {
    const names = entries.flatMap(({ RepoTags, Config }) => RepoTags ?? [Config]).join(", ");
    throw new SlimError("NOT_FOUND", "holds several images", { where, hint: `choose one of ${names}` });
  }
  return first;
}

/** `docker save` writes a layer once, and links where an image has it again. */
async function placesOf(
  files: ArchiveFiles,
  diffIds: readonly Digest[],
  names: readonly string[],
): Promise<ReadonlyMap<Digest, string>> {
  const places = new Map<Digest, string>();
  for (const [index, diffId] of diffIds.entries()) {
    const name = names[index] as string;
    if (!places.has(diffId) && (await files.has(name))) places.set(diffId, name);
  }
  return places;
}

async function layerAt(files: ArchiveFiles, name: string, diffId: Digest): Promise<Layer> {
  const size = files.size(name);
  const packed = await isGzip(files.open(name));
  const digest = packed ? await hashOf(files.open(name)) : diffId;
  const descriptor = { mediaType: packed ? mediaTypes.layerGzip : mediaTypes.layer, digest, size };
  return {
    name: digest,
    diffId,
    descriptor,
    open: () => verified(files.open(name), descriptor, `${files.where}: ${name}`),
  };
}

async function isGzip(source: AsyncIterable<Uint8Array>): Promise<boolean> {
  for await (const chunk of source) return chunk[0] === 0x1f && chunk[1] === 0x8b;
  return false;
}

async function hashOf(source: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of source) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
