import { digestOf } from "./digest.ts";
import { inheritHistory } from "./inherit.ts";
import { formatPlatform, type Platform } from "./platform.ts";
import {
  type Annotations,
  type HistoryEntry,
  type Image,
  type ImageConfig,
  type ImageIndex,
  type Index,
  type Layer,
  type Manifest,
  mediaTypes,
} from "./types.ts";

/** What a new image is made of. */
export interface ImageParts {
  readonly platform: Platform;
  /** RFC 3339. */
  readonly created: string;
  readonly config: NonNullable<ImageConfig["config"]>;
  readonly layers: readonly Layer[];
  readonly annotations: Annotations;
  /** What the layers are put on: its layers lie below, its history goes before. */
  readonly base?: { readonly config: ImageConfig; readonly layers: readonly Layer[] } | undefined;
}

/** Puts config and manifest together; each is serialised here, once. */
export function composeImage({ platform, created, config, layers: own, annotations, base }: ImageParts): Image {
  const layers = [...(base?.layers ?? []), ...own];
  const history: HistoryEntry[] = [
    ...(base === undefined ? [] : inheritHistory(base.config)),
    ...own.map((layer) => ({ created, created_by: `slim: ${layer.name}` })),
  ];
  const imageConfig: ImageConfig = {
    created,
    ...platform,
    config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history,
  };
  const configBytes = Buffer.from(JSON.stringify(imageConfig));
  const configDescriptor = { mediaType: mediaTypes.config, digest: digestOf(configBytes), size: configBytes.length };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: configDescriptor,
    layers: layers.map((layer) => layer.descriptor),
    ...(Object.keys(annotations).length > 0 ? { annotations: sorted(annotations) } : {}),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return {
    kind: "image",
    descriptor: { mediaType: mediaTypes.manifest, digest: digestOf(bytes), size: bytes.length, platform },
    bytes,
    manifest,
    config: imageConfig,
    configBlob: { descriptor: configDescriptor, open: () => once(configBytes) },
    layers,
  };
}

/** Puts one image per platform behind one digest, sorted by platform. */
export function composeIndex(images: readonly Image[], annotations: Annotations): ImageIndex {
  const platformOf = (image: Image) => (image.descriptor.platform ? formatPlatform(image.descriptor.platform) : "");
  const ordered = [...images].sort((a, b) => (platformOf(a) < platformOf(b) ? -1 : 1));
  const index: Index = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: ordered.map((image) => image.descriptor),
    ...(Object.keys(annotations).length > 0 ? { annotations: sorted(annotations) } : {}),
  };
  const bytes = Buffer.from(JSON.stringify(index));
  const descriptor = { mediaType: mediaTypes.index, digest: digestOf(bytes), size: bytes.length };
  return { kind: "index", descriptor, bytes, index, images: ordered };
}

/** The images of an artifact: one, or all of an index. */
export function imagesOf(artifact: Image | ImageIndex): readonly Image[] {
  return artifact.kind === "image" ? [artifact] : artifact.images;
}

/** The names that slim wrote into the history of layers; the digests of others. */
export function namesOfLayers({ layers }: Manifest, { history }: ImageConfig): readonly string[] {
  const made = (Array.isArray(history) ? history : []).filter((entry) => entry?.empty_layer !== true);
  return layers.map(({ digest }, index) => {
    const by = made.length === layers.length ? made[index]?.created_by : undefined;
    return /^slim: ([a-z]+)$/.exec(`${by}`)?.[1] ?? digest;
  });
}

/** A record with its keys in one order, so that the same content is the same bytes. */
export function sorted(record: Annotations): Annotations {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Bytes in memory as a stream. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
