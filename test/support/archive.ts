import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import type { Descriptor, ImageConfig, Index, Manifest } from "../../src/image/types.ts";

const run = promisify(execFile);

/** An archive as GNU tar unpacks it and JSON.parse reads it: nothing of slim's own reading. */
export interface Unpacked {
  readonly folder: string;
  readonly index: Index;
  readonly docker: readonly { Config: string; RepoTags: string[] | null; Layers: string[] }[];
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  blob(descriptor: Descriptor): string;
}

export async function unpackArchive(archive: string, folder: string): Promise<Unpacked> {
  await mkdir(folder, { recursive: true });
  await run("tar", ["-xf", archive, "-C", folder]);
  const json = async <T>(name: string) => JSON.parse(await readFile(path.join(folder, name), "utf8")) as T;
  const blobName = ({ digest }: Descriptor) => `blobs/${digest.replace(":", "/")}`;
  const index = await json<Index>("index.json");
  const manifest = await json<Manifest>(blobName(index.manifests[0] as Descriptor));
  return {
    folder,
    index,
    docker: await json("manifest.json"),
    manifest,
    config: await json<ImageConfig>(blobName(manifest.config)),
    blob: (descriptor) => path.join(folder, blobName(descriptor)),
  };
}

export interface Member {
  readonly header: Header;
  readonly md5: string;
  /** Of files up to 4 MB. */
  readonly content: Buffer;
}

/** The members of a gzipped layer, by tar-stream. */
export async function membersOf(layer: string): Promise<Member[]> {
  const members: Member[] = [];
  for await (const member of createReadStream(layer).pipe(createGunzip()).pipe(extract())) {
    const hash = createHash("md5");
    const parts: Buffer[] = [];
    for await (const chunk of member) {
      hash.update(chunk as Buffer);
      if ((member.header.size ?? 0) <= 4_000_000) parts.push(chunk as Buffer);
    }
    members.push({ header: member.header, md5: hash.digest("hex"), content: Buffer.concat(parts) });
  }
  return members;
}

/** Unpacks every layer into one folder, as a container's root. */
export async function unpackRoot(image: Unpacked, root: string): Promise<string> {
  await mkdir(root, { recursive: true });
  for (const layer of image.manifest.layers) await run("tar", ["-xpzf", image.blob(layer), "-C", root]);
  return root;
}

export async function sha256File(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}
