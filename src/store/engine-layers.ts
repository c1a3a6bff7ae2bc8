import type { Digest } from "../image/digest.ts";
import type { Artifact, Image } from "../image/types.ts";

/** Runs an engine's client and gives what it printed. */
type Ask = (...args: readonly string[]) => Promise<string>;

/** The layers that an engine has already, and that it takes an artifact without. */
export type AskLayers = (ask: Ask, artifact: Artifact) => Promise<ReadonlySet<Digest>>;

/** More images than this are not asked about: the command line would become too long. */
const MOST = 1000;

/**
 * Docker with its classic store: `docker load` opens a layer's file only where the chain of diff IDs
 * up to it is not there yet (https://github.com/moby/moby/blob/v28.0.0/image/tarexport/load.go). With
 * containerd's store nothing is left out: it may have a layer unpacked and not the packed bytes, which
 * a push needs, and cannot be asked.
 */
export const askDocker: AskLayers = async (ask, artifact) => {
  const driver = await ask("info", "--format", "{{json .DriverStatus}}");
  return driver.includes("io.containerd.snapshotter") ? new Set() : askUnpacked(ask, artifact);
};

/**
 * Engines that keep layers unpacked, by the diff IDs of their images. Podman looks for a layer by its
 * digest before it reads it
 * (https://github.com/containers/image/blob/v5.34.0/storage/storage_dest.go, TryReusingBlob).
 */
export const askUnpacked: AskLayers = async (ask, artifact) => {
  const listed = await ask("image", "ls", "--quiet", "--no-trunc");
  const ids = [...new Set(listed.split(/\s+/).filter((id) => id !== ""))].slice(0, MOST);
  if (ids.length === 0) return new Set();
  const printed = await ask("image", "inspect", "--format", "{{json .RootFS.Layers}}", ...ids);
  const there = printed.split("\n").map((line) => line.match(/sha256:[a-f0-9]{64}/g) ?? []);
  return new Set(imagesOf(artifact).flatMap((image) => lowestLayers(image, there)));
};

/** containerd keeps layers packed, by digest. What the new image names is kept from its import on. */
export const askContainerd: AskLayers = async (ask, artifact) => {
  const there = new Set((await ask("content", "ls", "--quiet")).split(/\s+/));
  const digests = imagesOf(artifact).flatMap(({ layers }) => layers.map(({ descriptor }) => descriptor.digest));
  return new Set(digests.filter((digest) => there.has(digest)));
};

function imagesOf(artifact: Artifact): readonly Image[] {
  return artifact.kind === "image" ? [artifact] : artifact.images;
}

/** The layers at the bottom of an image that another image has at its bottom, unless one is also above. */
function lowestLayers({ layers }: Image, others: readonly (readonly string[])[]): readonly Digest[] {
  const shared = others.map((other) => {
    const differs = layers.findIndex(({ diffId }, place) => diffId !== other[place]);
    return differs < 0 ? layers.length : differs;
  });
  const count = Math.max(0, ...shared);
  const above = new Set(layers.slice(count).map(({ descriptor }) => descriptor.digest));
  return layers.slice(0, count).flatMap(({ descriptor }) => (above.has(descriptor.digest) ? [] : [descriptor.digest]));
}
