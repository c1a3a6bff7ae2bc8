import type { Context } from "../base/context.ts";
import type { Cache } from "../layer/cache.ts";
import type { RegistryOptions } from "../store/registry/index.ts";
import { Bases } from "./base/bases.ts";
import { Debian } from "./debian/debian.ts";
import { checkWritable, forget, type Lock, readLock, writeLock } from "./lock.ts";
import { NodeRuntimes, type PrepareBinary } from "./node.ts";
import { Npm } from "./npm.ts";
import { PublishedPackages } from "./packages.ts";

export interface SourcesOptions {
  /** Whose npm configuration counts. */
  readonly folder: string;
  readonly lockFile: string;
  readonly frozen: boolean;
  readonly debianMirror: string | undefined;
  /** What of the lock is resolved anew. */
  readonly forget?: readonly string[] | "all";
  /** Whether what is resolved may be older than what the lock has seen. */
  readonly allowOlder?: boolean;
  /** How registries are talked to. */
  readonly registry?: RegistryOptions | undefined;
}

/** Everything outside the project that a build may take from, and the lock that says what it took. */
export class Sources {
  readonly cache: Cache;
  readonly bases: Bases;
  readonly debian: Debian;
  readonly node: NodeRuntimes;
  readonly packages: PublishedPackages;
  /** The lock as it was found. */
  readonly before: Lock | undefined;

  private constructor(context: Context, cache: Cache, options: SourcesOptions, prepare: PrepareBinary, before?: Lock) {
    const { frozen } = options;
    const lock = options.forget === undefined ? before : forget(before, options.forget);
    this.cache = cache;
    this.before = before;
    this.bases = new Bases({ context, cache, registry: options.registry ?? {}, lock: lock?.bases, frozen });
    this.debian = new Debian({
      context,
      cache,
      lock: lock?.debian,
      mirror: options.debianMirror,
      frozen,
      allowOlder: options.allowOlder ?? false,
      now: new Date(),
    });
    const npm = new Npm(context, options.folder);
    this.node = new NodeRuntimes({ context, cache, npm, lock: lock?.node, frozen, prepare });
    this.packages = new PublishedPackages({ cache, npm, lock: lock?.packages, frozen });
  }

  /** @param prepare what is kept of a Node.js binary that was fetched */
  static async open(context: Context, cache: Cache, options: SourcesOptions, prepare: PrepareBinary): Promise<Sources> {
    return new Sources(context, cache, options, prepare, await readLock(options.lockFile));
  }

  /** What was used, and what the lock said beside; undefined when that is nothing. */
  get lock(): Lock | undefined {
    const node = this.node.lock;
    const debian = this.debian.lock;
    const packages = this.packages.lock;
    const bases = this.bases.lock;
    const parts = {
      ...(node && { node }),
      ...(packages && { packages }),
      ...(debian && { debian }),
      ...(bases && { bases }),
    };
    return Object.keys(parts).length === 0 ? undefined : { lockVersion: 1, ...parts };
  }

  /** Fails now where `writeLock` would fail later, when an image has left already. @throws SlimError `IO` */
  async checkLock(file: string): Promise<void> {
    if (this.lock !== undefined) await checkWritable(file, this.before, this.lock);
  }

  /** Writes down what was used, when that is more than the lock said. */
  async writeLock(file: string): Promise<void> {
    if (this.lock !== undefined) await writeLock(file, this.before, this.lock);
  }
}
