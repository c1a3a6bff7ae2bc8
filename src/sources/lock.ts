import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import path from "node:path";
import semver from "semver";
import { ioError, SlimError, systemCode } from "../base/error.ts";
import { compareStrings, writeAtomically } from "../base/files.ts";
import type { BaseLock } from "./base/bases.ts";
import { ociArchitecture } from "./debian/architecture.ts";
import type { DebianLock } from "./debian/lock.ts";
import { compareVersions } from "./debian/version.ts";
import { damagedPlace } from "./lock-shape.ts";
import { type NodeLock, runtimeArchitecture } from "./node.ts";
import type { PackagesLock } from "./packages.ts";

export const LOCK_NAME = "slim.lock";

/** `slim.lock`: what a build takes from outside, exact, sorted and without the name of any host. */
export interface Lock {
  readonly lockVersion: 1;
  readonly node?: NodeLock;
  readonly packages?: PackagesLock;
  readonly debian?: DebianLock;
  readonly bases?: BaseLock;
}

/**
 * Reads a lock, or gives undefined when there is none.
 * @throws SlimError `LOCK` when it is damaged or newer than this slim
 */
export async function readLock(file: string): Promise<Lock | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw ioError(error, file, "read");
  }
  let lock: Partial<Lock> | null;
  try {
    lock = JSON.parse(text) as Partial<Lock> | null;
  } catch (cause) {
    if (/^<{7} /m.test(text)) {
      throw new SlimError("LOCK", "has conflicts of a merge", {
        where: file,
        cause,
        hint: "take either side, and run slim lock, which adds what it lacks",
      });
    }
    throw new SlimError("LOCK", "is not JSON", { where: file, cause, hint: "restore it, or delete it to lock anew" });
  }
  if (lock?.lockVersion !== 1) {
    throw new SlimError("LOCK", `has lockVersion ${JSON.stringify(lock?.lockVersion)}, not 1`, {
      where: file,
      hint: "update slim, or delete the file to lock anew",
    });
  }
  const damaged = damagedPlace(lock);
  if (damaged === undefined) return lock as Lock;
  throw new SlimError("LOCK", `is damaged at ${damaged}`, {
    where: file,
    hint: "restore it, or delete it to lock anew",
  });
}

