import { createHash } from "node:crypto";
import path from "node:path";
import { type Context, throwIfAborted } from "../base/context.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import type { Digest } from "../image/digest.ts";
import { imagesOf } from "../image/image.ts";
import { formatPlatform, type Platform } from "../image/platform.ts";
import { type Artifact, type Image, type Layer, mediaTypes } from "../image/types.ts";
import { membersOf, uncompressed } from "./uncompressed.ts";

/** What was found wrong with an artifact; nothing, when it is right. */
export interface Validation {
  readonly problems: readonly Diagnostic[];
  /** Bytes of blobs whose digests were checked. */
  readonly checkedBytes: number;
}

const docker: readonly string[] = [
  mediaTypes.dockerManifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerConfig,
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerGzip,
  mediaTypes.dockerLayerZstd,
];

/**
 * Checks every digest, size and media type of an artifact, its configs against its layers, and the
 * members of each layer. What breaks the specification is an error; what only slim forbids itself, a
 * warning in layers that others made.
 * @throws SlimError only for what keeps it from looking: `ABORTED`, `IO`
 */
export async function validate(context: Context, artifact: Artifact): Promise<Validation> {
  const problems: Diagnostic[] = [];
  let checkedBytes = 0;
  const problem: Report = (where, message, severity = "error") =>
    problems.push({ code: "invalid-image", severity, message, file: where });
  if (artifact.kind === "index") checkIndex(artifact.index, problem);
  const layers = new Map<string, Layer>();
  for (const image of imagesOf(artifact)) {
    checkManifest(image, problem);
    checkConfig(image, problem);
    for (const layer of image.layers) layers.set(`${layer.descriptor.digest} ${layer.diffId}`, layer);
  }
  for (const layer of layers.values()) {
    throwIfAborted(context.signal);
    try {
      await checkLayer(layer, problem);
      checkedBytes += layer.descriptor.size;
    } catch (error) {
      if (error instanceof SlimError && ["ABORTED", "IO"].includes(error.code)) throw error;
      problem(layer.descriptor.digest, (await damage(layer)) ?? messageOf(error));
    }
  }
  return { problems, checkedBytes };
}

/** What is wrong with the bytes themselves: it explains whatever else is. */
async function damage(layer: Layer): Promise<string | undefined> {
  try {
    for await (const _ of layer.open());
  } catch (error) {
    return messageOf(error);
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Report = (where: string, message: string, severity?: "error" | "warning") => void;

function checkIndex(index: Extract<Artifact, { kind: "index" }>["index"], problem: Report): void {
  if (index.mediaType === undefined) problem("index", "mediaType is not set");
  const seen = new Set<string>();
  for (const { digest, platform } of index.manifests) {
    if (platform === undefined) problem(digest, "has no platform in the index", "warning");
    const name = platform === undefined ? digest : formatPlatform(platform);
    if (seen.has(name)) problem(digest, `${name} is in the index twice`);
    seen.add(name);
  }
}

function checkManifest({ descriptor, manifest }: Image, problem: Report): void {
  const where = descriptor.digest;
  if (manifest.mediaType === undefined) problem(where, "mediaType is not set");
  else if (manifest.mediaType !== descriptor.mediaType)
    problem(where, "is announced with another mediaType than its own");
  const types = [descriptor.mediaType, manifest.config.mediaType, ...manifest.layers.map(({ mediaType }) => mediaType)];
  const count = types.filter((type) => docker.includes(type)).length;
  if (count > 0 && count < types.length) problem(where, "mixes media types of OCI and Docker");
}

function checkConfig({ descriptor, config, layers }: Image, problem: Report): void {
  const where = descriptor.digest;
  const { platform } = descriptor;
  const own: Platform = { os: config.os, architecture: config.architecture };
  if (platform && (platform.os !== own.os || platform.architecture !== own.architecture)) {
    problem(where, `is announced for ${formatPlatform(platform)}, but its config says ${formatPlatform(own)}`);
  }
  const filled = config.history?.filter((entry) => entry.empty_layer !== true).length;
  if (filled !== undefined && filled !== layers.length) {
    problem(where, `has ${layers.length} layers, but a history of ${filled}`);
  }
}

async function checkLayer(layer: Layer, problem: Report): Promise<void> {
  const { mediaType, digest } = layer.descriptor;
  const hash = createHash("sha256");
  const tar = uncompressed(layer);
  if (tar === undefined) {
    problem(digest, `cannot look into a layer of type ${mediaType}`, "warning");
    for await (const _ of layer.open());
    return;
  }
  const own = ["os", "node", "deps", "app"].includes(layer.name);
  await checkMembers(hashed(tar, hash), (message, specified) =>
    problem(digest, message, specified || own ? "error" : "warning"),
  );
  const diffId: Digest = `sha256:${hash.digest("hex")}`;
  if (diffId !== layer.diffId) problem(digest, `unpacks to ${diffId}, but the config says ${layer.diffId}`);
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: { update(chunk: Uint8Array): unknown }) {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

/** @param problem told whether it is the specification that is broken, or a rule of slim's own */
async function checkMembers(
  tar: AsyncIterable<Uint8Array>,
  problem: (message: string, specified: boolean) => void,
): Promise<void> {
  const seen = new Set<string>();
  let previous = "";
  for await (const member of await membersOf(tar)) {
    const { name, type, linkname, uname, gname } = member.header;
    const at = path.posix.normalize(`/${name}`).replace(/(.)\/$/, "$1");
    if (`/${name}`.split("/").includes("..")) problem(`${name} leaves the root`, true);
    if (seen.has(at)) problem(`${at} is there twice`, true);
    if (at < previous) problem(`${at} is out of order`, false);
    if (type === "link" && linkname && !seen.has(path.posix.normalize(`/${linkname}`))) {
      problem(`${at} is a hard link to ${linkname}, which does not come before it`, false);
    }
    if (uname || gname) problem(`${at} has owners by name`, false);
    if (path.posix.basename(at).startsWith(".wh.")) problem(`${at} deletes a file of a lower layer`, false);
    seen.add(at);
    previous = at;
    member.resume();
  }
}
