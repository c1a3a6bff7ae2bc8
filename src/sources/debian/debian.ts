import type { Context } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import { type Digest, isDigest, verified } from "../../image/digest.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Content } from "../../layer/entry.ts";
import { libraryTriplet } from "./architecture.ts";
import { readRange, readText } from "./bytes.ts";
import { type PackedFile, type Unpacked, unpackDeb } from "./deb.ts";
import { contentsReader, packagesReader, provides } from "./indices.ts";
import { archiveKeys } from "./keys.ts";
import { hasLibrary, libraryPackageNames, standardLibrary } from "./library.ts";
import type { Archive, DebianLock, LockedPackage } from "./lock.ts";
import { Mirror } from "./mirror.ts";
import { type DebianPackage, dependencies, type PackageFile, packageUrl, stanza } from "./package.ts";
import { readPostinst } from "./postinst.ts";
import { type Release, readRelease } from "./release.ts";
import { loadTable, type RowReader, Table } from "./table.ts";
import { compareVersions } from "./version.ts";

interface Suite {
  readonly name: string;
  readonly archive: Archive;
  readonly optional: boolean;
}

/** Where packages come from; what is in none of the three is not in Debian for slim. */
const suites: readonly Suite[] = [
  { name: "trixie", archive: "main", optional: false },
  { name: "trixie-updates", archive: "main", optional: true },
  { name: "trixie-security", archive: "security", optional: false },
];

/** `InRelease` is some 150 kB. */
const LARGEST_RELEASE = 4 * 1024 * 1024;

export interface DebianOptions {
  readonly context: Context;
  readonly cache: Cache;
  /** What an earlier build used: the same is used again. */
  readonly lock?: DebianLock | undefined;
  /** The URL of Debian's main archive, ending in `/debian`; found by itself when left out. */
  readonly mirror?: string | undefined;
  /** Fail rather than use what the lock does not have. */
  readonly frozen: boolean;
  /** Whether an index may be older than the lock has seen. */
  readonly allowOlder?: boolean;
  /** To tell whether an index has expired. */
  readonly now: Date;
  /** Armored public keys instead of Debian's own: for an archive signed by somebody else. */
  readonly keys?: string | undefined;
}

/**
 * Debian trixie, package by package: signed `InRelease`, then `Packages` by hash, then `.deb` by hash.
 * What is fetched is verified before it is read and stays in the cache; with a lock that has the
 * packages, and a warm cache, no network is used.
 */
export class Debian {
  readonly #options: DebianOptions;
  readonly #mirror: Mirror;
  readonly #loaded = new Map<string, Promise<Loaded>>();
  readonly #releases = new Map<string, Promise<Release | undefined>>();
  readonly #tables = new Map<string, Promise<Table | undefined>>();
  readonly #packages = new Map<string, Map<string, LockedPackage>>();
  readonly #libraries = new Map<string, Map<string, string | null>>();
  readonly #dates = new Map<string, string>();

  constructor(options: DebianOptions) {
    this.#options = options;
    this.#mirror = new Mirror(options.context, options.mirror);
    const { packages, libraries, dates } = options.lock ?? {};
    for (const [architecture, named] of Object.entries(packages ?? {})) {
      this.#packages.set(architecture, new Map(Object.entries(named)));
    }
    for (const [architecture, named] of Object.entries(libraries ?? {})) {
      this.#libraries.set(architecture, new Map(Object.entries(named)));
    }
    for (const [suite, date] of Object.entries(dates ?? {})) this.#dates.set(suite, date);
  }

