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

type Reader = (text: string, folder: string) => Iterable<LockedPackage>;

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
        return { file, packages: [...read(text, folder)] };
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

// What pnpm and Yarn write is a small part of YAML, and of that little matters here: reading all of it takes a second.

/** `/name@1.0.0(peer@2.0.0)`, or without the slash since version 9. https://github.com/pnpm/spec */
function* pnpmPackages(text: string): Generator<LockedPackage> {
  for (const block of text.split(/\n(?= {2}\S)/)) {
    const [, name, version] = /^ {2}'?\/?((?:@[^/]+\/)?[^/@]+)[@/]([^(_':]+)/.exec(block) ?? [];
    const field = (key: string) => new RegExp(`^ {4}${key}: (.+)$`, "m").exec(block)?.[1];
    const limits = Object.fromEntries(
      ["os", "cpu", "libc"].flatMap((key) => {
        const list = /^\[(.*)\]$/.exec(field(key) ?? "")?.[1];
        return list === undefined ? [] : [[key, list.split(",").map((item) => item.trim().replace(/^'|'$/g, ""))]];
      }),
    );
    const integrity = /\bintegrity: ([^,}]+)/.exec(field("resolution") ?? "")?.[1];
    if (name !== undefined && version !== undefined && integrity !== undefined)
      yield lockedOf(name, version, integrity, limits);
  }
}

/** Its first form is a format of its own; the later ones say so with `__metadata`. */
function* yarnPackages(text: string): Generator<LockedPackage> {
  const isFirst = !/^__metadata:/m.test(text);
  for (const block of text.split(/\n(?=\S)/)) {
    const field = (key: string) => new RegExp(`^ {2}${key}:? "?([^"\\n]+)"?$`, "m").exec(block)?.[1];
    const name = /^"?((?:@[^/"]+\/)?[^/@"]+)@/.exec(block)?.[1];
    const version = field("version");
    if (name === undefined || version === undefined) continue;
    const integrity = field("integrity");
    // The first form does not say what a package is for, and the later ones have no hash of the tarball.
    if (isFirst) yield { name, version, ...(integrity === undefined ? {} : { integrity }) };
    else yield lockedOf(name, version, undefined, conditions(field("conditions") ?? ""));
  }
}

/** `os=linux & cpu=arm64 & libc=glibc`, with alternatives as `(os=linux | os=darwin)`. */
function conditions(text: string): Limits {
  const limit = (key: string) => {
    const values = [...text.matchAll(new RegExp(`\\b${key}=([\\w!.-]+)`, "g"))].map(([, value]) => value);
    return values.length === 0 ? {} : { [key]: values };
  };
  return { ...limit("os"), ...limit("cpu"), ...limit("libc") };
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
    return (await readFile(file, "utf8")).replaceAll("\r\n", "\n");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw ioError(error, file, "read");
  }
}
