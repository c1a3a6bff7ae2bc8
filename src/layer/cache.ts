import { createHash, randomBytes } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { throwIfAborted } from "../base/context.ts";
import { ioError, SlimError, systemCode } from "../base/error.ts";
import { CHUNK, hashFile, makeFolder, statOrUndefined, writeAll, writeAtomically } from "../base/files.ts";
import { type Digest, digestOf, splitDigest } from "../image/digest.ts";
import type { Content } from "./entry.ts";

/**
 * A content-addressed store of everything that was fetched or made before, safe to share between
 * builds that run at the same time: entries are complete or absent and never change.
 *
 *   blobs/sha256/<hex>          bytes
 *   checked/<hex>               what the file of a blob was like when its bytes were last hashed
 *   records/<kind>/<key>.json   what an input led to: small JSON, guarded by its own digest
 */
export class Cache {
  readonly dir: string;
  /** Blobs whose bytes this process has already checked. */
  readonly #checked = new Set<string>();
  readonly #writing = new Set<Promise<unknown>>();
  readonly #signal: AbortSignal | undefined;

  /** @param signal once it is aborted nothing is written any more */
  constructor(dir: string, signal?: AbortSignal) {
    this.dir = dir;
    this.#signal = signal;
  }

  /** Waits until nothing is being written. After the signal that is for good. */
  async settled(): Promise<void> {
    while (this.#writing.size > 0) await Promise.allSettled(this.#writing);
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    this.#throwIfAborted();
    const writing = work();
    this.#writing.add(writing);
    try {
      return await writing;
    } finally {
      this.#writing.delete(writing);
    }
  }

  #throwIfAborted(): void {
    if (this.#signal !== undefined) throwIfAborted(this.#signal);
  }

  /**
   * The value put under `key`, or undefined. A damaged record is the same as none: it is made again.
   * `key` is hashed, so it may be any text that decides the value.
   */
  async get<T>(kind: string, key: string): Promise<T | undefined> {
    let text: string;
    try {
      text = await readFile(this.#recordPath(kind, key), "utf8");
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw ioError(error, this.#recordPath(kind, key), "read the cache");
    }
    const split = text.indexOf("\n");
    const value = text.slice(split + 1);
    return digestOf(value) === text.slice(0, split) ? (JSON.parse(value) as T) : undefined;
  }

  async put(kind: string, key: string, value: unknown): Promise<void> {
    const text = JSON.stringify(value);
    const record = `${digestOf(text)}\n${text}`;
    const file = this.#recordPath(kind, key);
    const written = this.#write(() => writeAtomically(file, (handle) => handle.writeFile(record), "write the cache"));
    await written.catch((error: unknown) => {
      // A record saves work and no more: of a cache that may only be read, it is made again next time.
      if (!(error instanceof SlimError) || !isForbidden(error.cause)) throw error;
    });
  }

  /**
   * The bytes of a digest, or undefined when they are not here. They are hashed when the file is new
   * or was touched since it was last found right. A damaged file is removed, and so also undefined:
   * whoever asks makes or fetches it again.
   */
  async blob(digest: Digest): Promise<Content | undefined> {
    const file = this.#blobPath(digest);
    const found = await statOrUndefined(file);
    if (found === undefined) return undefined;
    if (!this.#checked.has(digest) && !(await this.#isUntouched(digest, found))) {
      const actual = await hashFile(file);
      if (actual.digest !== digest) {
        await rm(file, { force: true });
        return undefined;
      }
      await this.#stamp(digest, found);
    }
    this.#checked.add(digest);
    return {
      digest,
      size: found.size,
      open: () => createReadStream(file, { highWaterMark: CHUNK }),
      place: { file, offset: 0 },
    };
  }

  /** Whether a file is the very one that was found right before; its use is noted. */
  async #isUntouched(digest: Digest, found: Stats): Promise<boolean> {
    const stamp = this.#stampPath(digest);
    const known = await readFile(stamp, "utf8").catch(() => undefined);
    if (known !== identityOf(found)) return false;
    // The age of a blob is that of its stamp; a cache on a read-only disk works all the same.
    await utimes(stamp, new Date(), new Date()).catch(() => {});
    return true;
  }

  async #stamp(digest: Digest, found: Stats): Promise<void> {
    const stamp = this.#stampPath(digest);
    try {
      await makeFolder(path.dirname(stamp));
      await writeFile(stamp, identityOf(found));
    } catch {
      // Without a stamp the file is hashed again next time.
    }
  }

  /** Where the bytes of a digest that `blob` has found lie, for tools that want a file. */
  pathOf(digest: Digest): string {
    return this.#blobPath(digest);
  }

  /**
   * Stores a stream under its digest and gives it back as content. Nothing is stored when the
   * stream fails, so a check in the stream (see `verified`) guards the cache as well.
   */
  add(source: AsyncIterable<Uint8Array>): Promise<Content> {
    return this.#write(() => this.#add(source));
  }

  /** Hands a stream to `use` as a file that is there for so long. */
  lend<T>(source: AsyncIterable<Uint8Array>, use: (file: string) => Promise<T>): Promise<T> {
    return this.#write(() => this.#lend(source, use));
  }

  async #lend<T>(source: AsyncIterable<Uint8Array>, use: (file: string) => Promise<T>): Promise<T> {
    const file = this.#temporary();
    try {
      await makeFolder(path.dirname(file));
      const handle = await open(file, "wx", 0o600);
      try {
        await writeAll(handle, this.#whileWanted(source));
      } finally {
        await handle.close();
      }
      return await use(file);
    } catch (error) {
      throw this.#notWritten(error);
    } finally {
      await rm(file, { force: true }).catch(() => {});
    }
  }

  #notWritten(error: unknown): SlimError {
    const failure = ioError(error, this.dir, "write the cache");
    if (!isForbidden(error)) return failure;
    const { code, message, where, cause } = failure;
    return new SlimError(code, message, { where, cause, hint: "SLIM_CACHE_DIR names another folder" });
  }

