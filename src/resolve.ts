import type { Context, ProgressEvent } from "./base/context.ts";
import { SlimError } from "./base/error.ts";
import { closureOf, type ProgramClosure } from "./closure/closure.ts";
import { trimFile } from "./closure/elf/trim.ts";
import { Cache, defaultCacheDir } from "./layer/cache.ts";
import type { BuildOptions } from "./plan/options.ts";
import type { Plan } from "./plan/plan.ts";
import { formatChange, lockChanges } from "./sources/lock.ts";
import { Sources, type SourcesOptions } from "./sources/sources.ts";
import type { RegistryOptions } from "./store/registry/index.ts";

/** What every call of the library says beside what to build. */
export interface PlanCall extends BuildOptions {
  /** Relative paths start here. Default: the folder of the process. */
  readonly cwd?: string;
  /** A configuration file, instead of the one in the project. */
  readonly config?: string;
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
  /** How registries are talked to. */
  readonly registry?: RegistryOptions;
  /** Environment variables that are consulted. Default: those of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Does the work of a call with its context and cache. When it fails, what still goes on beside it is stopped, and
 * is over when the caller hears of the failure.
 */
export async function withCache<T>(call: PlanCall, work: (context: Context, cache: Cache) => Promise<T>): Promise<T> {
  const failed = new AbortController();
  const signal = call.signal === undefined ? failed.signal : AbortSignal.any([call.signal, failed.signal]);
  const env = call.environment ?? process.env;
  const context = { signal, report: call.onProgress ?? (() => {}), env };
  const cache = new Cache(call.cacheDir ?? defaultCacheDir(env), signal);
  try {
    return await work(context, cache);
  } catch (error) {
    failed.abort();
    await cache.settled();
    throw error;
  }
}

/** The closures of a plan, one for each platform, and the sources that know what they are made of. */
export interface Resolved {
  readonly sources: Sources;
  readonly programs: readonly ProgramClosure[];
}

/**
 * Finds everything that goes into the images of a plan.
 * @throws SlimError; `LOCK` with all that would change, where nothing may
 */
export async function resolve(
  context: Context,
  cache: Cache,
  planned: Plan,
  options: Pick<SourcesOptions, "allowOlder" | "forget" | "registry"> = {},
): Promise<Resolved> {
  const sources = await Sources.open(context, cache, { ...planned, ...options }, trimFile);
  try {
    return { sources, programs: await closuresOf(context, sources, planned) };
  } catch (error) {
    if (!planned.frozen || !(error instanceof SlimError) || error.code !== "LOCK") throw error;
    throw (await wouldChange(context, cache, planned, options)) ?? error;
  }
}

/** Platforms are independent of each other. When one fails the others come to an end first. */
async function closuresOf(context: Context, sources: Sources, { targets, ground }: Plan): Promise<ProgramClosure[]> {
  const settled = await Promise.allSettled(
    targets.map(({ program, platform }) => closureOf(context, sources, program, platform, ground)),
  );
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

/** All that a build that is not frozen would write into the lock; undefined when that cannot be found out. */
async function wouldChange(
  context: Context,
  cache: Cache,
  planned: Plan,
  options: Pick<SourcesOptions, "registry">,
): Promise<SlimError | undefined> {
  const { sources } = await resolve(context, cache, { ...planned, frozen: false }, options).catch(() => ({
    sources: undefined,
  }));
  if (sources === undefined) return undefined;
  const changes = lockChanges(sources.before, sources.lock).filter(({ kind }) => kind !== "date");
  if (changes.length === 0) return undefined;
  return new SlimError("LOCK", `would change: ${changes.map(formatChange).join(", ")}`, {
    where: planned.lockFile,
    hint: "run slim lock, and commit slim.lock",
  });
}
