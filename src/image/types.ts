import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** Media types of https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md */
export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  /** https://distribution.github.io/distribution/spec/manifest-v2-2/, read but never written. */
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

export type Annotations = Readonly<Record<string, string>>;

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the content as it is stored and sent. */
  readonly size: number;
  readonly annotations?: Annotations;
  readonly platform?: Platform;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
  /** Base64 of the content itself, where it travels inside the descriptor. */
  readonly data?: string;
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md */
export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly config?: {
    readonly User?: string;
    readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
    readonly WorkingDir?: string;
    readonly Labels?: Annotations;
    readonly StopSignal?: string;
  };
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
}

/** Bytes with a known digest. `open` may be called again and again; each call starts at the first byte. */
export interface Blob {
  readonly descriptor: Descriptor;
  /** The exact bytes of the descriptor. Sources outside this process check them while they pass. */
  open(): AsyncIterable<Uint8Array>;
}

export interface Layer extends Blob {
  /** `os`, `node`, `deps` or `app`; a base's layers have its digest. */
  readonly name: string;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
}

/** One image for one platform. Immutable: its bytes were fixed when it was made. */
export interface Image {
  readonly kind: "image";
  readonly descriptor: Descriptor;
  /** The manifest exactly as it is sent. */
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly configBlob: Blob;
  readonly layers: readonly Layer[];
}

/** Several images, one for each platform, behind one digest. */
export interface ImageIndex {
  readonly kind: "index";
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly index: Index;
  readonly images: readonly Image[];
}

export type Artifact = Image | ImageIndex;
