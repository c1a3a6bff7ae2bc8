import path from "node:path";
import type { Image } from "../image/types.ts";
import { membersOf, uncompressed } from "./uncompressed.ts";

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
  const found = new Map<string, Component>();
  for (const layer of image.layers) {
    const tar = uncompressed(layer);
    if (tar === undefined) continue;
    for await (const member of await membersOf(tar)) {
      const { name, size = 0 } = member.header;
      if (!STATUS.test(name) || name.endsWith(".md5sums") || size > MAX_STATUS) {
        member.resume();
        continue;
      }
      const parts: Uint8Array[] = [];
      for await (const chunk of member) parts.push(chunk as Uint8Array);
      // A file of a higher layer hides that of a lower one.
      for (const one of component(Buffer.concat(parts).toString())) found.set(path.posix.basename(name), one);
    }
  }
  const each = new Map([...found.values()].map((one) => [one.purl, one]));
  return [...each.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
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
