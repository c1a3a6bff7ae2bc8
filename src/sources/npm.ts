import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Options } from "pacote";
import { aborted, type Context, throwIfAborted, untilAborted } from "../base/context.ts";
import { SlimError } from "../base/error.ts";

/** A published version: what machines it is for, and the hash of its tarball. */
export interface Manifest {
  readonly os: unknown;
  readonly cpu: unknown;
  readonly libc: unknown;
  readonly integrity: string | undefined;
}

interface PublishedManifest extends Partial<Omit<Manifest, "integrity">> {
  readonly _integrity?: unknown;
}

/**
 * Packages of npm, by npm's own libraries and with npm's own configuration: registry, proxy and
 * credentials are those that `npm install` would use in the same folder.
 */
export class Npm {
  readonly #context: Context;
  readonly #folder: string;
  #options: Promise<Options> | undefined;

  constructor(context: Context, folder: string) {
    this.#context = context;
    this.#folder = folder;
  }

  /**
   * Every published version of a package with the integrity of its tarball; a version the registry
   * gives no integrity for is left out.
   * @throws SlimError `NOT_FOUND`, `NETWORK`
   */
  async versions(name: string): Promise<ReadonlyMap<string, string>> {
    const { packument } = (await import("pacote")).default;
    const options = await this.#configuration();
    const document = await this.#run(name, () => packument(name, options));
    const found = new Map<string, string>();
    for (const [version, manifest] of Object.entries(document.versions)) {
      const integrity = manifest.dist.integrity;
      if (typeof integrity === "string") found.set(version, integrity);
    }
    return found;
  }

  /**
   * What the registry says of one version.
   * @throws SlimError `NOT_FOUND`, `NETWORK`
   */
  async manifest(name: string, version: string): Promise<Manifest> {
    const { manifest } = (await import("pacote")).default;
    const options = await this.#configuration();
    const spec = `${name}@${version}`;
    const { os, cpu, libc, _integrity } = await this.#run<PublishedManifest>(spec, () => manifest(spec, options));
    return { os, cpu, libc, integrity: typeof _integrity === "string" ? _integrity : undefined };
  }

  /**
   * Streams a package's tarball (gzip) to `use`, checked against `integrity` while it passes. `use`
   * may be called again when the transfer failed, and must not keep what it saw before it ends.
   * @throws SlimError `INTEGRITY`, `NOT_FOUND`, `NETWORK`, or what `use` throws
   */
  async tarball<T>(
    name: string,
    version: string,
    integrity: string,
    use: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    const { tarball } = (await import("pacote")).default;
    const options = { ...(await this.#configuration()), integrity };
    const spec = `${name}@${version}`;
    this.#context.report({ type: "fetch", what: spec });
    return this.#run(
      spec,
      () =>
        tarball.stream(
          spec,
          async (body) => {
            let result: T;
            // Whoever reads hears of errors; after they have left, nobody has to.
            body.on("error", () => {});
            try {
              result = await use(this.#whileWanted(body as unknown as AsyncIterable<Uint8Array>));
            } finally {
              // Integrity is decided at the end of the stream, which `use` may have stopped short of.
              body.resume();
            }
            await ended(body);
            return result;
          },
          options,
        ) as Promise<T>,
    );
  }

  /** What comes out of npm's cache does not hear of the signal. */
  async *#whileWanted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      throwIfAborted(this.#context.signal);
      yield chunk;
    }
  }

  async #run<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { signal } = this.#context;
    // The pauses between npm's tries keep no process from ending, so that this one must be kept.
    const awake = setInterval(() => {}, 2 ** 30);
    try {
      throwIfAborted(signal);
      return await untilAborted(signal, work());
    } catch (error) {
      if (error instanceof SlimError) throw error;
      if (signal.aborted) throw aborted(signal.reason);
      throw npmError(what, error);
    } finally {
      clearInterval(awake);
    }
  }

  #configuration(): Promise<Options> {
    this.#options ??= this.#load();
    return this.#options;
  }

  async #load(): Promise<Options> {
    const [{ default: Config }, { default: definitions }] = await Promise.all([
      import("@npmcli/config"),
      import("@npmcli/config/lib/definitions/index.js"),
    ]);
    const config = new Config({
      ...definitions,
      npmPath: this.#folder,
      argv: [process.execPath, "slim"],
      cwd: this.#folder,
      env: { ...this.#context.env },
      execPath: process.execPath,
      // Complaints about settings of other tools are npm's business.
      warn: false,
    });
    await config.load();
    const flat = config.flat as Options & Record<`fetchRetr${string}`, number>;
    // Even a request that was stopped is tried again, ten and then sixty seconds later: nobody waits for that.
    const retry = {
      retries: flat.fetchRetries,
      factor: flat.fetchRetryFactor,
      minTimeout: flat.fetchRetryMintimeout,
      maxTimeout: flat.fetchRetryMaxtimeout,
      unref: true,
    };
    return { ...flat, retry, signal: this.#context.signal } as Options;
  }
}

function ended(body: NodeJS.ReadableStream & { readableEnded?: boolean }): Promise<void> {
  if (body.readableEnded) return Promise.resolve();
  return new Promise((resolve, reject) => {
    body.once("end", resolve);
    body.once("error", reject);
  });
}

function npmError(what: string, error: unknown): SlimError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const where = `npm: ${what}`;
  if (code === "EINTEGRITY") {
    return new SlimError("INTEGRITY", "the package does not have the hash that was promised", {
      where,
      cause: error,
      hint: "somebody changed it on the way, or the lock file is wrong",
    });
  }
  if (code === "E404" || code === "ETARGET") {
    return new SlimError("NOT_FOUND", "the registry does not have it", { where, cause: error });
  }
  // What the file system says: `EACCES: permission denied, mkdir '/nonexistent'`. Nothing but npm's cache is written.
  const refused = /\bE[A-Z]+: ([^:]+, [a-z]+(?: '.*')?)$/.exec(error instanceof Error ? error.message : "")?.[1];
  if (refused !== undefined) {
    return new SlimError("IO", `npm's cache cannot be used: ${refused}`, {
      where,
      cause: error,
      hint: "npm_config_cache names another folder",
    });
  }
  const reason = code || (error instanceof Error ? error.message : String(error));
  return new SlimError("NETWORK", `cannot be fetched: ${reason}`, {
    where,
    cause: error,
    hint: "check the network and npm's configuration; with slim.lock and a warm cache no network is needed",
  });
}

/** Bytes of one file; far above any Node.js so far. */
const MAX_FILE = 1 << 30;

/** Calls `use` for each regular file of a gzipped tar, in order. */
export async function eachFile(
  body: AsyncIterable<Uint8Array>,
  use: (name: string, content: AsyncIterable<Uint8Array>, mode: number) => Promise<void>,
): Promise<void> {
  const { extract } = await import("tar-stream");
  const members = extract();
  const reading = pipeline(Readable.from(body, { objectMode: false }), createGunzip(), members);
  reading.catch(() => {});
  for await (const member of members) {
    if ((member.header.size ?? 0) > MAX_FILE) {
      throw new SlimError("ARCHIVE_UNSAFE", `${member.header.name} is larger than ${MAX_FILE} bytes`, { where: "npm" });
    }
    if (member.header.type === "file") {
      await use(member.header.name, member as AsyncIterable<Uint8Array>, member.header.mode ?? 0o644);
    }
    member.resume();
  }
  await reading;
}
