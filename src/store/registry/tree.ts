import { SlimError } from "../../base/error.ts";
import { type Digest, digestOf, isDigest } from "../../image/digest.ts";
import { namesOfLayers } from "../../image/image.ts";
import {
  type Artifact,
  type Blob,
  type Descriptor,
  type Image,
  type ImageConfig,
  type Index,
  type Layer,
  type Manifest,
  mediaTypes,
} from "../../image/types.ts";
import { isRecord } from "./problem.ts";

/**
 * A manifest with everything below it, as a registry sees it: bytes that are kept as they are. Images,
 * indexes in indexes and artifacts of any type are all trees, so that a copy loses nothing.
 */
export interface Tree {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly content: Manifest | Index;
  /** Layers first, the config last. */
  readonly blobs: readonly Blob[];
  readonly children: readonly Tree[];
}

/** Everything a client can read, best first. */
export const readable = [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest];

const indexes: readonly string[] = [mediaTypes.index, mediaTypes.dockerIndex];
const configs: readonly string[] = [mediaTypes.config, mediaTypes.dockerConfig];

export function isIndex(content: Manifest | Index): content is Index {
  return "manifests" in content;
}

/** Whether a child of an index is itself an index. */
export function isIndexType(mediaType: string): boolean {
  return indexes.includes(mediaType);
}

/** The tree of an artifact that is at hand. */
export function treeOf(artifact: Artifact): Tree {
  const { descriptor, bytes } = artifact;
  if (artifact.kind === "image") {
    return {
      descriptor,
      bytes,
      content: artifact.manifest,
      blobs: [...artifact.layers, artifact.configBlob],
      children: [],
    };
  }
  return { descriptor, bytes, content: artifact.index, blobs: [], children: artifact.images.map(treeOf) };
}

/** Every manifest of a tree that something can refer to. */
export function digestsOf(tree: Tree): readonly Digest[] {
  return [tree.descriptor.digest, ...tree.children.flatMap(digestsOf)];
}

/**
 * Reads a manifest or an index and says what it is. Some registries name no media type or a wrong one
 * in the header; what the content says itself counts.
 * @throws SlimError `INVALID`
 */
export function parseManifest(
  bytes: Uint8Array,
  header: string | null,
  where: string,
): { readonly descriptor: Descriptor; readonly content: Manifest | Index } {
  const bad = (message: string, hint?: string) => new SlimError("INVALID", message, { where, hint });
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), emptyForNull);
  } catch (cause) {
    throw new SlimError("INVALID", "the manifest is not JSON", { where, cause });
  }
  if (!isRecord(body)) throw bad("the manifest is not a JSON object");
  if (body.schemaVersion === 1) throw bad("is an image of Docker's first format", "push it again with a current tool");
  if (body.schemaVersion !== 2) throw bad('the manifest has no "schemaVersion": 2');
  const hasIndex = Array.isArray(body.manifests);
  const hasImage = isRecord(body.config) && Array.isArray(body.layers);
  // Both at once would let two readers see two images: CVE-2021-41190.
  if (hasIndex === ("config" in body || "layers" in body) || (!hasIndex && !hasImage)) {
    throw bad("the manifest is neither an image nor an index");
  }
  const descriptors = hasIndex ? (body.manifests as unknown[]) : [body.config, ...(body.layers as unknown[])];
  const wrong = [...descriptors, ...(body.subject === undefined ? [] : [body.subject])].find(
    (one) => !isDescriptor(one),
  );
  if (wrong !== undefined) throw bad(`the manifest has a descriptor without media type, digest or size`);
  const named = typeof body.mediaType === "string" ? body.mediaType : undefined;
  const guess = hasIndex ? mediaTypes.index : mediaTypes.manifest;
  const sent = header?.split(";")[0]?.trim() ?? "";
  const mediaType = named ?? (isIndexType(sent) === hasIndex && (readable as string[]).includes(sent) ? sent : guess);
  if (isIndexType(mediaType) !== hasIndex) throw bad(`the manifest calls itself ${mediaType} and is not`);
  return {
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    content: body as unknown as Manifest | Index,
  };
}

/** Programs in Go write an empty list as null; olareg does so where nothing refers to an image. */
function emptyForNull(key: string, value: unknown): unknown {
  return value === null && (key === "manifests" || key === "layers") ? [] : value;
}

function isDescriptor(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value.mediaType === "string" &&
    isDigest(value.digest) &&
    Number.isSafeInteger(value.size) &&
    (value.size as number) >= 0
  );
}

/**
 * The image of a tree without children.
 * An artifact's config is none of an image. It becomes the one that BuildKit gives its attestations:
 * for an unknown platform, with the layers' own digests.
 * @throws SlimError `INVALID`
 */
export function imageOf(tree: Tree, configBytes: Uint8Array | undefined, where: string): Image {
  const { descriptor, bytes } = tree;
  const manifest = tree.content as Manifest;
  const configBlob = tree.blobs.at(-1) as Blob;
  const config = configBytes === undefined ? noConfig(manifest) : parseConfig(configBytes, manifest, where);
  const names = namesOfLayers(manifest, config);
  const layers = manifest.layers.map((_, index): Layer => {
    const blob = tree.blobs[index] as Blob;
    return { ...blob, name: names[index] as string, diffId: config.rootfs.diff_ids[index] as Digest };
  });
  return { kind: "image", descriptor, bytes, manifest, config, configBlob, layers };
}

/** Whether a manifest's config is one of an image. */
export function hasImageConfig(manifest: Manifest): boolean {
  return configs.includes(manifest.config.mediaType);
}

function noConfig(manifest: Manifest): ImageConfig {
  const diff_ids = manifest.layers.map(({ digest }) => digest);
  return { architecture: "unknown", os: "unknown", rootfs: { type: "layers", diff_ids } };
}

function parseConfig(bytes: Uint8Array, manifest: Manifest, where: string): ImageConfig {
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new SlimError("INVALID", "the image's config is not JSON", { where, cause });
  }
  const ids = isRecord(config) && isRecord(config.rootfs) ? config.rootfs.diff_ids : undefined;
  const list = Array.isArray(ids) ? ids : manifest.layers.length === 0 ? [] : undefined;
  if (!isRecord(config) || list === undefined || !list.every(isDigest) || list.length !== manifest.layers.length) {
    throw new SlimError("INVALID", "the image's config does not have one diff_id for each layer", { where });
  }
  return { ...config, rootfs: { type: "layers", diff_ids: list } } as unknown as ImageConfig;
}
