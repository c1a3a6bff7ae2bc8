import path from "node:path";
import { SlimError } from "../base/error.ts";
import { compareStrings } from "../base/files.ts";
import type { Digest } from "../image/digest.ts";
import type { Cache } from "../layer/cache.ts";
import { eachFile, type Npm } from "./npm.ts";
import type { Limits, LockedPackage } from "./project-lock.ts";

/** A file of a published package. */
export interface PackageFile {
  /** Relative to the package's folder, with `/`. */
  readonly path: string;
  /** Where its bytes lie on this machine, checked. */
  readonly source: string;
  readonly executable: boolean;
}

/** `name@version` and the integrity that the registry gave, where the project's own lock file has none. */
export type PackagesLock = Readonly<Record<string, string>>;

export interface PublishedPackagesOptions {
  readonly cache: Cache;
  readonly npm: Npm;
  readonly lock: PackagesLock | undefined;
  readonly frozen: boolean;
}

/** Packages of npm as they were published, for what a project needs and this machine has not installed. */
export class PublishedPackages {
  readonly #options: PublishedPackagesOptions;
  readonly #integrities: Map<string, string>;

  constructor(options: PublishedPackagesOptions) {
    this.#options = options;
    this.#integrities = new Map(Object.entries(options.lock ?? {}));
  }

  /** What was used, and what the given lock had; undefined when that is nothing. */
  get lock(): PackagesLock | undefined {
    if (this.#integrities.size === 0) return undefined;
    return Object.fromEntries([...this.#integrities].sort(([a], [b]) => compareStrings(a, b)));
  }

  /**
   * What the registry says of the machines a version is for.
   * @throws SlimError `NOT_FOUND`, `NETWORK`
   */
  async limits({ name, version }: LockedPackage): Promise<Limits> {
    const { cache, npm } = this.#options;
    const spec = `${name}@${version}`;
    const known = await cache.get<Limits>("package-limits", spec);
    if (known !== undefined) return known;
    const { os, cpu, libc } = await npm.manifest(name, version);
    await cache.put("package-limits", spec, { os, cpu, libc } satisfies Limits);
    return { os, cpu, libc };
  }

  /**
   * The files of a version, checked by the integrity of the project's lock file, or else of `slim.lock`,
   * which has the registry's.
   * @throws SlimError `INTEGRITY`, `NOT_FOUND`, `NETWORK`, `LOCK`, `ARCHIVE_UNSAFE`
   */
  async files({ name, version, integrity }: LockedPackage): Promise<readonly PackageFile[]> {
    const { cache, npm } = this.#options;
    const checked = integrity ?? (await this.#integrity(name, version));
    const known = await this.#cached(checked);
    if (known !== undefined) return known;
    const files = await npm.tarball(name, version, checked, (body) => this.#unpack(body));
    await cache.put("package-files", checked, files);
    return this.#placed(files);
  }

  async #integrity(name: string, version: string): Promise<string> {
    const spec = `${name}@${version}`;
    const locked = this.#integrities.get(spec);
    if (locked !== undefined) return locked;
    if (this.#options.frozen) {
      throw new SlimError("LOCK", `does not have ${spec}`, {
        where: "slim.lock",
        hint: "build once without --frozen and commit slim.lock",
      });
    }
    const { integrity } = await this.#options.npm.manifest(name, version);
    if (integrity === undefined)
      throw new SlimError("INTEGRITY", "the registry gives no integrity", { where: `npm: ${spec}` });
    this.#integrities.set(spec, integrity);
    return integrity;
  }

  async #cached(integrity: string): Promise<readonly PackageFile[] | undefined> {
    const { cache } = this.#options;
    const files = await cache.get<readonly StoredFile[]>("package-files", integrity);
    if (files === undefined) return undefined;
    for (const { digest } of files) if ((await cache.blob(digest)) === undefined) return undefined;
    return this.#placed(files);
  }

  #placed(files: readonly StoredFile[]): readonly PackageFile[] {
    return files.map(({ path: name, digest, executable }) => {
      return { path: name, executable, source: this.#options.cache.pathOf(digest) };
    });
  }

  async #unpack(body: AsyncIterable<Uint8Array>): Promise<readonly StoredFile[]> {
    const files = new Map<string, StoredFile>();
    await eachFile(body, async (name, content, mode) => {
      // The first folder is the package, whatever it is called.
      const place = path.posix.normalize(name.slice(name.indexOf("/") + 1));
      if (place.startsWith("../") || path.posix.isAbsolute(place) || files.size >= MAX_FILES) {
        throw new SlimError("ARCHIVE_UNSAFE", `${JSON.stringify(name)} leaves the bounds of a package`, {
          where: "npm",
        });
      }
      const { digest } = await this.#options.cache.add(content);
      files.set(place, { path: place, digest, executable: (mode & 0o100) !== 0 });
    });
    return [...files.values()].sort((a, b) => compareStrings(a.path, b.path));
  }
}

/** Far above any package of binaries. */
const MAX_FILES = 50_000;

interface StoredFile {
  readonly path: string;
  readonly digest: Digest;
  readonly executable: boolean;
}
