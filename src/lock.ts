import type { Context } from "./base/context.ts";
import { SlimError } from "./base/error.ts";
import { formatPlatform } from "./image/platform.ts";
import type { Cache } from "./layer/cache.ts";
import { type Plan, plan } from "./plan/plan.ts";
import { type PlanCall, resolve, withCache } from "./resolve.ts";
import { formatChange, isOlder, type LockChange, lockChanges, lockedArchitectures, readLock } from "./sources/lock.ts";

export interface LockCall extends PlanCall {
  /** What is resolved anew although it is locked: `true` for everything, or names of packages, `node`, or `base`. */
  readonly update?: boolean | readonly string[];
  /** Versions and Debian's indices may go back in time. Default: they may not. */
  readonly allowOlder?: boolean;
}

export interface LockResult {
  readonly lockFile: string;
  readonly changes: readonly LockChange[];
}

/**
 * Resolves what a build would take from outside, and writes `slim.lock` without building. Where no
 * platform is asked for, those that the lock knows are resolved beside that of this machine.
 * @throws SlimError `LOCK` when a version would go back
 */
export async function lock(call: LockCall = {}): Promise<LockResult> {
  return withCache(call, (context, cache) => lockWith(context, cache, call));
}

async function lockWith(context: Context, cache: Cache, call: LockCall): Promise<LockResult> {
  const { update = false, allowOlder = false } = call;
  const planned = await planLocked(context, call);
  const forget = update === true ? "all" : update === false ? [] : update;
  if (planned.frozen && forget.length > 0) {
    throw new SlimError("CONFIG", "a lock that is frozen cannot be updated", { where: "--frozen" });
  }
  const { sources } = await resolve(context, cache, planned, { allowOlder, forget, registry: call.registry });
  const changes = lockChanges(sources.before, sources.lock);
  const older = allowOlder ? [] : changes.filter(isOlder);
  if (older.length > 0) {
    throw new SlimError("LOCK", `would go back: ${older.map(formatChange).join(", ")}`, {
      where: planned.lockFile,
      hint: "the source is behind; --allow-older if that is meant",
    });
  }
  await sources.writeLock(planned.lockFile);
  return { lockFile: planned.lockFile, changes };
}

async function planLocked(context: Context, call: LockCall): Promise<Plan> {
  const planFor = (options: PlanCall) => plan(context, call.cwd ?? process.cwd(), options, call.config);
  const planned = await planFor(call);
  const lock = planned.anyPlatform ? await readLock(planned.lockFile) : undefined;
  if (lock === undefined) return planned;
  const platforms = [...planned.targets.map(({ platform }) => formatPlatform(platform)), ...lockedArchitectures(lock)];
  return planFor({ ...call, platform: platforms.join(",") });
}
