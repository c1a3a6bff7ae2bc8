import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { isInternal } from "./address.ts";

/** User name and password, for a program that has them itself. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface RegistryOptions {
  /** Plain HTTP and unchecked certificates: everywhere, or at these hosts (`host[:port]`). */
  readonly insecure?: boolean | readonly string[];
  /** PEM certificates that are trusted besides the usual ones. */
  readonly ca?: readonly string[];
  /** A `config.json` or `auth.json` that is used instead of those in their usual places. */
  readonly registryConfig?: string;
  /** Credentials by host, before those of any file. */
  readonly credentials?: Readonly<Record<string, Login>>;
  /**
   * Where a host's images are looked for before the host itself when something is read, best first:
   * `{ "docker.io": ["mirror.example", "cache.example/hub"] }`.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** Blobs that are sent at once; 4 when left out. */
  readonly parallel?: number;
  /** For tests and odd networks. */
  readonly timing?: Partial<Timing>;
  /** For tests. */
  readonly network?: Partial<Network>;
}

/** How long things may take, in milliseconds. */
export interface Timing {
  /** To reach a host, TLS included. */
  readonly connect: number;
  /** Without a single byte in either direction. */
  readonly stall: number;
  /** For the answer to an upload: registries hash and move what they have got, which takes them minutes. */
  readonly answer: number;
  /** The first wait before another try; it doubles each time and is jittered. */
  readonly pause: number;
  /** The longest `Retry-After` that is waited for. */
  readonly patience: number;
  /** How often a request is made before its failure is final. */
  readonly tries: number;
  /** What a second of `Retry-After` is. */
  readonly second: number;
}

export const usualTiming: Timing = {
  connect: 30_000,
  stall: 60_000,
  answer: 600_000,
  pause: 500,
  patience: 300_000,
  tries: 6,
  second: 1000,
};

/** What the machine's network says of names and addresses. */
export interface Network {
  readonly lookup: (hostname: string) => Promise<readonly LookupAddress[]>;
  readonly isInternal: (address: string) => boolean;
}

export const usualNetwork: Network = {
  lookup: (hostname) => lookup(hostname, { all: true }),
  isInternal,
};
