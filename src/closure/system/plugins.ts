import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import type { Cache } from "../../layer/cache.ts";
import { isGlibc } from "../../sources/debian/library.ts";
import type { DebianPackage, PackageFile } from "../../sources/debian/package.ts";
import { isElf, mentionedSymbols, parseElf } from "../elf/parse.ts";
import { isMuslLoader } from "../elf/search.ts";
import { findTexts } from "../elf/strings.ts";
import type { ClosureEntry, Reason } from "../types.ts";
import { withContent } from "./content.ts";
import type { DebianFiles } from "./debian-files.ts";
import { isForPrograms } from "./for-programs.ts";
import type { PackageGround } from "./ground.ts";
import { hasProgram, isPart, takeNeeds } from "./packages.ts";

/**
 * A path of three parts or more, or of configuration, which is one of some package and not of all; or the
 * locale that every Debian has.
 */
const paths =
  /(?<=[\0: "'=>])(?:\/(?:usr|var)(?:\/+[\w.+@~-]+){2,}|\/etc(?:\/+[\w.+@~-]+)+|C\.UTF-8)\/*(?=[\0: "'%<])/g;

/** What every Debian has, so that packages do not say that they depend on it; and the text by which code asks for it. */
const ofEveryDebian = [
  { what: "C.UTF-8", owner: "libc-bin", folder: "/usr/lib/locale/" },
  { what: "/usr/share/terminfo", owner: "ncurses-base", folder: "/usr/share/terminfo/" },
];

/** The same for programs of the user, of which no package says anything: by texts, or by calls of the C library. */
const forPrograms = [
  ...["C.UTF-8", "C.utf8"].map((what) => ({ what, owner: "libc-bin", place: "/usr/lib/locale/", calls: [] })),
  { what: "/usr/share/terminfo", owner: "ncurses-base", place: "/usr/share/terminfo/", calls: [] },
  { what: "/etc/services", owner: "netbase", place: "/etc/services", calls: ["getservbyname", "getservbyport"] },
  { what: "/etc/protocols", owner: "netbase", place: "/etc/protocols", calls: ["getprotobyname", "getprotobynumber"] },
];

/** Texts that stand alone. glibc names the folder of locales where it is part of a static program; musl has C.UTF-8 in itself. */
const dataNames =
  /(?<=\0)(?:C\.UTF-8|C\.utf8|\/usr\/share\/terminfo|\/usr\/lib\/locale|\/etc\/services|\/etc\/protocols)(?=\0)/g;

/**
 * Adds what every Debian has and files of the user ask for by name.
 * @param has whether the base has something at a path
 */
export async function takeNamedData(
  taken: DebianFiles,
  entries: readonly ClosureEntry[],
  has: (place: string) => boolean,
): Promise<void> {
  for (const { entry } of entries) {
    if (entry.type !== "file") continue;
    const wanted = await withContent(entry.content, async (reader) => {
      if (!isElf(await reader.read(0, 16))) return [];
      const { interpreter, linkage } = await parseElf(reader, entry.path);
      const texts = new Set(await findTexts(reader, dataNames));
      const hasLocales = linkage.startsWith("static") ? texts.has("/usr/lib/locale") : !isMuslLoader(interpreter);
      const called = await mentionedSymbols(reader, entry.path, allCalls);
      return forPrograms.filter(({ what, owner, calls }) =>
        owner === "libc-bin"
          ? hasLocales && texts.has(what)
          : texts.has(what) || calls.some((one) => called.some((name) => name.startsWith(one))),
      );
    });
    for (const { what, owner, place } of wanted) {
      for (const file of (await taken.package(owner)).files) {
        if (file.type === "directory" || !file.path.startsWith(place) || has(file.path)) continue;
        await taken.take(owner, file.path, { kind: "asset", from: entry.path, what });
      }
    }
  }
}

const allCalls = forPrograms.flatMap(({ calls }) => calls.flatMap((name) => [name, `${name}_r`]));

/** What more a package of the image brings, and of which package it is. */
interface Named extends Left {
  readonly reason: Reason;
}

/**
 * Adds what programs and libraries of Debian read or open while they run: files of their own package, and
 * of those that it depends on, at the paths that they name, and below them; their configuration; and what
 * Debian keeps beside them in a package of its own that has nothing but data. A plugin that needs more libraries is only told
 * of, unless its package is one that a package asked for depends on. glibc is left out: what it opens is known.
 * @param direct what the packages that were asked for depend on
 */
export async function takePlugins(
  cache: Cache,
  taken: DebianFiles,
  ground: PackageGround,
  direct: ReadonlySet<string>,
): Promise<readonly Diagnostic[]> {
  const diagnostics: Diagnostic[] = [];
  const seen = new Map<string, number>();
  const texts = new Texts(cache);
  const told = new Set<string>();
  // Packages that join while this goes on are visited too, and those of which more is there by then.
  for (let next = unseen(taken, seen); next !== undefined; next = unseen(taken, seen)) {
    seen.set(next.name, taken.count(next.name));
    const left: string[] = [];
    for (const { file, owner, reason } of await namedFiles(next, { taken, ground, texts })) {
      const isPlugin = file.type === "file" && (await startsLikeElf(file));
      if (isPlugin && !direct.has(owner.name) && !(await hasNeeds(file, taken, ground))) {
        if (!told.has(file.path)) left.push(file.path);
        told.add(file.path);
        continue;
      }
      await ground.show(owner.name);
      await ground.take(file.path, reason);
      if (isPlugin) diagnostics.push(...(await takeNeeds(ground, file)));
    }
    diagnostics.push(...notTaken(next, left));
  }
  return diagnostics;
}

function notTaken({ name }: DebianPackage, [first, ...others]: readonly string[]): readonly Diagnostic[] {
  if (first === undefined) return [];
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return [
    {
      code: "optional-plugin",
      severity: "info",
      message: `libraries of ${name} can open ${first}${more}, which would bring libraries that nothing else needs`,
      hint: `--package ${name} adds what is wanted`,
    },
  ];
}

function unseen(taken: DebianFiles, seen: ReadonlyMap<string, number>): DebianPackage | undefined {
  return taken.packages.find(({ name }) => seen.get(name) !== taken.count(name));
}

async function namedFiles(
  found: DebianPackage,
  { taken, ground, texts }: { taken: DebianFiles; ground: PackageGround; texts: Texts },
): Promise<readonly Named[]> {
  if (found.files.some((file) => isGlibc(path.posix.basename(file.path)))) return [];
  const isHere = (file: PackageFile) => taken.hasFile(file.path) && isForPrograms(file.path);
  // Links, such as base-files has for libraries, read nothing.
  if (!found.files.some((file) => file.type === "file" && isHere(file))) return [];
  const { others, parts, data } = await partsOf(found, taken);
  const here = [found, ...parts].flatMap(({ files }) => files.filter(isHere));
  const left = [found, ...others].flatMap((owner) => leftOf(owner, taken, ground));
  const named = new Map<string, Named>();
  for (const { file, owner } of left) {
    const isConfiguration = owner === found && file.path.startsWith("/etc/");
    if (!isConfiguration && (!data.has(owner) || taken.isLibraryPath(file.path))) continue;
    named.set(file.path, { file, owner, reason: { kind: "include", what: `part of ${found.name}` } });
  }
  const below = new Map<string, Left[]>();
  for (const one of left) for (const place of ancestors(one.file.path)) listOf(below, place).push(one);
  for (const file of here) {
    const inside = await texts.of(file);
    for (const { what, owner, folder } of ofEveryDebian.filter((one) => inside.has(one.what))) {
      for (const one of leftOf(await taken.package(owner), taken, ground)) {
        if (!one.file.path.startsWith(folder)) continue;
        named.set(one.file.path, { ...one, reason: { kind: "asset", from: file.path, what } });
      }
    }
    // Perl names the folder of its version by a shorter link.
    const links = left.flatMap(({ file: one }) => (one.type === "symlink" && inside.has(one.path) ? [one] : []));
    const names = new Set([
      ...inside,
      ...links.map((one) => path.posix.resolve(path.posix.dirname(one.path), one.target)),
    ]);
    // Where a program or library itself lies is no place of its plugins alone.
    const folder = path.posix.dirname(file.path);
    const isOwn = (what: string) =>
      what === folder || folder.startsWith(`${what}/`) || taken.isLibraryPath(`${what}/libx.so`);
    for (const what of names) {
      for (const one of below.get(what) ?? []) {
        if (isOwn(what) || named.has(one.file.path)) continue;
        named.set(one.file.path, { ...one, reason: { kind: "asset", from: file.path, what } });
      }
    }
  }
  return [...named.values()];
}

interface Parts {
  /** What a package depends on, and what its data does. */
  readonly others: readonly DebianPackage[];
  /** Of these, what is taken apart from it by Debian. */
  readonly parts: readonly DebianPackage[];
  /** Of these, what has no program. */
  readonly data: ReadonlySet<DebianPackage>;
}

async function partsOf(found: DebianPackage, taken: DebianFiles): Promise<Parts> {
  const others = new Map<string, DebianPackage>();
  const parts: DebianPackage[] = [];
  const data = new Set<DebianPackage>();
  const waiting = [...(await taken.dependenciesOf(found.name))];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (next.name === found.name || others.has(next.name)) continue;
    others.set(next.name, next);
    if (!isPart(found, next)) continue;
    parts.push(next);
    if (await hasProgram(next)) continue;
    data.add(next);
    if (!taken.isLibrary(next)) waiting.push(...(await taken.dependenciesOf(next.name)));
  }
  return { others: [...others.values()], parts, data };
}

interface Left {
  readonly file: PackageFile;
  readonly owner: DebianPackage;
}

function listOf<T>(lists: Map<string, T[]>, key: string): T[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

/** What of a package is not in the image yet and might be. */
function leftOf(owner: DebianPackage, taken: DebianFiles, ground: PackageGround): Left[] {
  if (owner.files.some((file) => isGlibc(path.posix.basename(file.path)))) return [];
  return owner.files.flatMap((file) => {
    const isLeft = file.type !== "directory" && !taken.hasFile(file.path) && ground.has?.(file.path) !== true;
    return isLeft && isForPrograms(file.path) ? [{ file, owner }] : [];
  });
}

/** Whether every library that a plugin needs is in the image anyway. */
async function hasNeeds(
  file: PackageFile & { type: "file" },
  taken: DebianFiles,
  ground: PackageGround,
): Promise<boolean> {
  const { needed } = await withContent(file.content, (reader) => parseElf(reader, file.path));
  const folders = ancestors(path.posix.dirname(file.path)).map((folder) => path.posix.join(folder, "/"));
  return needed.every((soname) =>
    folders.some((folder) => taken.hasFile(folder + soname) || ground.has?.(folder + soname) === true),
  );
}

/** A path and the folders above it. */
function ancestors(place: string): string[] {
  const parts = place.split("/").slice(1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`).reverse();
}

/** What machine code names, read once. */
class Texts {
  readonly #cache: Cache;
  readonly #known = new Map<string, ReadonlySet<string>>();

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  async of(file: PackageFile): Promise<ReadonlySet<string>> {
    if (file.type !== "file" || !(await startsLikeElf(file))) return new Set();
    const key = `${file.content.digest} ${paths.source}`;
    const known = this.#known.get(key) ?? (await this.#remembered(key));
    const texts = known ?? (await this.#read(file));
    this.#known.set(key, texts);
    if (known === undefined) await this.#cache.put("named-paths", key, [...texts]);
    return texts;
  }

  async #remembered(key: string): Promise<ReadonlySet<string> | undefined> {
    const texts = await this.#cache.get<readonly string[]>("named-paths", key);
    return texts && new Set(texts);
  }

  async #read(file: PackageFile & { type: "file" }): Promise<ReadonlySet<string>> {
    const texts = await withContent(file.content, (reader) => findTexts(reader, paths));
    return new Set(texts.map((text) => path.posix.normalize(text).replace(/\/$/, "")));
  }
}

function startsLikeElf({ content }: PackageFile & { type: "file" }): Promise<boolean> {
  return withContent(content, async (reader) => isElf(await reader.read(0, 16)));
}
