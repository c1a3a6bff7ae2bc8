import { throwIfAborted } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { redactUrl } from "../../base/http.ts";
import type { Blob } from "../../image/types.ts";
import { isWorthTrying } from "./backoff.ts";
import { hasCode, problemOf, refusal } from "./problem.ts";
import { isStoredWrong, once, type Repository } from "./repository.ts";
import type { Answer } from "./transport.ts";

/**
 * How the bytes of a blob go up.
 * - `whole`: one PUT. What most registries like best, and Artifact Registry demands
 *   (https://cloud.google.com/artifact-registry/docs/reference/docker-api).
 * - `stream`: one PATCH, then an empty PUT, as Docker does it. Old Artifactory takes nothing else
 *   (https://github.com/containerd/containerd/issues/3533).
 * - a number: PATCHes of so many bytes. For proxies that limit a request.
 */
type Way = "whole" | "stream" | number;

/** The first size of pieces when a body was too large. Four are held in memory at once. */
const PIECE = 8 * 1024 * 1024;
/** nginx takes this much unless it is told otherwise; nothing takes less. */
const SMALLEST = 1024 * 1024;
/** A registry may demand larger pieces, but not larger than this. */
const LARGEST = 64 * 1024 * 1024;
/** How long a farewell may hold up the end, in milliseconds. */
const FAREWELL = 2000;

/** Where an upload goes on, and what the registry demands of pieces. */
interface Place {
  readonly location: URL;
  readonly least: number;
  readonly most: number;
}

/**
 * Brings a blob into a repository, by mounting it from `from` where that is given and granted.
 * An upload that breaks off is begun again; one that is given up is deleted. The blob is opened only
 * when its bytes are needed.
 * @throws SlimError as Session.request, `INTEGRITY`, or what opening the blob throws
 */
export async function uploadBlob(
  repository: Repository,
  blob: Blob,
  from: string | undefined,
): Promise<"mounted" | "uploaded"> {
  const begun = from === undefined ? await begin(repository) : await mount(repository, blob, from);
  if (begun === "mounted") return "mounted";
  await sendBlob(repository, blob, begun);
  return "uploaded";
}

async function sendBlob(repository: Repository, blob: Blob, begun: Place): Promise<void> {
  const { context } = repository;
  const { digest, size } = blob.descriptor;
  context.report({ type: "send", what: `${repository.where}@${digest}`, bytes: size });
  const backoff = repository.backoff();
  let way: Way = "whole";
  let lost = 0;
  for (let place = begun; ; place = await begin(repository)) {
    way = firstWay(way, blob, place);
    try {
      repository.checkDigest(await send(repository, blob, place, way), digest);
      return;
    } catch (error) {
      await abandon(repository, place.location);
      throwIfAborted(context.signal);
      const other = nextWay(error, way, place);
      if (other !== undefined) {
        way = other;
        continue;
      }
      // A session that is not known was lost; twice, and it is this way that is not known.
      const isLost = problemOf(error)?.status === 404;
      if (isLost) lost += 1;
      if (lost > 1 && way === "whole") way = "stream";
      if (!isLost && !isWorthTrying(error) && !isMangled(error)) throw error;
      await backoff.wait(context, error);
      // It may be that only the answer was lost.
      if (isWorthTrying(error) && (await repository.hasBlob(digest))) return;
    }
  }
}

/** Damage on the way that the registry noticed, or a digest that the answer got wrong: worth sending again. */
function isMangled(error: unknown): boolean {
  return isStoredWrong(error) || hasCode(error, "DIGEST_INVALID", "SIZE_INVALID");
}

async function begin(repository: Repository): Promise<Place> {
  const answer = await repository.request("POST", "blobs/uploads/", {
    headers: { "content-length": "0" },
    doing: "begin an upload",
  });
  return placeOf(repository, answer);
}

/**
 * Asks for a mount. Whatever goes wrong, the blob can still be sent: Docker Hub answers 400
 * (https://github.com/google/go-containerregistry/issues/1741), Harbor 401 and 404 for a project that
 * is not there (https://github.com/goharbor/harbor/issues/17097).
 */
async function mount(repository: Repository, blob: Blob, from: string): Promise<Place | "mounted"> {
  const query = new URLSearchParams({ mount: blob.descriptor.digest, from });
  let answer: Answer;
  try {
    answer = await repository.request("POST", `blobs/uploads/?${query}`, {
      headers: { "content-length": "0" },
      scopes: [`repository:${from}:pull`],
      doing: `mount from ${from}`,
    });
  } catch (error) {
    if (repository.context.signal.aborted || problemOf(error) === undefined) throw error;
    return begin(repository);
  }
  if (answer.status === 201) return "mounted";
  return placeOf(repository, answer);
}

function placeOf(repository: Repository, answer: Answer, before?: Place): Place {
  const location = answer.headers.get("location");
  if (location === null) {
    if (before !== undefined) return before;
    throw new SlimError("REGISTRY", "the registry does not say where the upload goes on", {
      where: redactUrl(answer.url.href),
    });
  }
  return {
    location: repository.session.transport.follow(location, answer.url),
    least: headerNumber(answer, "oci-chunk-min-length") ?? before?.least ?? 0,
    // Not in the specification yet: https://github.com/opencontainers/distribution-spec/pull/486
    most: headerNumber(answer, "oci-chunk-max-length") ?? before?.most ?? Number.POSITIVE_INFINITY,
  };
}

