import type { Context } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { type Digest, digestOf, isDigest, splitDigest, verified } from "../../image/digest.ts";
import type { Blob, Descriptor } from "../../image/types.ts";
import { Backoff, isWorthTrying } from "./backoff.ts";
import { mergeScopes, type RegistryRequest, type Scope, type Session } from "./session.ts";
import type { Answer } from "./transport.ts";
import { readable } from "./tree.ts";

/** Registries take manifests up to 4 MiB: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests */
const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** A blob whose place in a registry is known: it can be mounted from there. */
export interface RemoteBlob extends Blob {
  readonly origin: { readonly host: string; readonly repository: string };
}

/** One repository during one call: the requests of the distribution specification, one method each. */
export class Repository {
  readonly context: Context;
  readonly session: Session;
  readonly name: string;
  readonly scopes: readonly Scope[];

  constructor(context: Context, session: Session, name: string, use: "pull" | "push") {
    this.context = context;
    this.session = session;
    this.name = name;
    this.scopes = [`repository:${name}:${use === "pull" ? "pull" : "pull,push"}`];
  }

  /** `host/name`, for messages. */
  get where(): string {
    return `${this.session.host}/${this.name}`;
  }

  /** The same repository for other work, as a rule with a signal of its own. */
  with(context: Context): Repository {
    return new Repository(context, this.session, this.name, this.scopes[0]?.endsWith(":pull") ? "pull" : "push");
  }

  /** Another repository of the same registry, to read from. */
  sibling(name: string): Repository {
    return new Repository(this.context, this.session, name, "pull");
  }

  backoff(): Backoff {
    return new Backoff(this.session.transport.timing);
  }

  /** @throws as Session.request */
  request(
    method: RegistryRequest["method"],
    to: string | URL,
    request: Omit<RegistryRequest, "method" | "to" | "scopes" | "repository"> & { readonly scopes?: readonly Scope[] },
  ): Promise<Answer> {
    const scopes = mergeScopes([...this.scopes, ...(request.scopes ?? [])]);
    const url = typeof to === "string" ? `/v2/${this.name}/${to}` : to;
    return this.session.request(this.context, { ...request, method, to: url, repository: this.name, scopes });
  }

  /** What a tag or digest stands for, or undefined. A registry that answers no HEAD is asked by GET. */
  async headManifest(tagOrDigest: string): Promise<Partial<Descriptor> | undefined> {
    const answer = await this.request("HEAD", `manifests/${tagOrDigest}`, {
      headers: { accept: readable.join(", ") },
      doing: `find ${tagOrDigest}`,
      accept: [400, 404, 405],
    });
    if (answer.status === 404) return undefined;
    const digest = answer.headers.get("docker-content-digest");
    if (answer.status !== 200 || !isDigest(digest)) {
      const got = await this.getManifest(tagOrDigest);
      return got && { digest: digestOf(got.bytes), size: got.bytes.length, ...typeOf(got.type) };
    }
    const size = Number(answer.headers.get("content-length") ?? Number.NaN);
    const sized = Number.isSafeInteger(size) && size > 0 ? { size } : {};
    return { digest, ...sized, ...typeOf(answer.headers.get("content-type")) };
  }

  /**
   * The bytes of a manifest, checked against the digest that was asked for and the one that the
   * registry names; undefined when there is none.
   * @throws SlimError `INTEGRITY`, or as Session.request
   */
  async getManifest(
    tagOrDigest: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly type: string | null; readonly etag: string | null } | undefined> {
    const answer = await this.request("GET", `manifests/${tagOrDigest}`, {
      headers: { accept: readable.join(", ") },
      doing: `read ${tagOrDigest}`,
      accept: [404],
      limit: MANIFEST_LIMIT,
    });
    if (answer.status === 404) return undefined;
    const { bytes, headers } = answer;
    const where = `${this.where}${isDigest(tagOrDigest) ? "@" : ":"}${tagOrDigest}`;
    for (const promised of [tagOrDigest, headers.get("docker-content-digest")]) {
      if (isDigest(promised)) for await (const _ of verified(once(bytes), { digest: promised }, where));
    }
    return { bytes, type: headers.get("content-type"), etag: headers.get("etag") };
  }

