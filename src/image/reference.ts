import { SlimError } from "../base/error.ts";
import { type Digest, isDigest } from "./digest.ts";

/** The name of an image in a registry: `[host[:port]/]path[:tag][@digest]`. */
export interface Reference {
  /** Lower case, with its port where one was given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly host: string;
  /** The path below the host: `library/alpine`. */
  readonly repository: string;
  readonly tag?: string;
  /** Decides alone what is read where there is also a tag. */
  readonly digest?: Digest;
}

/** What a name without a host means to every client. */
const DOCKER = "docker.io";
/** https://github.com/distribution/reference/blob/main/reference.go, the longest path. */
const LONGEST = 255;

const EXAMPLE = "for example ghcr.io/owner/name:tag";
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const hostForm = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:.]+\\])(?::[0-9]{1,5})?$`);
const pathForm = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const tagForm = /^\w[\w.-]{0,127}$/;

/**
 * Reads a reference by the grammar of https://github.com/distribution/reference with Docker's
 * defaults: no host is docker.io, and a single word there is below `library/`. The first part is a
 * host when it holds a dot or a colon, or is `localhost`.
 * @throws SlimError `CONFIG`
 */
export function parseReference(text: string): Reference {
  if (text === "") throw new SlimError("CONFIG", "names no repository", { where: '""', hint: EXAMPLE });
  const bad = (message: string, hint?: string) => new SlimError("CONFIG", message, { where: text, hint });
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw bad("is a URL, not an image reference", `leave out the scheme: ${text.replace(/^[^/]*\/\//, "")}`);
  }
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw bad(`"${digest}" is not a digest`, "sha256: and 64 lower-case hexadecimal digits, or sha512: and 128");
  }
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const tagged = colon > named.lastIndexOf("/") && !named.endsWith("]");
  const tag = tagged ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagForm.test(tag)) {
    throw bad(`"${tag}" is not a tag`, "up to 128 letters, digits, _, . and -, and no . or - first");
  }
  const { host, repository } = parseRepository(tagged ? named.slice(0, colon) : named, text);
  return { host, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/**
 * Reads `[host[:port]/]path`: a reference without tag and digest.
 * @throws SlimError `CONFIG`
 */
export function parseRepository(text: string, where = text): { readonly host: string; readonly repository: string } {
  const bad = (message: string, hint?: string) => new SlimError("CONFIG", message, { where, hint });
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash).toLowerCase();
  const hasHost = first === "localhost" || /[.:]/.test(first);
  const named = hasHost ? first : DOCKER;
  if (!hostForm.test(named)) throw bad(`"${first}" is not a host`, "for example ghcr.io, localhost:5000 or [::1]:5000");
  const host = named === "index.docker.io" ? DOCKER : named;
  const given = hasHost ? text.slice(slash + 1) : text;
  const repository = host === DOCKER && given !== "" && !given.includes("/") ? `library/${given}` : given;
  if (!pathForm.test(repository)) {
    if (given === "") throw bad("names no repository", EXAMPLE);
    const lower = repository.toLowerCase();
    throw pathForm.test(lower)
      ? bad(`"${given}" has upper-case letters`, `repositories are lower case: ${given.toLowerCase()}`)
      : bad(`"${given}" is not a repository`, "lower-case letters and digits, with ., _, __ or - between them");
  }
  if (repository.length > LONGEST) throw bad(`the repository is longer than ${LONGEST} characters`);
  if (!hasHost && /^[a-f0-9]{64}$/.test(given)) {
    throw bad("is an image ID, not an image reference", "for a digest write name@sha256:...");
  }
  return { host, repository };
}

/**
 * Reads a registry's host as users write it to log in: `ghcr.io`, `https://index.docker.io/v1/`.
 * @throws SlimError `CONFIG`
 */
export function parseHost(text: string): string {
  const host = text
    .replace(/^https?:\/\//i, "")
    .replace(/\/.*$/, "")
    .toLowerCase();
  if (!hostForm.test(host)) {
    throw new SlimError("CONFIG", `"${text}" is not a host`, { hint: "for example ghcr.io or localhost:5000" });
  }
  return /^(?:index|registry-1)\.docker\.io$/.test(host) ? DOCKER : host;
}

/** The full form, which reads back as the same reference: `docker.io/library/alpine:3`. */
export function formatReference(reference: Reference): string {
  const { host, repository, tag, digest } = reference;
  return `${host}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** Whether two texts name the same image: `alpine` is `docker.io/library/alpine:latest`. What is no reference names none. */
export function isSameName(one: string, other: string): boolean {
  const full = (text: string) => {
    const reference = parseReference(text);
    return formatReference({ ...reference, tag: reference.tag ?? "latest" });
  };
  try {
    return full(one) === full(other);
  } catch {
    return false;
  }
}

/** What is asked for in a registry: the digest where there is one, else the tag, else `latest`. */
export function tagOrDigest(reference: Reference): string {
  return reference.digest ?? reference.tag ?? "latest";
}
