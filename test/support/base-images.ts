import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { digestOf } from "../../src/image/digest.ts";
import { composeImage, composeIndex } from "../../src/image/image.ts";
import type { Platform } from "../../src/image/platform.ts";
import type { Image } from "../../src/image/types.ts";
import { type ImageConfig, type ImageIndex, type Layer, mediaTypes } from "../../src/image/types.ts";
import { blobOf, readAll } from "./registry-images.ts";

/** Members of a layer by path: text, bytes, `-> target` for a link, `=> target` for a hard link; a folder ends in `/`. */
export type LayerFiles = Readonly<Record<string, string | Uint8Array>>;

/** A layer as other tools make them: names begin as they do, in the order that is given. */
export async function layerOf(files: LayerFiles, name = "base"): Promise<Layer> {
  const archive = pack();
  for (const [place, content] of Object.entries(files)) archive.entry(...memberOf(place, content));
  archive.finalize();
  const tar = await readAll(archive as unknown as AsyncIterable<Uint8Array>);
  return { ...blobOf(gzipSync(tar), mediaTypes.layerGzip), name, diffId: digestOf(tar) };
}

const nothing = Buffer.alloc(0);

function memberOf(
  name: string,
  content: string | Uint8Array,
): [Parameters<ReturnType<typeof pack>["entry"]>[0], Buffer] {
  const text = typeof content === "string" ? content : "";
  if (name.endsWith("/")) return [{ name, type: "directory", mode: 0o755 }, nothing];
  if (text.startsWith("-> ")) return [{ name, type: "symlink", linkname: text.slice(3) }, nothing];
  if (text.startsWith("=> ")) return [{ name, type: "link", linkname: text.slice(3) }, nothing];
  const bytes = Buffer.from(content);
  return [{ name, mode: 0o755, size: bytes.length }, bytes];
}

export interface BaseOptions {
  readonly platform?: Platform;
  readonly config?: NonNullable<ImageConfig["config"]>;
}

/** An image with these layers, to build on. */
export async function baseOf(
  layers: readonly LayerFiles[],
  { platform = { os: "linux", architecture: "amd64" }, config = {} }: BaseOptions = {},
): Promise<Image> {
  const made = await Promise.all(layers.map((files) => layerOf(files)));
  return composeImage({ platform, created: "2024-01-01T00:00:00Z", config, layers: made, annotations: {} });
}

export function indexOfBases(images: readonly Image[]): ImageIndex {
  return composeIndex(images, {});
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
