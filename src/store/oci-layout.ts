import { SlimError } from "../base/error.ts";
import { type Digest, splitDigest, verified } from "../image/digest.ts";
import { imagesOf, namesOfLayers } from "../image/image.ts";
import { checkBytes, isIndexType, MAX_JSON, parseConfig, parseManifestOrIndex } from "../image/parse.ts";
import { formatReference, isSameName, parseReference } from "../image/reference.ts";
import { type Artifact, type Blob, type Descriptor, type Image, type Layer, mediaTypes } from "../image/types.ts";

/*
 * The OCI image layout, https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md,
 * as a set of names and bytes: the same for a folder and for the tar of one.
 */

/** Where the files of a layout are: a folder, or an archive. */
export interface LayoutFiles {
  /** What errors call it. */
  readonly where: string;
  has(name: string): boolean | Promise<boolean>;
  /** The bytes of a small file. */
  read(name: string, limit: number): Promise<Uint8Array>;
  open(name: string): AsyncIterable<Uint8Array>;
}

const NAME = "org.opencontainers.image.ref.name";
/** What containerd and BuildKit write next to it: the whole reference, where the other has the tag alone. */
const CONTAINERD_NAME = "io.containerd.image.name";

export const LAYOUT_FILE = "oci-layout";
export const LAYOUT_BYTES = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

export function blobName(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

/** The bytes of `index.json`: one descriptor for each reference, or one without a name. */
export function indexJson(artifact: Artifact, refs: readonly string[]): Buffer {
  const named = refs.map((ref) => {
    const { tag = "latest", ...reference } = parseReference(ref);
    const annotations = { [CONTAINERD_NAME]: formatReference({ ...reference, tag }), [NAME]: tag };
    return { ...artifact.descriptor, annotations };
  });
  const manifests = named.length > 0 ? named : [artifact.descriptor];
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }));
}

/** Everything below the top, each digest once, sorted by name: what `blobs` holds. */
export function blobsOf(artifact: Artifact): readonly Blob[] {
  const blobs = new Map<Digest, Blob>();
  const add = (blob: Blob) => blobs.set(blob.descriptor.digest, blob);
  if (artifact.kind === "index") add(bytesBlob(artifact));
  for (const image of imagesOf(artifact)) {
    add(bytesBlob(image));
    add(image.configBlob);
    for (const layer of image.layers) add(layer);
  }
  return [...blobs.values()].sort((a, b) => (a.descriptor.digest < b.descriptor.digest ? -1 : 1));
}

function bytesBlob({ descriptor, bytes }: Artifact): Blob {
  return {
    descriptor,
    open: async function* () {
      yield bytes;
    },
  };
}

/**
 * Reads an artifact of a layout. `ref` is a name in the index (a tag or a whole reference) or a digest.
 * @throws SlimError `INVALID`, `INTEGRITY`; `NOT_FOUND` when there is no such name, or several and none was chosen
 */
export async function readLayout(files: LayoutFiles, ref?: string): Promise<Artifact> {
  if (!(await files.has("index.json"))) {
    throw new SlimError("INVALID", "is not an OCI image: it has no index.json", { where: files.where });
  }
  return readArtifact(files, choose(await manifestsOf(files), ref, files.where));
}

/** Whether a layout is of more than one image, under whatever names. */
export async function holdsSeveral(files: LayoutFiles): Promise<boolean> {
  return new Set((await manifestsOf(files)).map(({ digest }) => digest)).size > 1;
}

async function manifestsOf(files: LayoutFiles): Promise<readonly Descriptor[]> {
  const parsed = parseManifestOrIndex(await files.read("index.json", MAX_JSON), `${files.where}/index.json`);
  if (parsed.kind !== "index") throw new SlimError("INVALID", "index.json is not an index", { where: files.where });
  return parsed.index.manifests;
}

