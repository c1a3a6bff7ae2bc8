import type { Context } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { bestPlatform, formatPlatform, formatPlatforms, type Platform } from "../../image/platform.ts";
import type { Artifact } from "../../image/types.ts";
import type { Output, Store } from "../types.ts";
import { type CopyOptions, RegistryClient } from "./client.ts";
import { checkPlatform } from "./pull.ts";

/**
 * Copies from a store to a store. Every manifest keeps its bytes, so no digest changes. Between
 * registries this also holds for indexes in indexes and artifacts, and blobs of one registry are
 * mounted rather than moved.
 * @throws SlimError `NOT_FOUND`, `PLATFORM`, `CONFIG`, or what the stores throw
 */
export async function copy(
  context: Context,
  from: { readonly store: Store; readonly ref?: string },
  to: { readonly store: Store; readonly refs: readonly string[] },
  options: CopyOptions = {},
): Promise<readonly Output[]> {
  if (from.store instanceof RegistryClient && to.store instanceof RegistryClient && from.ref !== undefined) {
    return to.store.copyFrom(context, from.store, from.ref, to.refs, options);
  }
  if (options.referrers === true) {
    throw new SlimError("CONFIG", "referrers are only copied from registry to registry");
  }
  const artifact =
    from.store instanceof RegistryClient
      ? await from.store.read(context, from.ref, options.platform)
      : chooseImage(await from.store.read(context, from.ref), options.platform, from.ref);
  if (to.store instanceof RegistryClient) return to.store.push(context, artifact, to.refs, options);
  return [await to.store.write(context, artifact, to.refs)];
}

/**
 * The image for a platform, or all there is when none is asked for.
 * @throws SlimError `PLATFORM`
 */
export function chooseImage(artifact: Artifact, platform: Platform | undefined, where?: string): Artifact {
  if (platform === undefined) return artifact;
  if (artifact.kind === "image") {
    checkPlatform(artifact.config, platform, where);
    return artifact;
  }
  const offered = artifact.index.manifests.map((one) => one.platform);
  const image = artifact.images[bestPlatform(offered, platform) ?? -1];
  if (image !== undefined) return image;
  throw new SlimError("PLATFORM", `holds no image for ${formatPlatform(platform)}`, {
    where,
    hint: `there is ${formatPlatforms(offered)}`,
  });
}