/** Two spaces, one fact a line, keys in the order their makers sorted them: made for review. */
export function formatLock(lock: Lock): string {
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/**
 * A lock that knows less, so that it is resolved anew: without these names (of Debian packages, or
 * `node`, `base` for all bases or the reference of one), or without anything but the dates that must not be gone behind.
 * @throws SlimError `NOT_FOUND` for a name that is not in the lock
 */
export function forget(lock: Lock | undefined, names: readonly string[] | "all"): Lock | undefined {
  if (lock === undefined) return undefined;
  const { lockVersion, node, packages: published, debian, bases = {} } = lock;
  if (names === "all") {
    return debian === undefined
      ? { lockVersion }
      : { lockVersion, debian: { suite: debian.suite, dates: debian.dates, packages: {} } };
  }
  const references = Object.keys(bases);
  const known = new Set([
    ...(node ? ["node"] : []),
    ...Object.keys(published ?? {}),
    ...(references.length > 0 ? ["base", ...references] : []),
    ...Object.values(debian?.packages ?? {}).flatMap(Object.keys),
  ]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new SlimError("NOT_FOUND", `has no "${unknown}"`, {
      where: LOCK_NAME,
      hint: "a Debian package, a package of npm with its version, node, base, or the whole reference of a base",
    });
  }
  const without = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
  const packages = Object.entries(debian?.packages ?? {}).map(([architecture, all]) => [architecture, without(all)]);
  return {
    lockVersion,
    ...(node && !names.includes("node") ? { node } : {}),
    ...(published ? { packages: without(published) } : {}),
    ...(debian ? { debian: { ...debian, packages: Object.fromEntries(packages) } } : {}),
    ...(references.length > 0 && !names.includes("base") ? { bases: without(bases) } : {}),
  };
}

/** The architectures, as OCI calls them, of the platforms that a lock was made for. */
export function lockedArchitectures({ node, debian }: Lock): readonly string[] {
  const known = [
    ...Object.keys(node?.packages ?? {}).map(runtimeArchitecture),
    ...Object.keys(debian?.packages ?? {}).map(ociArchitecture),
  ];
  return [...new Set(known.filter((one) => one !== undefined))].sort(compareStrings);
}

/** A fact of a lock that is new, other or gone. */
export interface LockChange {
  readonly kind: "base" | "date" | "library" | "node" | "npm" | "package" | "runtime";
  readonly name: string;
  readonly from?: string;
  readonly to?: string;
}

/** What differs between two locks, by kind and name. */
export function lockChanges(before: Lock | undefined, after: Lock | undefined): LockChange[] {
  const [old, now] = [factsOf(before), factsOf(after)];
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort(compareStrings);
  return keys.flatMap((key) => {
    const { kind, name } = (now.get(key) ?? old.get(key)) as Fact;
    const [from, to] = [old.get(key)?.value, now.get(key)?.value];
    if (from === to) return [];
    return [{ kind, name, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
  });
}

/** Whether a version goes back. Dates do not: an index that is older than the lock is refused when it is read. */
export function isOlder({ kind, from, to }: LockChange): boolean {
  if (from === undefined || to === undefined) return false;
  if (kind === "node") return semver.lt(to, from);
  return kind === "package" && compareVersions(to, from) < 0;
}

/** `libc6 (amd64) 2.41-12 -> 2.41-13`; of a hash, the first digits. */
export function formatChange({ kind, name, from = "nothing", to = "nothing" }: LockChange): string {
  const isHash = kind === "runtime" || kind === "npm" || kind === "base";
  const short = (value: string) => (isHash ? value.slice(0, 15) : value);
  return `${name} ${short(from)} -> ${short(to)}`;
}

interface Fact {
  readonly kind: LockChange["kind"];
  readonly name: string;
  readonly value: string;
}

function factsOf(lock: Lock | undefined): Map<string, Fact> {
  const { node, packages, debian, bases } = lock ?? {};
  const entries = Object.entries;
  const byArchitecture = <T>(
    kind: Fact["kind"],
    record: Readonly<Record<string, Readonly<Record<string, T>>>>,
    value: (one: T) => string,
  ) =>
    entries(record).flatMap(([architecture, named]) =>
      entries(named).map(([name, one]): Fact => ({ kind, name: `${name} (${architecture})`, value: value(one) })),
    );
  const facts: Fact[] = [
    ...entries(bases ?? {}).map(([name, value]): Fact => ({ kind: "base", name: `base ${name}`, value })),
    ...entries(debian?.dates ?? {}).map(([name, value]): Fact => ({ kind: "date", name, value })),
    ...byArchitecture("library", debian?.libraries ?? {}, (owner) => owner ?? "in no package"),
    ...entries(node?.requests ?? {}).map(([name, value]): Fact => ({ kind: "node", name: `node ${name}`, value })),
    ...entries(packages ?? {}).map(([name, value]): Fact => ({ kind: "npm", name, value })),
    ...byArchitecture("package", debian?.packages ?? {}, ({ version }) => version),
    ...entries(node?.packages ?? {}).map(([name, value]): Fact => ({ kind: "runtime", name, value })),
  ];
  return new Map(facts.map((fact) => [`${fact.kind} ${fact.name}`, fact]));
}

/**
 * Whether the lock that is to be written could be, which is asked before anything else is.
 * @throws SlimError `IO`
 */
export async function checkWritable(file: string, before: Lock | undefined, after: Lock): Promise<void> {
  if (!isNew(before, after)) return;
  try {
    await access(path.dirname(file), constants.W_OK);
  } catch (error) {
    const { code, message, where, cause } = ioError(error, file, "write");
    const hint = "run slim lock where the folder can be written to, and commit slim.lock";
    throw new SlimError(code, message, { where, cause, hint });
  }
}

function isNew(before: Lock | undefined, after: Lock): boolean {
  return before === undefined || formatLock(before) !== formatLock(after);
}

/** Writes the lock when it says something new. */
export async function writeLock(file: string, before: Lock | undefined, after: Lock): Promise<void> {
  if (!isNew(before, after)) return;
  await writeAtomically(file, (handle) => handle.writeFile(formatLock(after)));
}
