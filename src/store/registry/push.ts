import { type Digest, isDigest } from "../../image/digest.ts";
import type { Blob } from "../../image/types.ts";
import { inParallel } from "./parallel.ts";
import { hasCode, isRecord, problemOf } from "./problem.ts";
import { linkReferrer } from "./referrers.ts";
import { isStoredWrong, once, type RemoteBlob, type Repository } from "./repository.ts";
import type { Answer } from "./transport.ts";
import type { Tree } from "./tree.ts";
import { uploadBlob } from "./upload.ts";

/** What a push did. */
export interface PushCounts {
  readonly uploadedBytes: number;
  readonly uploadedBlobs: number;
  readonly mountedBlobs: number;
  readonly skippedBlobs: number;
}

interface Work {
  readonly repository: Repository;
  /** Repositories of the same registry that may have blobs, best first. */
  readonly mountFrom: readonly string[];
  readonly parallel: number;
  readonly counts: { -readonly [K in keyof PushCounts]: PushCounts[K] };
}

/** Once as HEAD says, once with what the registry then misses, once with everything. */
const PASSES = 3;
/** Layers that may not be passed on; a registry takes a manifest without them. */
const FOREIGN = /^application\/vnd\.(?:docker\.image\.rootfs\.foreign\.|oci\.image\.layer\.nondistributable\.)/;

/**
 * Pushes a tree: layers, configs, the manifests below, the manifest itself, by its tags or else its
 * digest. Idempotent: only what the registry lacks is sent. A tag is set only when everything below
 * it stands; no error means that it does.
 * @throws SlimError as Session.request, `INTEGRITY`, or what opening a blob throws
 */
export async function pushTree(
  repository: Repository,
  tree: Tree,
  tags: readonly string[],
  options: { readonly mountFrom: readonly string[]; readonly parallel: number },
): Promise<PushCounts> {
  const counts = { uploadedBytes: 0, uploadedBlobs: 0, mountedBlobs: 0, skippedBlobs: 0 };
  const work: Work = { repository, counts, ...options };
  await pushBlobs(work, tree, new Set());
  for (let pass = 1; ; pass += 1) {
    try {
      await pushManifests(work, tree, tags);
      return counts;
    } catch (error) {
      const missing = missingBlobs(error);
      if (missing === undefined || pass === PASSES) throw error;
      // Caches in front of a registry's storage can say that a blob is there which is gone
      // (https://github.com/distribution/distribution/issues/3743): now it is sent, whatever HEAD says.
      await pushBlobs(work, tree, pass === 1 ? missing : "all");
    }
  }
}

async function pushBlobs(work: Work, tree: Tree, missing: ReadonlySet<Digest> | "all"): Promise<void> {
  const [layers, configs] = blobsOf(tree);
  for (const blobs of [layers, configs]) {
    await inParallel(work.repository.context, work.parallel, [...blobs.values()], (context, blob) => {
      const sendAnyway = missing === "all" || missing.has(blob.descriptor.digest);
      return pushBlob(work, work.repository.with(context), blob, sendAnyway);
    });
  }
}

async function pushBlob(work: Work, repository: Repository, blob: Blob, sendAnyway: boolean): Promise<void> {
  const { counts } = work;
  const { digest, size } = blob.descriptor;
  if (!sendAnyway && (await repository.hasBlob(digest))) {
    counts.skippedBlobs += 1;
    return;
  }
  const from = sendAnyway ? undefined : await mountSource(work, repository, blob);
  if ((await uploadBlob(repository, blob, from)) === "mounted") {
    counts.mountedBlobs += 1;
    return;
  }
  counts.uploadedBlobs += 1;
  counts.uploadedBytes += size;
}

/** A repository of the same registry to mount from: where the blob comes from, else the first that has it. */
async function mountSource(work: Work, repository: Repository, blob: Blob): Promise<string | undefined> {
  const { host } = repository.session;
  const { origin } = blob as Partial<RemoteBlob>;
  if (origin !== undefined && origin.host === host && origin.repository !== repository.name) return origin.repository;
  const candidates = work.mountFrom.filter((name) => name !== repository.name);
  if (candidates.length < 2) return candidates[0];
  for (const name of candidates) {
    const there = await repository.sibling(name).hasBlob(blob.descriptor.digest).catch(ignoreRefusal);
    if (there === true) return name;
  }
  return undefined;
}

function ignoreRefusal(error: unknown): false {
  if (problemOf(error) === undefined) throw error;
  return false;
}

/** Every blob once, in the order of the manifests. */
function blobsOf(tree: Tree): readonly [ReadonlyMap<Digest, Blob>, ReadonlyMap<Digest, Blob>] {
  const layers = new Map<Digest, Blob>();
  const configs = new Map<Digest, Blob>();
  const visit = ({ blobs, children }: Tree) => {
    for (const [index, blob] of blobs.entries()) {
      const { digest, mediaType } = blob.descriptor;
      if (FOREIGN.test(mediaType)) continue;
      const kind = index === blobs.length - 1 ? configs : layers;
      if (!kind.has(digest)) kind.set(digest, blob);
    }
    for (const child of children) visit(child);
  };
  visit(tree);
  for (const digest of layers.keys()) configs.delete(digest);
  return [layers, configs];
}

async function pushManifests(work: Work, tree: Tree, tags: readonly string[]): Promise<void> {
  const { repository } = work;
  const children = new Map(tree.children.map((child) => [child.descriptor.digest, child]));
  await inParallel(repository.context, work.parallel, [...children.values()], async (context, child) => {
    await pushManifests({ ...work, repository: repository.with(context) }, child, []);
  });
  for (const name of tags.length === 0 ? [tree.descriptor.digest] : tags) {
    await linkReferrer(repository, tree, await putManifest(repository, tree, name));
  }
}

/**
 * Sets a tag, or stores a manifest by its digest. Where it stands already nothing is sent, so that a
 * second push works where tags cannot be moved (ECR, Harbor).
 */
async function putManifest(
  repository: Repository,
  { descriptor, bytes }: Tree,
  name: string,
): Promise<Answer | undefined> {
  const backoff = repository.backoff();
  for (;;) {
    if ((await repository.headManifest(name))?.digest === descriptor.digest) return undefined;
    try {
      const answer = await repository.request("PUT", `manifests/${name}`, {
        headers: { "content-type": descriptor.mediaType },
        body: { size: bytes.length, open: () => once(bytes) },
        doing: `push the manifest ${name}`,
      });
      repository.checkDigest(answer, descriptor.digest);
      // The specification demands this header. Who does not send it may be no registry.
      const proved = answer.headers.get("docker-content-digest") !== null;
      if (proved || (await repository.headManifest(name))?.digest === descriptor.digest) return answer;
      throw repository.notStored(name);
    } catch (error) {
      if (!isStoredWrong(error)) throw error;
      await backoff.wait(repository.context, error);
    }
  }
}

/** The blobs that a registry misses when it refuses a manifest, or undefined when that is not why. */
function missingBlobs(error: unknown): ReadonlySet<Digest> | "all" | undefined {
  if (!hasCode(error, "MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN")) return undefined;
  const named = (problemOf(error)?.errors ?? []).flatMap(({ detail }) => {
    const text = isRecord(detail) ? (detail.digest ?? detail.Digest) : detail;
    return typeof text === "string" ? (text.match(/sha(?:256|512):[a-f0-9]+/g) ?? []) : [];
  });
  return named.length === 0 ? "all" : new Set(named.filter(isDigest));
}
