import { SlimError } from "../base/error.ts";
import { type Digest, digestOf, isDigest, splitDigest } from "./digest.ts";
import { type Descriptor, type ImageConfig, type Index, type Manifest, mediaTypes } from "./types.ts";

/** Largest manifest, index or config that is read, in bytes; registries stop at 4 MiB. */
export const MAX_JSON = 4 * 1024 * 1024;

const manifestTypes: readonly string[] = [mediaTypes.manifest, mediaTypes.dockerManifest];
const indexTypes: readonly string[] = [mediaTypes.index, mediaTypes.dockerIndex];

export function isIndexType(mediaType: string): boolean {
  return indexTypes.includes(mediaType);
}

/**
 * Reads a manifest or an index whose bytes are known to have their digest.
 * @throws SlimError `INVALID`
 */
export function parseManifestOrIndex(
  bytes: Uint8Array,
  where: string,
): { kind: "manifest"; manifest: Manifest } | { kind: "index"; index: Index } {
  const json = parseObject(bytes, where);
  if (json.schemaVersion !== 2) fail(where, `schemaVersion is ${JSON.stringify(json.schemaVersion)}, not 2`);
  const mediaType = json.mediaType;
  if (mediaType !== undefined && typeof mediaType !== "string") fail(where, "mediaType is not a string");
  const isIndex = mediaType === undefined ? Array.isArray(json.manifests) : isIndexType(mediaType as string);
  if (isIndex) {
    checkDescriptors(json.manifests, where, "manifests");
    return { kind: "index", index: json as unknown as Index };
  }
  if (mediaType !== undefined && !manifestTypes.includes(mediaType as string)) {
    fail(where, `media type ${mediaType} is not a manifest`);
  }
  checkDescriptors([json.config], where, "config");
  checkDescriptors(json.layers, where, "layers");
  return { kind: "manifest", manifest: json as unknown as Manifest };
}

/**
 * Reads an image's config.
 * @throws SlimError `INVALID`
 */
export function parseConfig(bytes: Uint8Array, where: string): ImageConfig {
  const json = parseObject(bytes, where);
  if (typeof json.architecture !== "string" || typeof json.os !== "string") {
    fail(where, "the config does not say its os and architecture");
  }
  const rootfs = json.rootfs as { type?: unknown; diff_ids?: unknown } | undefined;
  if (rootfs?.type !== "layers" || !Array.isArray(rootfs.diff_ids) || !rootfs.diff_ids.every(isDigest)) {
    fail(where, "the config has no valid rootfs.diff_ids");
  }
  return json as unknown as ImageConfig;
}

/**
 * @throws SlimError `INTEGRITY` when `bytes` are not those of the descriptor
 */
export function checkBytes(bytes: Uint8Array, expected: { digest: Digest; size?: number }, where: string): void {
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw new SlimError("INTEGRITY", `has ${bytes.length} bytes where ${expected.size} were promised`, { where });
  }
  const actual = digestOf(bytes, splitDigest(expected.digest).algorithm);
  if (actual !== expected.digest) {
    throw new SlimError("INTEGRITY", `has digest ${actual}, not ${expected.digest}`, { where });
  }
}

function parseObject(bytes: Uint8Array, where: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SlimError("INVALID", "is not JSON", { where, cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) fail(where, "is not a JSON object");
  return json as Record<string, unknown>;
}

function checkDescriptors(list: unknown, where: string, field: string): asserts list is Descriptor[] {
  if (!Array.isArray(list)) fail(where, `${field} is missing`);
  for (const descriptor of list as Partial<Descriptor>[]) {
    const size = descriptor?.size;
    const valid =
      typeof descriptor?.mediaType === "string" &&
      isDigest(descriptor.digest) &&
      Number.isSafeInteger(size) &&
      (size as number) >= 0;
    if (!valid) fail(where, `${field} holds a descriptor that is not valid`);
  }
}

function fail(where: string, what: string): never {
  throw new SlimError("INVALID", what, { where });
}
