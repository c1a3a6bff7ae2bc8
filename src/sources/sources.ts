import type { Context } from "../base/context.ts";
import type { Cache } from "../layer/cache.ts";
import { Debian } from "./debian/debian.ts";
import { type Lock, readLock, writeLock } from "./lock.ts";
import { NodeRuntimes, type PrepareBinary } from "./node.ts";
import { Npm } from "./npm.ts";

export interface SourcesOptions {
  /** Whose npm configuration counts. */
  readonly folder: string;
  readonly lockFile: string;
  readonly frozen: boolean;
  readonly debianMirror: string | undefined;
}

/** Everything outside the project that a build may take from, and the lock that says what it took. */
export class Sources {
  readonly cache: Cache;
  readonly debian: Debian;
  readonly node: NodeRuntimes;
  readonly #before: Lock | undefined;

  private constructor(context: Context, cache: Cache, options: SourcesOptions, prepare: PrepareBinary, lock?: Lock) {
    const { frozen } = options;
    this.cache = cache;
    this.#before = lock;
    this.debian = new Debian({
      context,
      cache,
      lock: lock?.debian,
      mirror: options.debianMirror,
      frozen,
      now: new Date(),
    });
    this.node = new NodeRuntimes({
      context,
      cache,
      npm: new Npm(context, options.folder),
      lock: lock?.node,
      frozen,
      prepare,
    });
  }

  /** @param prepare what is kept of a Node.js binary that was fetched */
  static async open(context: Context, cache: Cache, options: SourcesOptions, prepare: PrepareBinary): Promise<Sources> {
    return new Sources(context, cache, options, prepare, await readLock(options.lockFile));
  }

  /** Writes down what was used, when that is more than the lock said. */
  async writeLock(file: string): Promise<void> {
    const node = this.node.lock;
    const debian = this.debian.lock;
    if (node === undefined && debian === undefined) return;
    const lock: Lock = { lockVersion: 1, ...(node && { node }), ...(debian && { debian }) };
    await writeLock(file, this.#before, lock);
  }
}
