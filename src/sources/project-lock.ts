import { readFile } from "node:fs/promises";
import path from "node:path";
import semver from "semver";
import { ioError, SlimError, systemCode } from "../base/error.ts";

/** What a package says of the machines it is for. https://docs.npmjs.com/cli/configuring-npm/package-json#os */
export interface Limits {
  readonly os?: unknown;
  readonly cpu?: unknown;
  readonly libc?: unknown;
}

/** A package as a project's own lock file has it. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** Of the tarball. Yarn's newer lock files have none. */
  readonly integrity?: string;
  /** Not there where the lock file does not say it, which is so in Yarn's first form. */
  readonly limits?: Limits;
  /** Where it lies, as an absolute path, in lock files that say so. */
  readonly place?: string;
}

/** The lock file that a project was installed by. */
export interface ProjectLock {
  readonly file: string;
  readonly packages: readonly LockedPackage[];
}

type Reader = (text: string, folder: string) => Promise<readonly LockedPackage[]> | readonly LockedPackage[];

/** The first that is there counts, as it does for the tools that write them. */
const readers: Readonly<Record<string, Reader>> = {
  "npm-shrinkwrap.json": npmPackages,
  "package-lock.json": npmPackages,
  "pnpm-lock.yaml": pnpmPackages,
  "yarn.lock": yarnPackages,
  "node_modules/.package-lock.json": npmPackages,
};

/**
 * The lock file of the first of these folders that has one.
 * @throws SlimError `SYNTAX` for one that is damaged
 */
export async function readProjectLock(folders: readonly string[]): Promise<ProjectLock | undefined> {
  for (const folder of folders) {
    for (const [name, read] of Object.entries(readers)) {
      const file = path.join(folder, name);
      const text = await readIfThere(file);
      if (text === undefined) continue;
      try {
        // What is hidden in node_modules speaks of the folder above.
        return { file, packages: await read(text, folder) };
      } catch (cause) {
        throw new SlimError("SYNTAX", "is not a lock file that can be read", {
          where: file,
          cause,
          hint: "install again to have it written anew",
        });
      }
    }
  }
  return undefined;
}

/** The locked package that a range of a dependency leads to, seen from a folder. */
export function lockedPackage(
  { packages }: ProjectLock,
  name: string,
  range: string,
  from: string,
): LockedPackage | undefined {
  const named = packages.filter((one) => one.name === name);
  for (let folder = from; named.some(({ place }) => place !== undefined); folder = path.dirname(folder)) {
    const found = named.find(({ place }) => place === path.join(folder, "node_modules", name));
    if (found !== undefined || path.dirname(folder) === folder) return found;
  }
  const best = semver.maxSatisfying(
    named.map(({ version }) => version),
    range,
  );
  return named.find(({ version }) => version === best);
}

/** https://docs.npmjs.com/cli/configuring-npm/package-lock-json, since lockfileVersion 2. */
function npmPackages(text: string, folder: string): readonly LockedPackage[] {
  const { packages } = JSON.parse(text) as { packages?: Readonly<Record<string, NpmEntry>> };
  return Object.entries(packages ?? {}).flatMap(([key, entry]) => {
    const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(key)?.[1];
    // A package under another's name is nobody's optional binary.
    if (name === undefined || entry.version === undefined || (entry.name ?? name) !== name || entry.link) return [];
    return [lockedOf(name, entry.version, entry.integrity, entry, path.join(folder, key))];
  });
}

interface NpmEntry extends Limits {
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

/** `/name@1.0.0(peer@2.0.0)`, or without the slash since version 9. https://github.com/pnpm/spec */
async function pnpmPackages(text: string): Promise<readonly LockedPackage[]> {
  const { parse } = await import("yaml");
  const { packages } = parse(text) as { packages?: Readonly<Record<string, PnpmEntry>> };
  return Object.entries(packages ?? {}).flatMap(([key, entry]) => {
    const [, name, version] = /^\/?((?:@[^/]+\/)?[^/@]+)[@/]([^(_]+)/.exec(key) ?? [];
    if (name === undefined || version === undefined || semver.valid(version) === null) return [];
    return [lockedOf(name, version, entry.resolution?.integrity, entry)];
  });
}

interface PnpmEntry extends Limits {
  readonly resolution?: { readonly integrity?: string };
}

/** Its first form is a format of its own, the later ones are YAML and say so with `__metadata`. */
async function yarnPackages(text: string): Promise<readonly LockedPackage[]> {
  if (!/^__metadata:/m.test(text)) return [...firstYarnPackages(text)];
  const { parse } = await import("yaml");
  const entries = Object.values(parse(text, { schema: "failsafe" }) as Readonly<Record<string, YarnEntry>>);
  return entries.flatMap(({ resolution = "", conditions = "" }) => {
    const [, name, version] = /^((?:@[^/]+\/)?[^/@]+)@npm:([^:]+)$/.exec(resolution) ?? [];
    if (name === undefined || version === undefined) return [];
    // `os=linux & cpu=arm64 & libc=glibc`, and alternatives as `(os=linux | os=darwin)`.
    const limit = (key: string) => {
      const values = [...conditions.matchAll(new RegExp(`\\b${key}=([\\w!.-]+)`, "g"))].map(([, value]) => value);
      return values.length === 0 ? {} : { [key]: values };
    };
    return [lockedOf(name, version, undefined, { ...limit("os"), ...limit("cpu"), ...limit("libc") })];
  });
}

interface YarnEntry {
  readonly resolution?: string;
  readonly conditions?: string;
}

/** Blocks of `"name@range", "name@other":` and indented lines `version "1.0.0"`, `integrity sha512-...`. */
function* firstYarnPackages(text: string): Generator<LockedPackage> {
  for (const block of text.split(/\n(?=\S)/)) {
    const name = /^"?((?:@[^/"]+\/)?[^/@"]+)@/.exec(block)?.[1];
    const field = (key: string) => new RegExp(`^ {2}${key} "?([^"\\n]+)"?$`, "m").exec(block)?.[1];
    const version = field("version");
    if (name !== undefined && version !== undefined) {
      const integrity = field("integrity");
      yield { name, version, ...(integrity === undefined ? {} : { integrity }) };
    }
  }
}

function lockedOf(
  name: string,
  version: string,
  integrity: string | undefined,
  { os, cpu, libc }: Limits,
  place?: string,
): LockedPackage {
  return {
    name,
    version,
    ...(integrity === undefined ? {} : { integrity }),
    limits: { os, cpu, libc },
    ...(place === undefined ? {} : { place }),
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw ioError(error, file, "read");
  }
}
