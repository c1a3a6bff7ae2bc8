import { createHash } from "node:crypto";
import { SlimError } from "../base/error.ts";

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests */
export type Digest = `sha256:${string}` | `sha512:${string}`;

const form = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && form.test(text);
}

/** Digest of bytes that are already in memory. */
export function digestOf(bytes: Uint8Array | string, algorithm: "sha256" | "sha512" = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** The two parts of a digest, to build paths and hashers from. */
export function splitDigest(digest: Digest): { algorithm: "sha256" | "sha512"; hex: string } {
  const colon = digest.indexOf(":");
  return { algorithm: digest.slice(0, colon) as "sha256" | "sha512", hex: digest.slice(colon + 1) };
}

/**
 * Passes a stream through and checks, at its end, that it had the promised digest and size; a stream
 * that grows past its size is stopped at once.
 * @throws SlimError `INTEGRITY`
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: { readonly digest: Digest; readonly size?: number | undefined },
  where: string,
): AsyncGenerator<Uint8Array> {
  const { algorithm, hex } = splitDigest(expected.digest);
  const hash = createHash(algorithm);
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (expected.size !== undefined && size > expected.size) {
      throw new SlimError("INTEGRITY", `is larger than the ${expected.size} bytes that were promised`, { where });
    }
    hash.update(chunk);
    yield chunk;
  }
  if (expected.size !== undefined && size !== expected.size) {
    throw new SlimError("INTEGRITY", `has ${size} bytes where ${expected.size} were promised`, { where });
  }
  const actual = hash.digest("hex");
  if (actual !== hex) {
    throw new SlimError("INTEGRITY", `has digest ${algorithm}:${actual}, not ${expected.digest}`, { where });
  }
}
