import { SlimError } from "../../base/error.ts";
import { type Digest, digestOf, splitDigest } from "../../image/digest.ts";
import { type Descriptor, type Index, type Manifest, mediaTypes } from "../../image/types.ts";
import { problemOf } from "./problem.ts";
import { once, type Repository } from "./repository.ts";
import type { Answer } from "./transport.ts";
import { isIndex, parseManifest, type Tree } from "./tree.ts";

/** Pages of referrers that are read; a registry that has more to say is not telling the truth. */
const PAGES = 1000;
/** Answers of registries that do not have the referrers API. */
const WITHOUT_API = [400, 404, 405, 406, 501];

/**
 * What refers to a manifest: by the API, or the fallback tag where there is none. Sorted as the
 * registry has it.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 * @throws as Session.request
 */
export async function listReferrers(
  repository: Repository,
  subject: Digest,
  artifactType?: string,
): Promise<readonly Descriptor[]> {
  const listed = (await byApi(repository, subject, artifactType)) ?? (await byTag(repository, subject)).manifests;
  // A registry that does not filter says so by silence.
  return artifactType === undefined ? listed : listed.filter((one) => one.artifactType === artifactType);
}

/** Whether a repository's registry has the referrers API. */
export async function hasReferrersApi(repository: Repository, subject: Digest): Promise<boolean> {
  return (await byApi(repository, subject)) !== undefined;
}

/**
 * Visits what refers to the given manifests, and what refers to that, each once.
 * @throws as Session.request, or what `visit` throws
 */
export async function eachReferrer(
  repository: Repository,
  subjects: readonly Digest[],
  visit: (digest: Digest) => Promise<readonly Digest[]>,
): Promise<void> {
  const seen = new Set(subjects);
  const queue = [...subjects];
  for (let subject = queue.shift(); subject !== undefined; subject = queue.shift()) {
    for (const { digest } of await listReferrers(repository, subject)) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      queue.push(...(await visit(digest)));
    }
  }
}

/**
 * Makes sure that a manifest that was pushed is found from its subject. A registry that does so by
 * itself says so in its answer; elsewhere the fallback tag is extended.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
 * @param answer what the registry said when it took the manifest; undefined when it had it already
 * @throws as Session.request
 */
export async function linkReferrer(repository: Repository, tree: Tree, answer: Answer | undefined): Promise<void> {
  const { subject } = tree.content;
  if (subject === undefined || answer?.headers.get("oci-subject") != null) return;
  if (await hasReferrersApi(repository, subject.digest)) return;
  const referrer = referrerOf(tree);
  const tag = fallbackTag(subject.digest);
  const backoff = repository.backoff();
  for (;;) {
    const { manifests, etag, content } = await byTag(repository, subject.digest);
    if (manifests.some(({ digest }) => digest === referrer.digest)) return;
    const index: Index = {
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      ...content,
      manifests: [...manifests, referrer],
    };
    const bytes = Buffer.from(JSON.stringify(index));
    try {
      await repository.request("PUT", `manifests/${tag}`, {
        headers: { "content-type": mediaTypes.index, ...(etag === undefined ? {} : { "if-match": etag }) },
        body: { size: bytes.length, open: () => once(bytes) },
        doing: `extend the referrers at ${tag}`,
      });
      // Others may extend it at the same time, and few registries heed If-Match: the next turn looks again.
    } catch (error) {
      if (problemOf(error)?.status !== 412) throw error;
      await backoff.wait(repository.context, error);
    }
  }
}

/** The descriptor by which a manifest is listed: its type and annotations are lifted out of it. */
function referrerOf({ descriptor, content }: Tree): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const artifactType = content.artifactType || (isIndex(content) ? undefined : content.config.mediaType);
  const { annotations } = content;
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** `sha256-<hex>`, cut to what a tag may have. */
function fallbackTag(subject: Digest): string {
  const { algorithm, hex } = splitDigest(subject);
  return `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}`;
}

/** The empty content that stands for a config or layers that an artifact does not have. */
export const emptyBytes = Buffer.from("{}");
export const emptyDescriptor: Descriptor = {
  mediaType: "application/vnd.oci.empty.v1+json",
  digest: digestOf(emptyBytes),
  size: emptyBytes.length,
};

async function byApi(
  repository: Repository,
  subject: Digest,
  artifactType?: string,
): Promise<readonly Descriptor[] | undefined> {
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found: Descriptor[] = [];
  let to: string | URL = `referrers/${subject}${query}`;
  for (let page = 0; page < PAGES; page += 1) {
    const answer: Answer = await repository.request("GET", to, {
      headers: { accept: mediaTypes.index },
      doing: `list what refers to ${subject}`,
      accept: WITHOUT_API,
      limit: 4 * 1024 * 1024,
    });
    // Some servers answer every path, with a page for people.
    const isList = answer.status === 200 && answer.headers.get("content-type")?.startsWith(mediaTypes.index);
    if (!isList) return page === 0 ? undefined : found;
    found.push(...indexIn(answer.bytes, repository.where).manifests);
    const next = nextPage(answer.headers.get("link"));
    if (next === undefined) return found;
    to = repository.session.transport.follow(next, answer.url);
  }
  return found;
}

/** RFC 8288: `</v2/name/referrers/...?last=...>; rel="next"`. */
function nextPage(link: string | null): string | undefined {
  return /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? "")?.[1];
}

interface Listed {
  readonly manifests: readonly Descriptor[];
  readonly etag?: string;
  readonly content?: Index;
}

async function byTag(repository: Repository, subject: Digest): Promise<Listed> {
  const got = await repository.getManifest(fallbackTag(subject));
  // GitLab takes the tag for the digest it looks like, and gives the subject itself:
  // https://github.com/oras-project/oras-go/issues/1396
  if (got === undefined || digestOf(got.bytes) === subject) return { manifests: [] };
  const content = indexIn(got.bytes, `${repository.where}:${fallbackTag(subject)}`);
  return { manifests: content.manifests, content, ...(got.etag === null ? {} : { etag: got.etag }) };
}

function indexIn(bytes: Uint8Array, where: string): Index {
  const content: Manifest | Index = parseManifest(bytes, mediaTypes.index, where).content;
  if (!isIndex(content)) throw new SlimError("INVALID", "the list of referrers is not an index", { where });
  return content;
}
