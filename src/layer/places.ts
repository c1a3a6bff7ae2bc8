import { imagesOf } from "../image/image.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import type { Artifact } from "../image/types.ts";
import type { Cache } from "./cache.ts";

/** Repositories that are remembered of one layer. */
const MOST = 8;

/** Repositories (`ghcr.io/owner/name`) where layers of an artifact were pushed to before, to be mounted from. */
export async function knownPlaces(cache: Cache, artifact: Artifact): Promise<readonly string[]> {
  const places = new Set<string>();
  for (const digest of layersOf(artifact)) {
    for (const place of (await cache.get<readonly string[]>("pushed", digest)) ?? []) places.add(place);
  }
  return [...places].sort();
}

/** Remembers that the layers of an artifact are now where these references lead. */
export async function rememberPlaces(cache: Cache, artifact: Artifact, refs: readonly string[]): Promise<void> {
  const pushed = refs.map((ref) => {
    const { host, repository } = parseReference(ref);
    return formatReference({ host, repository });
  });
  for (const digest of layersOf(artifact)) {
    const before = (await cache.get<readonly string[]>("pushed", digest)) ?? [];
    const places = [...new Set([...pushed, ...before])].slice(0, MOST);
    if (places.join(" ") !== before.join(" ")) await cache.put("pushed", digest, places);
  }
}

function layersOf(artifact: Artifact): ReadonlySet<string> {
  return new Set(imagesOf(artifact).flatMap((image) => image.layers.map(({ descriptor }) => descriptor.digest)));
}
