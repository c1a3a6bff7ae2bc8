import { readFileSync } from "node:fs";
import path from "node:path";
import semver from "semver";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import type { PackageFile, PublishedPackages } from "../../sources/packages.ts";
import {
  type Limits,
  type LockedPackage,
  lockedPackage,
  type ProjectLock,
  readProjectLock,
} from "../../sources/project-lock.ts";
import { type Disk, isWithin } from "../disk.ts";
import { allows, isCarrier, type Machine, suits } from "./addons.ts";
import type { Packages, Scope } from "./packages.ts";

/** Where packages come from that are not installed here. */
export type Published = Pick<PublishedPackages, "files" | "limits">;

/** What became of the binaries that a package has as optional dependencies. */
export interface Carriers {
  /** Folders of those for the target, installed or added. */
  readonly folders: readonly string[];
  /** There are some for Linux, or for this machine, and none for the target. */
  readonly lacking: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

export interface AbsentOptions {
  readonly disk: Disk;
  readonly packages: Packages;
  readonly published: Published | undefined;
  readonly machine: Machine;
  /** Folders that may have the project's lock file, the nearest first. */
  readonly folders: readonly string[];
  /** The folder of an installed package, seen from another's. */
  readonly find: (name: string, from: string) => string | undefined;
}

interface Wanted {
  readonly name: string;
  readonly locked: LockedPackage;
  readonly limits: Limits;
}

/** Optional dependencies that an install on the target would have brought and the one here has not. */
export class Absent {
  readonly #options: AbsentOptions;
  #lock: Promise<ProjectLock | undefined> | undefined;

  constructor(options: AbsentOptions) {
    this.#options = options;
  }

  /**
   * The binaries of a package for the target; those that are not installed are added to the disk.
   * @throws SlimError `INTEGRITY`, `NOT_FOUND`, `NETWORK`, `LOCK`, `SYNTAX` for a damaged lock file
   */
  async carriers(scope: Scope): Promise<Carriers> {
    const { packages, published, find, machine } = this.#options;
    const diagnostics: Diagnostic[] = [];
    const folders: string[] = [];
    const limits: Limits[] = [];
    const missing: string[] = [];
    for (const name of Object.keys(scope.json.optionalDependencies ?? {}).sort(compareStrings)) {
      const folder = find(name, scope.folder);
      const json = folder === undefined ? undefined : packages.at(folder)?.json;
      if (folder === undefined || json === undefined) missing.push(name);
      else if (isCarrier(json)) {
        limits.push(json);
        if (suits(json, machine)) folders.push(folder);
      }
    }
    // What is installed for the target is what was wanted.
    if (folders.length > 0 || missing.length === 0)
      return { folders, lacking: folders.length === 0 && limits.length > 0, diagnostics };
    const known = (await this.#known(scope, missing, limits.length > 0, diagnostics)).filter((one) =>
      isCarrier(one.limits),
    );
    const fitting = known.filter((one) => suits(one.limits, machine));
    const fetched = await Promise.all(fitting.map(async (one) => ({ one, files: await published?.files(one.locked) })));
    for (const { one, files } of fetched) {
      if (files === undefined || !suits(manifestOf(files), machine)) continue;
      folders.push(this.#add(scope, one, files));
      diagnostics.push(fetchedForTarget(one.locked));
    }
    limits.push(...known.map((one) => one.limits));
    // One that is only for other systems, such as a watcher of macOS, is not missed.
    const wanted = limits.some(({ os }) => allows(os, "linux")) || (known.length === 0 && limits.length > 0);
    return { folders, lacking: folders.length === 0 && wanted, diagnostics };
  }

  /**
   * What can be known of dependencies that are not here.
   * @param bound whether the lock file may be silent: then the registry is asked for exact versions
   */
  async #known(
    scope: Scope,
    names: readonly string[],
    bound: boolean,
    diagnostics: Diagnostic[],
  ): Promise<readonly Wanted[]> {
    const { published } = this.#options;
    if (published === undefined) return [];
    this.#lock ??= readProjectLock(this.#options.folders);
    const lock = await this.#lock;
    const unknown: string[] = [];
    const found: Wanted[] = [];
    for (const name of names) {
      const range = scope.json.optionalDependencies?.[name] ?? "";
      const exact: LockedPackage | undefined =
        bound && semver.valid(range) !== null ? { name, version: range } : undefined;
      const locked = (lock && lockedPackage(lock, name, range, scope.folder)) ?? exact;
      if (locked === undefined) continue;
      try {
        found.push({ name, locked, limits: locked.limits ?? (await published.limits(locked)) });
      } catch (error) {
        if (!(error instanceof SlimError) || error.code === "ABORTED") throw error;
        // Some are declared and were never published.
        if (error.code === "NOT_FOUND") continue;
        unknown.push(error.message);
      }
    }
    if (unknown[0] !== undefined) {
      diagnostics.push({
        code: "unknown-platform",
        severity: "warning",
        message: `which optional dependencies of ${scope.json.name} are for the target cannot be found out: ${unknown[0]}`,
        hint: "install them for the target, or build once with a network",
      });
    }
    return found;
  }

  #add(scope: Scope, { name, locked }: Wanted, files: readonly PackageFile[]): string {
    const { disk, packages } = this.#options;
    const { folder, link } = this.#place(scope, name, locked);
    disk.add(folder, files);
    if (link !== undefined) disk.addLink(link, folder);
    packages.forget(folder);
    return folder;
  }

  /** Where an install would put it: as the lock file says, in the store as its dependent lies there, or beside it. */
  #place(scope: Scope, name: string, locked: LockedPackage): { readonly folder: string; readonly link?: string } {
    const { disk } = this.#options;
    if (locked.place !== undefined) return { folder: locked.place };
    const at = scope.folder.lastIndexOf(`${path.sep}node_modules${path.sep}`);
    const inside = path.join(scope.folder, "node_modules", name);
    if (at < 0) return { folder: inside };
    const holder = scope.folder.slice(0, at);
    const beside = path.join(holder, "node_modules", name);
    const stored = (package_: string) => `${package_.replaceAll("/", "+")}@`;
    if (scope.json.name !== undefined && path.basename(holder).startsWith(stored(scope.json.name))) {
      const folder = path.join(path.dirname(holder), stored(name) + locked.version, "node_modules", name);
      return { folder, link: beside };
    }
    return { folder: disk.isFolder(beside) ? inside : beside };
  }
}

/** Lock files do not always say which C library a package is for; the package does. */
function manifestOf(files: readonly PackageFile[]): Limits {
  const manifest = files.find((file) => file.path === "package.json");
  return manifest === undefined ? {} : (JSON.parse(readFileSync(manifest.source, "utf8")) as Limits);
}

function fetchedForTarget({ name, version, integrity }: LockedPackage): Diagnostic {
  const hash = integrity === undefined ? "; its hash is in slim.lock, for the project has no lock file with it" : "";
  return {
    code: "fetched-for-target",
    severity: "info",
    message: `${name}@${version} is not installed here and is fetched for the target${hash}`,
  };
}

/** The folders from one up to another. */
export function foldersUp(from: string, to: string): readonly string[] {
  const folders: string[] = [];
  for (let at = from; isWithin(at, to); at = path.dirname(at)) folders.push(at);
  return folders;
}
