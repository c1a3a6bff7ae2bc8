import { SlimError } from "../../base/error.ts";
import type { Digest } from "../../image/digest.ts";
import { bestPlatform, formatPlatform, formatPlatforms, type Platform } from "../../image/platform.ts";
import type { Artifact, Blob, Descriptor, Image, Manifest } from "../../image/types.ts";
import type { Repository } from "./repository.ts";
import { hasImageConfig, imageOf, isIndex, isIndexType, parseManifest, type Tree } from "./tree.ts";

type GotManifest = NonNullable<Awaited<ReturnType<Repository["getManifest"]>>>;
type GetManifest = (name: string) => Promise<GotManifest | undefined>;

/** Indexes in indexes, and manifests in one index: more is an attack, not an image. */
const DEPTH = 4;
const WIDTH = 1000;

/**
 * Reads a manifest and everything below it but the blobs, each byte checked.
 * @throws SlimError `NOT_FOUND`, `INVALID`, `INTEGRITY`, or as Session.request
 */
export async function pullTree(repository: Repository, tagOrDigest: string, platform?: Platform): Promise<Tree> {
  const seen = new Map<Digest, Promise<Tree>>();
  // Registries count what is read.
  const asked = new Map<string, Promise<GotManifest | undefined>>();
  const get: GetManifest = (name) => {
    const getting = asked.get(name) ?? repository.getManifest(name);
    asked.set(name, getting);
    return getting;
  };
  let manifests = 0;
  const read = async (name: string, depth: number, expected?: Descriptor): Promise<Tree> => {
    manifests += 1;
    if (depth > DEPTH || manifests > WIDTH) {
      throw new SlimError("INVALID", "the index holds too many others", { where: repository.where });
    }
    const got = await get(name);
    if (got === undefined) throw notFound(repository, name);
    const where = `${repository.where}${name.includes(":") ? "@" : ":"}${name}`;
    const { descriptor, content } = parseManifest(got.bytes, expected?.mediaType ?? got.type, where);
    if (expected !== undefined && expected.size !== descriptor.size) {
      throw new SlimError("INTEGRITY", `has ${descriptor.size} bytes where ${expected.size} were promised`, { where });
    }
    const self = { descriptor: { ...expected, ...descriptor }, bytes: got.bytes, content };
    if (!isIndex(content)) {
      const blobs: Blob[] = [...content.layers, content.config].map((one) => repository.blob(one));
      return { ...self, blobs, children: [] };
    }
    const children: Tree[] = [];
    for (const child of content.manifests) {
      const known = seen.get(child.digest) ?? read(child.digest, depth + 1, child);
      seen.set(child.digest, known);
      children.push(await known);
    }
    return { ...self, blobs: [], children };
  };
  if (platform === undefined) return read(tagOrDigest, 0);
  const chosen = await choosePlatform(repository, get, tagOrDigest, platform);
  const tree = await read(chosen ?? tagOrDigest, 0);
  if (chosen === undefined && !isIndex(tree.content)) {
    const { config } = await readImage(repository, tree, tree.content);
    checkPlatform(config, platform, `${repository.where}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`);
  }
  return tree;
}

/** The digest of the one image for a platform, or undefined where there is no index to choose from. */
async function choosePlatform(
  repository: Repository,
  get: GetManifest,
  name: string,
  platform: Platform,
): Promise<Digest | undefined> {
  const got = await get(name);
  if (got === undefined) throw notFound(repository, name);
  const { content } = parseManifest(got.bytes, got.type, repository.where);
  if (!isIndex(content)) return undefined;
  const offered = content.manifests.map((one) => one.platform);
  const fits = content.manifests[bestPlatform(offered, platform) ?? -1];
  if (fits !== undefined)
    return isIndexType(fits.mediaType) ? choosePlatform(repository, get, fits.digest, platform) : fits.digest;
  throw new SlimError("PLATFORM", `holds no image for ${formatPlatform(platform)}`, {
    where: `${repository.where}${name.includes(":") ? "@" : ":"}${name}`,
    hint: `there is ${formatPlatforms(offered)}`,
  });
}

/**
 * Refuses an image that is for another platform than the one that was asked for.
 * @throws SlimError `PLATFORM`
 */
export function checkPlatform(config: Platform, platform: Platform, where: string | undefined): void {
  if (config.os === "unknown" || bestPlatform([config], platform) !== undefined) return;
  throw new SlimError("PLATFORM", `is for ${formatPlatform(config)}, not ${formatPlatform(platform)}`, {
    where,
    hint: "take one for that platform, or another platform with --platform",
  });
}

/** @throws SlimError `INVALID` for what an Artifact cannot express, or as Repository.readBlob */
export async function artifactOf(repository: Repository, tree: Tree): Promise<Artifact> {
  const { descriptor, bytes, content } = tree;
  if (!isIndex(content)) return readImage(repository, tree, content);
  const images: Image[] = [];
  for (const child of tree.children) {
    if (isIndex(child.content)) {
      throw new SlimError("INVALID", "an index inside an index is only copied from registry to registry", {
        where: `${repository.where}@${child.descriptor.digest}`,
      });
    }
    images.push(await readImage(repository, child, child.content));
  }
  return { kind: "index", descriptor, bytes, index: content, images };
}

/** Images that were read, so that one that was read to look at its platform is not read again. */
const images = new WeakMap<Tree, Promise<Image>>();

function readImage(repository: Repository, tree: Tree, manifest: Manifest): Promise<Image> {
  const reading = images.get(tree) ?? imageIn(repository, tree, manifest);
  images.set(tree, reading);
  return reading;
}

async function imageIn(repository: Repository, tree: Tree, manifest: Manifest): Promise<Image> {
  const where = `${repository.where}@${tree.descriptor.digest}`;
  const isImage = hasImageConfig(manifest);
  return imageOf(tree, isImage ? await repository.readBlob(manifest.config) : undefined, where);
}

export function notFound(repository: Repository, name: string): SlimError {
  return new SlimError("NOT_FOUND", "there is no such image in the registry", {
    where: `${repository.where}${name.includes(":") ? "@" : ":"}${name}`,
    hint: "check the name and the tag",
  });
}