  /**
   * The package of this name: the locked version, else the highest of all suites.
   * @throws SlimError `NOT_FOUND` when Debian has none, `LOCK` when it is not locked although frozen,
   * `INTEGRITY`, `DEBIAN` or `ARCHIVE_UNSAFE` when it is not what it should be, `NETWORK`, `CONFIG`
   */
  async package(architecture: string, name: string): Promise<DebianPackage> {
    const { found, entry } = await this.#load(architecture, name);
    inner(this.#packages, architecture).set(name, entry);
    return found;
  }

  /**
   * The package that has a library in a folder where the loader looks by itself; else one that
   * `requester` depends on and that has it in another folder; undefined when Debian has none. The
   * answer is proved by the files of the package.
   * @param requester the package of who needs the library
   * @throws SlimError like `package`; `LOCK` when the lock does not tell although frozen
   */
  async libraryPackage(architecture: string, soname: string, requester?: string): Promise<string | undefined> {
    libraryTriplet(architecture);
    const known = this.#libraries.get(architecture)?.get(soname);
    if (known !== undefined) return known ?? undefined;
    const named = await this.#firstWithLibrary(architecture, soname, libraryPackageNames(soname));
    if (named !== undefined) return named;
    if (this.#options.frozen) throw notLocked(`library ${soname} (${architecture})`);
    const found =
      (await this.#firstWithLibrary(architecture, soname, await this.#listed(architecture, soname))) ??
      (requester === undefined ? undefined : await this.#dependencyWith(architecture, soname, requester));
    inner(this.#libraries, architecture).set(soname, found ?? null);
    return found;
  }

  /**
   * Of what a package depends on, the one that has a file at a path; undefined when none has.
   * @throws SlimError like `package`; `LOCK` when the lock does not tell although frozen
   */
  async dependencyWithFile(architecture: string, name: string, file: string): Promise<DebianPackage | undefined> {
    const known = this.#libraries.get(architecture)?.get(file);
    if (known === undefined && this.#options.frozen) throw notLocked(`file ${file} (${architecture})`);
    const owner = known === undefined ? await this.#dependencyWith(architecture, file, name) : known;
    inner(this.#libraries, architecture).set(file, owner ?? null);
    return owner ? await this.package(architecture, owner) : undefined;
  }

  /**
   * What a package depends on. Of alternatives it is the one that is preferred, else the first that there
   * is; a name that another package provides is that one, and passed over where several do. With a frozen
   * lock, what it lacks is not there.
   * @throws SlimError like `package`
   */
  async dependencies(
    architecture: string,
    name: string,
    { isWanted, isPreferred }: Record<"isWanted" | "isPreferred", (name: string) => boolean>,
  ): Promise<readonly DebianPackage[]> {
    const { dependencies } = await this.package(architecture, name);
    const found = new Map<string, DebianPackage>();
    for (const alternatives of dependencies) {
      const names = alternatives.filter(isWanted).toSorted((a, b) => Number(isPreferred(b)) - Number(isPreferred(a)));
      for (const one of names) {
        const real = await this.#realName(architecture, one);
        if (real === undefined || !isWanted(real)) continue;
        found.set(real, await this.package(architecture, real));
        break;
      }
    }
    return [...found.values()];
  }

  /** The package of a name, or the one that provides it. */
  async #realName(architecture: string, name: string): Promise<string | undefined> {
    const known = this.#libraries.get(architecture)?.get(name);
    if (known !== undefined) return known ?? undefined;
    if (await this.#loadIfThere(architecture, name)) return name;
    if (this.#options.frozen) return undefined;
    const tables = await this.#packageTables(architecture);
    const providers = new Set(tables.flatMap((table) => (table?.rows(provides(name)) ?? []).flat()));
    const [provider] = providers.size === 1 ? providers : [];
    inner(this.#libraries, architecture).set(name, provider ?? null);
    return provider;
  }

  /** What the given lock had and what was used beyond it, sorted; undefined when that is nothing. */
  get lock(): DebianLock | undefined {
    if (this.#packages.size === 0 && this.#libraries.size === 0) return undefined;
    return {
      suite: "trixie",
      dates: sorted(this.#dates),
      packages: sortedTwice(this.#packages),
      ...(this.#libraries.size === 0 ? {} : { libraries: sortedTwice(this.#libraries) }),
    };
  }

  async #firstWithLibrary(architecture: string, soname: string, names: readonly string[]): Promise<string | undefined> {
    // What was locked comes first: it needs no index. What this build used so far does not count, for
    // that may depend on which download was faster.
    const lockedNames = this.#options.lock?.packages[architecture] ?? {};
    const locked = (name: string) => (Object.hasOwn(lockedNames, name) ? 0 : 1);
    for (const name of names.toSorted((a, b) => locked(a) - locked(b))) {
      const loaded = await this.#loadIfThere(architecture, name);
      if (loaded === undefined || !hasLibrary(loaded.found, architecture, soname)) continue;
      inner(this.#packages, architecture).set(name, loaded.entry);
      return name;
    }
    return undefined;
  }

  /** The dependency of a package that has a file of this name, or at this path. */
  async #dependencyWith(architecture: string, file: string, requester: string): Promise<string | undefined> {
    const end = file.startsWith("/") ? file : `/${file}`;
    const { dependencies } = (await this.#load(architecture, requester)).found;
    for (const [name = ""] of dependencies) {
      const { files = [] } = (await this.#loadIfThere(architecture, name))?.found ?? {};
      if (files.some(({ path, type }) => type !== "directory" && path.endsWith(end))) return name;
    }
    return undefined;
  }

  async #loadIfThere(architecture: string, name: string): Promise<Loaded | undefined> {
    const entry = await this.#entry(architecture, name);
    return entry === undefined ? undefined : await this.#load(architecture, name);
  }

  /** Two calls for one package share the work. */
  #load(architecture: string, name: string): Promise<Loaded> {
    return once(this.#loaded, `${architecture}/${name}`, async () => {
      const entry = await this.#entry(architecture, name);
      if (entry === undefined) {
        if (this.#options.frozen) throw notLocked(`package ${name} (${architecture})`);
        throw new SlimError("NOT_FOUND", `Debian trixie has no package ${name} for ${architecture}`, {
          hint: "check its name; of a virtual package, name one that provides it",
        });
      }
      const found = describe(await this.#unpacked(entry), this.#options.cache);
      if (
        found.name !== name ||
        found.version !== entry.version ||
        ![architecture, "all"].includes(found.architecture)
      ) {
        const what = `${found.name} ${found.version} (${found.architecture})`;
        throw new SlimError("DEBIAN", `is ${what}, not ${name} ${entry.version}`, { where: entry.filename });
      }
      return { found, entry };
    });
  }

  /** Which file a package is: as locked, else as the indices have it; undefined where neither has it. */
  async #entry(architecture: string, name: string): Promise<LockedPackage | undefined> {
    const locked = this.#packages.get(architecture)?.get(name);
    if (locked !== undefined || this.#options.frozen) return locked;
    const tables = await this.#packageTables(architecture);
    const found = suites.flatMap(({ archive }, index) =>
      (tables[index]?.rows(name) ?? []).map(([version = "", filename = "", sha256 = "", size]): LockedPackage => {
        return { version, filename, sha256, size: Number(size), archive };
      }),
    );
    return found.reduce<LockedPackage | undefined>((best, one) => {
      return best === undefined || compareVersions(one.version, best.version) > 0 ? one : best;
    }, undefined);
  }

  async #unpacked(entry: LockedPackage): Promise<Unpacked> {
    const { cache } = this.#options;
    const digest = `sha256:${entry.sha256}`;
    if (!isDigest(digest) || !/^pool\/(?!.*(?:^|\/)\.\.?(?:\/|$))/.test(entry.filename)) {
      throw new SlimError("LOCK", "the entry of a Debian package is damaged", { where: entry.filename });
    }
    const kept = await cache.get<Unpacked>("deb-2", digest);
    if (kept !== undefined && (await cache.blob(kept.pack)) !== undefined) return kept;
    const deb = await this.#fetched(entry.archive, entry.filename, { digest, size: entry.size }).catch(
      hinting("run slim lock --update, or set SLIM_DEBIAN_MIRROR to a dated snapshot of Debian that has it"),
    );
    const unpacked = await unpackDeb(cache, deb, entry.filename);
    await cache.put("deb-2", digest, unpacked);
    return unpacked;
  }

  /** A file of the archive by digest: from the cache, else from the mirror. */
  async #fetched(archive: Archive, file: string, expected: { digest: Digest; size: number }): Promise<Content> {
    const { cache } = this.#options;
    const kept = await cache.blob(expected.digest);
    if (kept !== undefined) return kept;
    return await this.#mirror.fetch(archive, file, (body, url) => cache.add(verified(body, expected, url)));
  }

  #release(suite: Suite): Promise<Release | undefined> {
    return once(this.#releases, suite.name, async () => {
      const { keys = archiveKeys, now, lock, allowOlder } = this.#options;
      const notBefore = allowOlder ? undefined : lock?.dates[suite.name];
      const expected = { keys, now, codename: suite.name, notBefore };
      try {
        const release = await this.#mirror.fetch(suite.archive, `dists/${suite.name}/InRelease`, async (body, where) =>
          readRelease(await readText(body, LARGEST_RELEASE, where), { ...expected, where }),
        );
        this.#dates.set(suite.name, release.date);
        return release;
      } catch (error) {
        if (suite.optional && isNotFound(error)) return undefined;
        return hinting("SLIM_DEBIAN_MIRROR and SLIM_DEBIAN_SECURITY_MIRROR say where Debian is")(error);
      }
    });
  }

  /** The packages that Debian's list of all files names for a library, sorted. */
  async #listed(architecture: string, soname: string): Promise<string[]> {
    const reader = () => contentsReader(standardLibrary(architecture));
    const tables = await this.#tablesOf(`main/Contents-${architecture}`, "debian-contents-1", reader);
    const names = tables.flatMap((table) => table?.rows(soname) ?? []).flatMap(([column = ""]) => column.split(","));
    return [...new Set(names)].sort(compareStrings);
  }

  #packageTables(architecture: string): Promise<(Table | undefined)[]> {
    return this.#tablesOf(`main/binary-${architecture}/Packages`, "debian-packages-2", packagesReader);
  }

  /** An index of all suites, in their order. Nothing goes on in the background when one fails. */
  async #tablesOf(file: string, kind: string, reader: () => RowReader): Promise<(Table | undefined)[]> {
    const settled = await Promise.allSettled(suites.map((suite) => this.#table(suite, file, kind, reader)));
    return settled.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    });
  }

  /** An index of a suite, fetched and read once; undefined where the suite is not there. */
  #table(suite: Suite, file: string, kind: string, reader: () => RowReader): Promise<Table | undefined> {
    return once(this.#tables, `${suite.name}/${file}`, async () => {
      const release = await this.#release(suite);
      if (release === undefined) return undefined;
      const limit = release.files.get(file)?.size;
      if (limit === 0) return Table.empty;
      // gzip is five times as fast to unpack; the security archive has xz alone.
      const name = [`${file}.gz`, `${file}.xz`].find((one) => release.files.has(one));
      const expected = release.files.get(name ?? "");
      if (name === undefined || expected === undefined || limit === undefined) {
        throw new SlimError("DEBIAN", `${suite.name} has no ${file}`, { hint: "is it an architecture of Debian?" });
      }
      const fetched = (path: string) => this.#fetched(suite.archive, `dists/${suite.name}/${path}`, expected);
      const byHash = name.replace(/[^/]*$/, `by-hash/SHA256/${expected.digest.slice(7)}`);
      const content = await (release.byHash ? fetched(byHash) : fetched(name)).catch((error: unknown) => {
        // As apt does: not every mirror has every architecture by hash. The bytes are checked either way.
        if (release.byHash && isNotFound(error)) return fetched(name).catch(outOfStep);
        throw error;
      });
      return await loadTable(this.#options.cache, kind, { name, content, limit }, reader);
    });
  }
}

interface Loaded {
  readonly found: DebianPackage;
  readonly entry: LockedPackage;
}

function describe(unpacked: Unpacked, cache: Cache): DebianPackage {
  const { control, postinst } = unpacked;
  const fields = stanza(control);
  const field = (key: string) => fields.get(key) ?? "";
  const [name, version, architecture] = [field("Package"), field("Version"), field("Architecture")];
  // `Source: gcc-14 (14.2.0-19)` where the version differs as well.
  const source = fields.get("Source")?.split(" ")[0];
  const pack = cache.pathOf(unpacked.pack);
  const files = unpacked.files.map((file) => packageFile(file, pack));
  const { made, undone } = postinst === undefined ? { made: [], undone: [] } : readPostinst(postinst, files);
  return {
    name,
    version,
    architecture,
    ...(source === undefined ? {} : { source }),
    purl: packageUrl(name, version, architecture),
    control,
    dependencies: dependencies(fields),
    undone,
    files: [...files, ...made],
  };
}

function packageFile(file: PackedFile, pack: string): PackageFile {
  if (file.type !== "file") return file;
  const { type, path, mode, md5, digest, offset, size } = file;
  return {
    type,
    path,
    mode,
    md5,
    content: {
      digest,
      size,
      open: () => readRange({ file: pack, start: offset, size }),
      place: { file: pack, offset },
    },
  };
}

function isNotFound(error: unknown): error is SlimError {
  return error instanceof SlimError && error.code === "NOT_FOUND";
}

/** Throws again, with what to do when a mirror does not have something. */
function hinting(hint: string): (error: unknown) => never {
  return (error) => {
    if (!isNotFound(error)) throw error;
    throw new SlimError("NOT_FOUND", "the mirror does not have it", { where: error.where, cause: error, hint });
  };
}

/** What a mirror has only by name may be of yesterday. */
function outOfStep(error: unknown): never {
  if (!(error instanceof SlimError) || error.code !== "INTEGRITY") throw error;
  throw new SlimError("INTEGRITY", `is not the index that InRelease names: ${error.message}`, {
    where: error.where,
    cause: error,
    hint: "the mirror is out of step with itself: try again later, or set SLIM_DEBIAN_MIRROR to another",
  });
}

function notLocked(what: string): SlimError {
  return new SlimError("LOCK", `${what} is not in slim.lock`, { hint: "run slim lock, or build without --frozen" });
}

/** Keeps the promise of a success; a failure may be tried again. */
function once<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const before = made.get(key);
  if (before !== undefined) return before;
  const promise = make();
  made.set(key, promise);
  promise.catch(() => made.delete(key));
  return promise;
}

function inner<T>(outer: Map<string, Map<string, T>>, key: string): Map<string, T> {
  const found = outer.get(key) ?? new Map<string, T>();
  outer.set(key, found);
  return found;
}

function sorted<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => compareStrings(a, b)));
}

function sortedTwice<T>(map: ReadonlyMap<string, ReadonlyMap<string, T>>): Record<string, Record<string, T>> {
  return sorted(new Map([...map].map(([key, value]) => [key, sorted(value)])));
}
