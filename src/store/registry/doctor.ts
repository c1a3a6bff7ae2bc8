import { SlimError } from "../../base/error.ts";
import { type Digest, digestOf } from "../../image/digest.ts";
import { mediaTypes } from "../../image/types.ts";
import { hasCode, problemOf } from "./problem.ts";
import { emptyDescriptor, hasReferrersApi } from "./referrers.ts";
import { once, type Repository } from "./repository.ts";
import { isIndex, parseManifest } from "./tree.ts";

/** One question that was put to a registry. */
export interface Finding {
  readonly name: "connect" | "credentials" | "pull" | "push" | "mount" | "chunked" | "referrers" | "zstd";
  /** Undefined where it could not be found out. */
  readonly works: boolean | undefined;
  /** What was seen, in words; never a secret. */
  readonly detail: string;
  readonly hint?: string;
}

export interface Diagnosis {
  readonly host: string;
  readonly repository: string;
  /** The address that is really talked to. */
  readonly endpoint?: string;
  readonly authentication?: "none" | "basic" | "bearer";
  /** Where the credentials come from, or undefined for an anonymous caller. */
  readonly credentials?: string;
  /** What the registry's token allows, where it can be read. */
  readonly scopes?: readonly string[];
  readonly findings: readonly Finding[];
}

/**
 * Finds out what works with a repository, step by step, and stops where nothing more can be learned.
 * Uploads that it begins are deleted; no manifest, tag or blob is left behind.
 * @throws SlimError `ABORTED` only: failures are findings
 */
export async function diagnose(repository: Repository, tagOrDigest: string): Promise<Diagnosis> {
  const { session, context, name } = repository;
  const findings: Finding[] = [];
  const about = { host: session.host, repository: name, findings };
  const ask = async <T>(what: Finding["name"], question: () => Promise<T>, good: (result: T) => Finding) => {
    try {
      const result = await question();
      findings.push(good(result));
      return result;
    } catch (error) {
      if (context.signal.aborted || !(error instanceof SlimError)) throw error;
      findings.push({ name: what, works: false, detail: error.message, ...(error.hint && { hint: error.hint }) });
      return undefined;
    }
  };

  const greeting = await ask(
    "connect",
    () => session.greet(context),
    ({ base, status }) => {
      return { name: "connect", works: true, detail: `${base.origin} answers ${status} at /v2/` };
    },
  );
  const source = await ask(
    "credentials",
    () => session.source(context, name),
    (found) => {
      return { name: "credentials", works: true, detail: found ?? "none found: anonymous" };
    },
  );
  const credentials = source === undefined ? {} : { credentials: source };
  if (greeting === undefined) return { ...about, ...credentials };
  const authentication = (greeting.challenge?.scheme ?? "none") as "none" | "basic" | "bearer";

  const reader = repository.sibling(name);
  const found = await ask(
    "pull",
    () => reader.getManifest(tagOrDigest),
    (manifest) => {
      const seen =
        manifest === undefined ? `allowed, but there is no ${tagOrDigest} yet` : `${digestOf(manifest.bytes)}`;
      return { name: "pull", works: true, detail: seen };
    },
  );
  const upload = await ask(
    "push",
    () => tryUpload(repository),
    () => {
      return { name: "push", works: true, detail: "an upload could be begun" };
    },
  );
  if (upload !== undefined) {
    findings.push(upload);
    const layer = found && (await firstBlob(reader, found.bytes).catch(() => undefined));
    if (layer === undefined) {
      findings.push({ name: "mount", works: undefined, detail: "needs an image in the repository to try with" });
    } else {
      await ask(
        "mount",
        () => tryMount(repository, layer),
        (works) => {
          return {
            name: "mount",
            works,
            detail: works ? "a blob was mounted" : "mounts are refused: blobs are sent instead",
          };
        },
      );
    }
    await ask(
      "zstd",
      () => tryZstd(repository),
      (finding) => finding,
    );
  }
  const subject = found === undefined ? emptyDescriptor.digest : digestOf(found.bytes);
  await ask(
    "referrers",
    () => hasReferrersApi(reader, subject),
    (api) => {
      const detail = api ? "the referrers API is there" : "no referrers API: the fallback tag is used";
      return { name: "referrers", works: api, detail };
    },
  );
  const scopes = await session.grantedScopes(context, repository.scopes, name).catch(() => undefined);
  return {
    ...about,
    ...credentials,
    endpoint: greeting.base.origin,
    authentication,
    ...(scopes === undefined ? {} : { scopes }),
  };
}

