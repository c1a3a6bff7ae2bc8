import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Context, ProgressEvent } from "../../src/base/context.ts";
import { digestOf } from "../../src/image/digest.ts";
import { type Blob, type Image, type ImageIndex, type Layer, mediaTypes } from "../../src/image/types.ts";

export interface Opened {
  /** Digests in the order in which they were opened. */
  readonly opened: string[];
}

export function blobOf(bytes: Uint8Array, mediaType: string, opened: string[] = []): Blob {
  const digest = digestOf(bytes);
  return {
    descriptor: { mediaType, digest, size: bytes.length },
    open() {
      opened.push(digest);
      return inChunks(bytes);
    },
  };
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 16_384) yield bytes.subarray(at, at + 16_384);
}

/** Bytes that look random and are the same each time. */
export function bytesOf(seed: string, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 32 < size; at += 1) parts.push(createHash("sha256").update(`${seed} ${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

/** A tar with one file, whole enough for other people's tools. */
function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512), Buffer.alloc(1024)]);
}

export interface ImageOptions {
  readonly layers?: readonly string[];
  readonly size?: number;
  readonly architecture?: string;
  readonly opened?: string[];
}

/** A small real image: one layer for each seed, the same digest each time. */
export function imageOf({
  layers = ["os", "app"],
  size = 2000,
  architecture = "amd64",
  opened = [],
}: ImageOptions = {}): Image {
  const made = layers.map((seed): Layer => {
    const tar = tarOf(`${seed}.bin`, bytesOf(seed, size));
    const blob = blobOf(gzipSync(tar), mediaTypes.layerGzip, opened);
    return { ...blob, name: seed, diffId: digestOf(tar) };
  });
  const config = {
    architecture,
    os: "linux",
    config: { Entrypoint: ["/app"] },
    rootfs: { type: "layers" as const, diff_ids: made.map(({ diffId }) => diffId) },
    history: layers.map((seed) => ({ created_by: seed })),
  };
  const configBlob = blobOf(Buffer.from(JSON.stringify(config)), mediaTypes.config, opened);
  const manifest = {
    schemaVersion: 2 as const,
    mediaType: mediaTypes.manifest,
    config: configBlob.descriptor,
    layers: made.map(({ descriptor }) => descriptor),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = { mediaType: mediaTypes.manifest, digest: digestOf(bytes), size: bytes.length };
  return { kind: "image", descriptor, bytes, manifest, config, configBlob, layers: made };
}

export function indexOf(images: readonly Image[]): ImageIndex {
  const index = {
    schemaVersion: 2 as const,
    mediaType: mediaTypes.index,
    manifests: images.map(({ descriptor, config: { os, architecture } }) => ({
      ...descriptor,
      platform: { os, architecture },
    })),
  };
  const bytes = Buffer.from(JSON.stringify(index));
  const descriptor = { mediaType: mediaTypes.index, digest: digestOf(bytes), size: bytes.length };
  return { kind: "index", descriptor, bytes, index, images };
}

/** A context without the machine's credentials and proxies, which keeps what was reported. */
export function contextOf(
  env: Record<string, string> = {},
  signal = new AbortController().signal,
): Context & { readonly events: ProgressEvent[] } {
  const events: ProgressEvent[] = [];
  const report = (event: ProgressEvent) => void events.push(event);
  return { signal, report, env: { PATH: process.env.PATH ?? "", HOME: "/nonexistent", ...env }, events };
}

export async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