function choose(manifests: readonly Descriptor[], ref: string | undefined, where: string): Descriptor {
  const matching = manifests.filter(({ digest, annotations = {} }) => {
    if (ref === undefined || digest === ref || annotations[NAME] === ref) return true;
    const { [CONTAINERD_NAME]: full } = annotations;
    return full !== undefined && isSameName(full, ref);
  });
  const [first] = matching;
  if (first === undefined) throw new SlimError("NOT_FOUND", `holds no image${ref ? ` named ${ref}` : ""}`, { where });
  if (matching.some(({ digest }) => digest !== first.digest)) {
    const names = manifests.map(({ annotations, digest }) => annotations?.[NAME] ?? digest).join(", ");
    throw new SlimError("NOT_FOUND", "holds several images", { where, hint: `choose one of ${names}` });
  }
  return first;
}

async function readArtifact(files: LayoutFiles, { annotations: _, ...descriptor }: Descriptor): Promise<Artifact> {
  if (!isIndexType(descriptor.mediaType)) return readImage(files, descriptor);
  const bytes = await readBlob(files, descriptor);
  const parsed = parseManifestOrIndex(bytes, `${files.where}: ${descriptor.digest}`);
  if (parsed.kind !== "index") throw new SlimError("INVALID", "an index is announced but a manifest found", files);
  const images: Image[] = [];
  for (const child of parsed.index.manifests) images.push(await readImage(files, child));
  return { kind: "index", descriptor, bytes, index: parsed.index, images };
}

async function readImage(files: LayoutFiles, descriptor: Descriptor): Promise<Image> {
  const where = `${files.where}: ${descriptor.digest}`;
  const bytes = await readBlob(files, descriptor);
  const parsed = parseManifestOrIndex(bytes, where);
  if (parsed.kind !== "manifest")
    throw new SlimError("INVALID", "a manifest is announced but an index found", { where });
  const { manifest } = parsed;
  const configBytes = await readBlob(files, manifest.config);
  const config = parseConfig(configBytes, `${files.where}: ${manifest.config.digest}`);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new SlimError("INVALID", "the config does not have one diff_id for each layer", { where });
  }
  const names = namesOfLayers(manifest, config);
  const layers = manifest.layers.map((layer, index): Layer => {
    const diffId = config.rootfs.diff_ids[index] as Digest;
    return { ...blobOf(files, layer), name: names[index] as string, diffId };
  });
  return { kind: "image", descriptor, bytes, manifest, config, configBlob: blobOf(files, manifest.config), layers };
}

function blobOf(files: LayoutFiles, descriptor: Descriptor): Blob {
  const name = blobName(descriptor.digest);
  return { descriptor, open: () => verified(files.open(name), descriptor, `${files.where}: ${name}`) };
}

async function readBlob(files: LayoutFiles, descriptor: Descriptor): Promise<Uint8Array> {
  const name = blobName(descriptor.digest);
  const bytes = await files.read(name, MAX_JSON);
  checkBytes(bytes, descriptor, `${files.where}: ${name}`);
  return bytes;
}

/** Docker's own manifest, pointing at the same blobs: what `docker load` reads. */
export function dockerManifest(artifact: Artifact, refs: readonly string[]): Buffer {
  const entries = imagesOf(artifact).map((image) => ({
    Config: blobName(image.manifest.config.digest),
    // Only one image can have the names; for an index it is the first, as the others are for other machines.
    RepoTags: image === imagesOf(artifact)[0] && refs.length > 0 ? refs.map(dockerName) : null,
    Layers: image.layers.map((layer) => blobName(layer.descriptor.digest)),
  }));
  return Buffer.from(JSON.stringify(entries));
}

/** Names of Docker Hub are written without the host, as Docker itself saves them. */
function dockerName(ref: string): string {
  const { host, repository, tag } = parseReference(ref);
  const name = host === "docker.io" ? repository.replace(/^library\//, "") : `${host}/${repository}`;
  return `${name}:${tag ?? "latest"}`;
}
