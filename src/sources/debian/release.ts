import { SlimError } from "../../base/error.ts";
import { type Digest, isDigest } from "../../image/digest.ts";
import { stanza } from "./package.ts";

/** What a verified `InRelease` says. https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files */
export interface Release {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly byHash: boolean;
  /** By path below the folder of the suite. */
  readonly files: ReadonlyMap<string, { readonly digest: Digest; readonly size: number }>;
}

/** What an `InRelease` must be to be used. */
export interface Expected {
  /** Armored; one good signature by any of them is enough. */
  readonly keys: string;
  readonly codename: string;
  readonly now: Date;
  /** The date of an earlier one, if any: older ones are refused. */
  readonly notBefore?: string | undefined;
  readonly where: string;
}

/**
 * Verifies a clear-signed `InRelease` and reads it; only the signed text is ever looked at.
 * @throws SlimError `INTEGRITY` without a good signature, or when it is stale, rolled back or another
 * suite's; `DEBIAN` when it is not a release file
 */
export async function readRelease(text: string, expected: Expected): Promise<Release> {
  const { where, now } = expected;
  const fields = stanza(await signedText(text, expected));
  const codename = fields.get("Codename");
  if (codename !== expected.codename) {
    throw new SlimError("INTEGRITY", `is the index of ${codename}, not of ${expected.codename}`, { where });
  }
  const date = dateOf(fields.get("Date"), where);
  if (date === undefined) throw new SlimError("DEBIAN", "has no Date", { where });
  if (expected.notBefore !== undefined && date < expected.notBefore) {
    throw new SlimError("INTEGRITY", `was rolled back: it is of ${date}, slim.lock has seen ${expected.notBefore}`, {
      where,
      hint: "the mirror is behind or hides updates: use another one, or slim lock --update --allow-older if that is meant",
    });
  }
  const validUntil = dateOf(fields.get("Valid-Until"), where);
  if (validUntil !== undefined && validUntil < iso(now)) {
    throw new SlimError("INTEGRITY", `expired at ${validUntil}`, {
      where,
      hint: "the mirror is stale, or the clock of this machine is wrong; what is in slim.lock needs no index",
    });
  }
  return { date, byHash: fields.get("Acquire-By-Hash") === "yes", files: filesOf(fields.get("SHA256") ?? "") };
}

async function signedText(text: string, { keys, now, where }: Expected): Promise<string> {
  const openpgp = await import("openpgp");
  try {
    const message = await openpgp.readCleartextMessage({ cleartextMessage: text });
    const verificationKeys = await openpgp.readKeys({ armoredKeys: keys });
    const { data, signatures } = await openpgp.verify({ message, verificationKeys, date: now });
    // The archive signs with several keys, not all of which are known here.
    await Promise.any(signatures.map(({ verified }) => verified));
    return data;
  } catch (error) {
    throw new SlimError("INTEGRITY", `has no good signature of Debian: ${reasonOf(error)}`, {
      where,
      cause: error,
      hint: "use another mirror, or a newer slim if Debian has new keys; is the clock of this machine right?",
    });
  }
}

function reasonOf(error: unknown): string {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const messages = errors.map((one) => (one instanceof Error ? one.message : String(one)));
  return messages.length === 0 ? "it is not signed" : [...new Set(messages)].join("; ");
}

/** Whole seconds, in UTC: sorts as text. */
function iso(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

function dateOf(text: string | undefined, where: string): string | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new SlimError("DEBIAN", `cannot read the date "${text}"`, { where });
  return iso(date);
}

function filesOf(section: string): Release["files"] {
  const files = new Map<string, { digest: Digest; size: number }>();
  for (const line of section.split("\n")) {
    const [hash, size, path] = line.trim().split(/\s+/);
    const digest = `sha256:${hash}`;
    if (path !== undefined && isDigest(digest) && /^[0-9]+$/.test(size ?? ""))
      files.set(path, { digest, size: Number(size) });
  }
  return files;
}