  #temporary(): string {
    return path.join(this.dir, "blobs", `.${randomBytes(8).toString("hex")}.tmp`);
  }

  async *#whileWanted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#throwIfAborted();
      yield chunk;
    }
  }

  async #add(source: AsyncIterable<Uint8Array>): Promise<Content> {
    const temporary = this.#temporary();
    const failed = new Set<unknown>();
    try {
      await makeFolder(path.join(this.dir, "blobs", "sha256"));
      const handle = await open(temporary, "wx", 0o666);
      const hash = createHash("sha256");
      try {
        await writeAll(handle, tee(this.#whileWanted(source), hash, failed));
        await handle.sync();
      } finally {
        await handle.close();
      }
      const digest: Digest = `sha256:${hash.digest("hex")}`;
      await rename(temporary, this.#blobPath(digest));
      await this.#stamp(digest, await stat(this.#blobPath(digest)));
      this.#checked.add(digest);
      const content = await this.blob(digest);
      if (content === undefined) throw new SlimError("IO", "the cache lost a file", { where: this.#blobPath(digest) });
      return content;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      // What the source throws is its own affair: a broken connection, say, that can be tried again.
      throw failed.has(error) ? error : this.#notWritten(error);
    }
  }

  /** How much is here, in files and bytes. */
  async usage(): Promise<{ files: number; bytes: number }> {
    let files = 0;
    let bytes = 0;
    for (const file of await this.#files()) {
      files += 1;
      bytes += file.size;
    }
    return { files, bytes };
  }

  /** Removes what was not used for `olderThanMs`; everything when it is 0. */
  async prune(olderThanMs: number, now: number): Promise<{ files: number; bytes: number }> {
    let files = 0;
    let bytes = 0;
    for (const file of await this.#files()) {
      if (now - file.usedMs < olderThanMs) continue;
      await rm(file.path, { force: true });
      await rm(path.join(this.dir, "checked", path.basename(file.path)), { force: true });
      files += 1;
      bytes += file.size;
    }
    return { files, bytes };
  }

  async #files(): Promise<{ path: string; size: number; usedMs: number }[]> {
    const names = await readdir(this.dir, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return [];
      throw ioError(error, this.dir, "read the cache");
    });
    const found: { path: string; size: number; usedMs: number }[] = [];
    for (const name of names) {
      if (!name.isFile() || path.basename(name.parentPath) === "checked") continue;
      const file = path.join(name.parentPath, name.name);
      const [about, stamp] = await Promise.all([
        statOrUndefined(file),
        statOrUndefined(path.join(this.dir, "checked", name.name)),
      ]);
      // Another build may have pruned it in the meantime.
      if (about === undefined) continue;
      found.push({ path: file, size: about.size, usedMs: Math.max(about.mtimeMs, stamp?.mtimeMs ?? 0) });
    }
    return found;
  }

  #blobPath(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return path.join(this.dir, "blobs", algorithm, hex);
  }

  #stampPath(digest: Digest): string {
    return path.join(this.dir, "checked", splitDigest(digest).hex);
  }

  #recordPath(kind: string, key: string): string {
    return path.join(this.dir, "records", kind, `${splitDigest(digestOf(key)).hex}.json`);
  }
}

function isForbidden(error: unknown): boolean {
  return ["EACCES", "EPERM", "EROFS"].includes(systemCode(error) ?? "");
}

async function* tee(
  source: AsyncIterable<Uint8Array>,
  hash: { update(chunk: Uint8Array): unknown },
  failed: Set<unknown>,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (error) {
    failed.add(error);
    throw error;
  }
}

/** What changes whenever somebody writes to a file or puts another in its place. */
function identityOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

/** `SLIM_CACHE_DIR`, else `slim` in the cache folder of the system's convention. */
export function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  if (env.SLIM_CACHE_DIR) return path.resolve(env.SLIM_CACHE_DIR);
  if (env.XDG_CACHE_HOME) return path.resolve(env.XDG_CACHE_HOME, "slim");
  const home = env.HOME || os.homedir();
  return process.platform === "darwin"
    ? path.join(home, "Library", "Caches", "slim")
    : path.join(home, ".cache", "slim");
}