/** Begins an upload, sends two pieces, and takes it all back. */
async function tryUpload(repository: Repository): Promise<Finding> {
  const begun = await repository.request("POST", "blobs/uploads/", {
    headers: { "content-length": "0" },
    doing: "begin an upload",
  });
  const follow = (location: string | null, from: URL) =>
    location === null ? from : repository.session.transport.follow(location, from);
  let place = follow(begun.headers.get("location"), begun.url);
  const size = Math.max(Number(begun.headers.get("oci-chunk-min-length")) || 1, 1);
  try {
    if (size > 1024 * 1024) {
      return { name: "chunked", works: true, detail: `pieces of at least ${size} bytes are asked for` };
    }
    for (const start of [0, size]) {
      const piece = Buffer.alloc(size);
      const answer = await repository.request("PATCH", place, {
        headers: { "content-type": "application/octet-stream", "content-range": `${start}-${start + size - 1}` },
        body: { size, open: () => once(piece) },
        doing: "send a piece of a blob",
        again: false,
      });
      place = follow(answer.headers.get("location"), answer.url);
      const last = /0-(\d+)$/.exec(answer.headers.get("range") ?? "")?.[1];
      if (last !== undefined && Number(last) !== start + size - 1) {
        return { name: "chunked", works: false, detail: "pieces after the first are lost: blobs are sent whole" };
      }
    }
    return { name: "chunked", works: true, detail: "a blob may be sent in pieces" };
  } catch (error) {
    if (problemOf(error) === undefined) throw error;
    return { name: "chunked", works: false, detail: `pieces are refused: ${(error as SlimError).message}` };
  } finally {
    await withdraw(repository, place);
  }
}

/** Mounts a blob from the repository to itself: where that works, mounts do, and nothing has changed. */
async function tryMount(repository: Repository, digest: Digest): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from: repository.name });
  const answer = await repository.request("POST", `blobs/uploads/?${query}`, {
    headers: { "content-length": "0" },
    doing: "mount a blob",
    accept: [400, 404, 405],
  });
  const location = answer.headers.get("location");
  if (answer.status === 202 && location !== null) {
    await withdraw(repository, repository.session.transport.follow(location, answer.url));
  }
  return answer.status === 201;
}

/** Offers an image whose zstd layer is not there: a registry that minds the layer's absence takes its type. */
async function tryZstd(repository: Repository): Promise<Finding> {
  const absent = digestOf("slim doctor: a layer that was never pushed");
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { ...emptyDescriptor, mediaType: mediaTypes.config },
    layers: [{ mediaType: mediaTypes.layerZstd, digest: absent, size: 64 }],
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  try {
    await repository.request("PUT", `manifests/${digest}`, {
      headers: { "content-type": mediaTypes.manifest },
      body: { size: bytes.length, open: () => once(bytes) },
      doing: "offer a zstd layer",
    });
  } catch (error) {
    const problem = problemOf(error);
    if (problem === undefined || problem.status === 401 || problem.status === 403) throw error;
    const works = hasCode(error, "MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN") || problem.status === 404;
    return { name: "zstd", works, detail: works ? "zstd layers are taken" : (error as SlimError).message };
  }
  await repository.request("DELETE", `manifests/${digest}`, { doing: "delete a manifest" }).catch(() => {});
  return { name: "zstd", works: true, detail: "zstd layers are taken" };
}

async function withdraw(repository: Repository, place: URL): Promise<void> {
  await repository.request("DELETE", place, { doing: "delete an upload", again: false, accept: [404] }).catch(() => {});
}

/** A blob that is in the repository: of the manifest, or of the first one in an index. */
async function firstBlob(repository: Repository, bytes: Uint8Array): Promise<Digest | undefined> {
  const { content } = parseManifest(bytes, null, repository.where);
  if (!isIndex(content)) return content.config.digest;
  const child = content.manifests[0] && (await repository.getManifest(content.manifests[0].digest));
  const image = child && parseManifest(child.bytes, null, repository.where).content;
  return image === undefined || isIndex(image) ? undefined : image.config.digest;
}
