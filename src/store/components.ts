import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { unzstd } from "../base/zstd.ts";
import { type Image, mediaTypes } from "../image/types.ts";

/** A package that an image says it holds. */
export interface Component {
  readonly purl: string;
  readonly name: string;
  readonly version: string;
}

const STATUS = /^(?:\.?\/)?var\/lib\/dpkg\/status\.d\/[^/]+$/;
const MAX_STATUS = 1 << 20;

/** The Debian packages that an image describes in `status.d`, sorted by name; what scanners read, too. */
export async function componentsOf(image: Image): Promise<readonly Component[]> {
  const { extract } = await import("tar-stream");
  const found: Component[] = [];
  for (const layer of image.layers) {
    const { mediaType } = layer.descriptor;
    const packed = mediaType === mediaTypes.layerGzip;
    if (!packed && mediaType !== mediaTypes.layerZstd && mediaType !== mediaTypes.layer) continue;
    const source = mediaType === mediaTypes.layerZstd ? unzstd(layer.open(), layer.descriptor.digest) : layer.open();
    const bytes = Readable.from(source, { objectMode: false });
    const members = extract();
    const fail = (error: Error) => members.destroy(error);
    const tar = packed ? bytes.once("error", fail).pipe(createGunzip()) : bytes;
    tar.once("error", fail).pipe(members);
    for await (const member of members) {
      const { name, size = 0 } = member.header;
      if (!STATUS.test(name) || name.endsWith(".md5sums") || size > MAX_STATUS) {
        member.resume();
        continue;
      }
      const parts: Uint8Array[] = [];
      for await (const chunk of member) parts.push(chunk as Uint8Array);
      found.push(...component(Buffer.concat(parts).toString()));
    }
  }
  return found.sort((a, b) => (a.purl < b.purl ? -1 : 1));
}

function component(control: string): Component[] {
  const field = (name: string) => new RegExp(`^${name}: *(.+)$`, "m").exec(control)?.[1]?.trim();
  const name = field("Package");
  const version = field("Version");
  const architecture = field("Architecture");
  if (name === undefined || version === undefined) return [];
  const encoded = encodeURIComponent(version).replaceAll("%3A", ":");
  return [{ purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encoded}?arch=${architecture}`, name, version }];
}