  /**
   * Whether the registry has a blob here. Only a plain yes counts: what is refused here is asked for again by
   * the upload, whose answer has words in it.
   */
  async hasBlob(digest: Digest): Promise<boolean> {
    const answer = await this.request("HEAD", `blobs/${digest}`, {
      doing: `look for ${digest}`,
      accept: [400, 401, 403, 404, 405, 416],
    });
    return answer.status === 200;
  }

  /**
   * A blob that is fetched when it is opened, checked while it is read, and continued where it broke
   * off.
   */
  blob(descriptor: Descriptor): RemoteBlob {
    const origin = { host: this.session.host, repository: this.name };
    const where = `${this.where}@${descriptor.digest}`;
    return { descriptor, origin, open: () => verified(this.#download(descriptor), descriptor, where) };
  }

  async *#download({ digest, size }: Descriptor): AsyncGenerator<Uint8Array> {
    const { context } = this;
    const backoff = this.backoff();
    let offset = 0;
    context.report({ type: "fetch", what: `${this.where}@${digest}`, bytes: size });
    for (;;) {
      const before = offset;
      try {
        const answer = await this.request("GET", `blobs/${digest}`, {
          doing: `read ${digest}`,
          headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
          stream: true,
          accept: offset === 0 ? [] : [416],
        });
        if (answer.status === 416) throw this.#tooShort(offset, size);
        // 200 is the whole from its first byte, whatever was asked for.
        let skip = answer.status === 206 ? offset - rangeStart(answer) : offset;
        if (skip < 0) throw new SlimError("INTEGRITY", "the answer leaves out a part", { where: this.where });
        for await (const chunk of answer.stream ?? once(answer.bytes)) {
          const rest = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - rest.length;
          offset += rest.length;
          if (rest.length > 0) yield rest;
        }
        // A proxy may end a body early and call it complete.
        if (offset >= size) return;
        throw this.#tooShort(offset, size);
      } catch (error) {
        const short = error instanceof SlimError && error.code === "INTEGRITY" && offset < size;
        if (!short && !isWorthTrying(error)) throw error;
        if (offset > before) backoff.reset();
        await backoff.wait(context, error);
      }
    }
  }

  #tooShort(actual: number, promised: number): SlimError {
    return new SlimError("INTEGRITY", `has ${actual} bytes where ${promised} were promised`, { where: this.where });
  }

  /** A small blob in memory, checked. */
  async readBlob(descriptor: Descriptor): Promise<Uint8Array> {
    if (descriptor.size > MANIFEST_LIMIT) {
      throw new SlimError("INVALID", `a config of ${descriptor.size} bytes is larger than ${MANIFEST_LIMIT}`, {
        where: `${this.where}@${descriptor.digest}`,
      });
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.blob(descriptor).open()) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** @throws SlimError `INTEGRITY` when the registry says that it has stored something else; see isStoredWrong */
  checkDigest(answer: Answer, expected: Digest): void {
    const stored = answer.headers.get("docker-content-digest");
    if (!isDigest(stored) || splitDigest(stored).algorithm !== splitDigest(expected).algorithm) return;
    if (stored !== expected) {
      throw new SlimError("INTEGRITY", `the registry stored ${stored} instead of ${expected}`, {
        where: this.where,
        cause: storedWrong,
      });
    }
  }

  /** The failure of a registry that took a manifest and does not have it; see isStoredWrong. */
  notStored(name: string): SlimError {
    return new SlimError("REGISTRY", `the registry took the manifest ${name} but does not have it`, {
      where: this.where,
      cause: storedWrong,
    });
  }
}

const storedWrong = Symbol("stored wrong");

/** Whether a registry accepted something and then, by its own word, does not have it. Sent again, it may. */
export function isStoredWrong(error: unknown): boolean {
  return error instanceof SlimError && error.cause === storedWrong;
}

/** Where a partial answer begins. One that begins too late would leave a hole. */
function rangeStart(answer: Answer): number {
  const start = Number(/^bytes (\d+)-/.exec(answer.headers.get("content-range") ?? "")?.[1]);
  return Number.isSafeInteger(start) ? start : 0;
}

function typeOf(header: string | null): { readonly mediaType?: string } {
  const mediaType = header?.split(";")[0]?.trim();
  return mediaType === undefined || mediaType === "" ? {} : { mediaType };
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