function headerNumber(answer: Answer, name: string): number | undefined {
  const value = Number(answer.headers.get(name) ?? Number.NaN);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function send(repository: Repository, blob: Blob, place: Place, way: Way): Promise<Answer> {
  if (way === "whole") return sendWhole(repository, blob, place);
  return way === "stream" ? sendStream(repository, blob, place) : sendPieces(repository, blob, place, way);
}

function sendWhole(repository: Repository, blob: Blob, { location }: Place): Promise<Answer> {
  return repository.request("PUT", withDigest(location, blob), {
    headers: { "content-type": "application/octet-stream" },
    body: { size: blob.descriptor.size, open: () => blob.open() },
    doing: "send a blob",
    again: false,
  });
}

async function sendStream(repository: Repository, blob: Blob, place: Place): Promise<Answer> {
  const answer = await repository.request("PATCH", place.location, {
    headers: { "content-type": "application/octet-stream" },
    body: { size: blob.descriptor.size, open: () => blob.open() },
    doing: "send a blob",
    again: false,
  });
  return finish(repository, blob, placeOf(repository, answer, place));
}

async function sendPieces(repository: Repository, blob: Blob, begun: Place, size: number): Promise<Answer> {
  let place = begun;
  let offset = 0;
  for await (const piece of pieces(blob.open(), size)) {
    const end = offset + piece.length;
    // 202 by the specification, 201 from ECR (https://github.com/openai/tart/issues/273), 204 from Pulp
    // (https://github.com/pulp/pulp_container/issues/2199).
    const answer = await repository.request("PATCH", place.location, {
      headers: { "content-type": "application/octet-stream", "content-range": `${offset}-${end - 1}` },
      body: { size: piece.length, open: () => once(piece) },
      doing: "send a piece of a blob",
      again: false,
    });
    // ECR takes the second piece and drops it: https://github.com/aws/containers-roadmap/issues/2831
    const last = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.get("range") ?? "")?.[1];
    if (last !== undefined && Number(last) + 1 !== end) {
      throw refusal({ ...answer, status: 416 }, `send a blob in pieces: of ${end} bytes ${Number(last) + 1} arrived`, {
        host: repository.session.host,
        credentials: undefined,
      });
    }
    offset = end;
    place = placeOf(repository, answer, place);
  }
  return finish(repository, blob, place);
}

function finish(repository: Repository, blob: Blob, { location }: Place): Promise<Answer> {
  return repository.request("PUT", withDigest(location, blob), {
    headers: { "content-type": "application/octet-stream", "content-length": "0" },
    doing: "finish a blob",
    again: false,
  });
}

/** The location as the registry wrote it, with the digest added: its own query may be signed. */
function withDigest(location: URL, blob: Blob): URL {
  const url = new URL(location);
  const digest = `digest=${encodeURIComponent(blob.descriptor.digest)}`;
  url.search = url.search === "" ? digest : `${url.search.slice(1)}&${digest}`;
  return url;
}

/** A limit on pieces that the registry names before anything is sent. */
function firstWay(way: Way, blob: Blob, { least, most }: Place): Way {
  if (way === "whole" && blob.descriptor.size > most) return pieceSize(most, least);
  return typeof way === "number" ? pieceSize(Math.min(way, most), least) : way;
}

function pieceSize(wanted: number, least: number): number {
  return Math.min(Math.max(wanted, least, 1), LARGEST);
}

/** Another way, when the registry or a proxy refuses this one for what it is. */
function nextWay(error: unknown, way: Way, { least }: Place): Way | undefined {
  const status = problemOf(error)?.status;
  if (status === undefined || isMangled(error)) return undefined;
  // GHCR's limit for a PATCH is 4 MiB, and it says 416: https://github.com/oras-project/rust-oci-client/issues/35
  if (status === 413 || (status === 416 && typeof way === "number")) {
    const size = pieceSize(typeof way === "number" ? Math.floor(way / 2) : PIECE, least);
    const tooSmall = typeof way === "number" && (size >= way || way <= SMALLEST);
    return tooSmall ? undefined : size;
  }
  if (way === "whole" && [400, 405, 411, 415, 416, 422, 501].includes(status)) return "stream";
  return undefined;
}

/** Pieces of exactly `size` bytes, but for the last. */
async function* pieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (length + rest.length >= size) {
      const part = rest.subarray(0, size - length);
      rest = rest.subarray(part.length);
      yield Buffer.concat([...held, part]);
      held = [];
      length = 0;
    }
    if (rest.length > 0) held.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(held);
}

/** Tells the registry that an upload will not go on. Nothing depends on its answer; a stopped caller waits shortly. */
async function abandon(repository: Repository, location: URL): Promise<void> {
  const context = { ...repository.context, signal: AbortSignal.timeout(FAREWELL) };
  await repository
    .with(context)
    .request("DELETE", location, { doing: "delete an upload", again: false, accept: [404] })
    .catch(() => {});
}
