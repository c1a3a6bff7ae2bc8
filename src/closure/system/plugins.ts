import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { isGlibc } from "../../sources/debian/library.ts";
import type { DebianPackage, PackageFile } from "../../sources/debian/package.ts";
import { isElf, parseElf } from "../elf/parse.ts";
import { findTexts } from "../elf/strings.ts";
import type { Reason } from "../types.ts";
import { withContent } from "./content.ts";
import type { DebianFiles } from "./debian-files.ts";
import type { PackageGround } from "./ground.ts";
import { isForPrograms, takeNeeds } from "./packages.ts";

/** A path of three parts or more, which is one of some package and not of all. */
const paths = /(?<=[\0: "'=])\/(?:usr|etc|var)(?:\/+[\w.+@~-]+){2,}\/*(?=[\0: "'%])/g;

/**
 * Adds what libraries of Debian read or open of their own package while they run: the files at the
 * paths that they name, and below them. A plugin that needs more libraries is only told of, unless its
 * package is one that a package asked for depends on. glibc is left out: what it opens is known.
 * @param direct what the packages that were asked for depend on
 */
export async function takePlugins(
  taken: DebianFiles,
  ground: PackageGround,
  direct: ReadonlySet<string>,
): Promise<readonly Diagnostic[]> {
  const diagnostics: Diagnostic[] = [];
  const seen = new Set<string>();
  // Packages that join while this goes on are visited too.
  for (let next = unseen(taken, seen); next !== undefined; next = unseen(taken, seen)) {
    seen.add(next.name);
    const left: string[] = [];
    for (const { file, reason } of await namedFiles(next, taken)) {
      const isPlugin = file.type === "file" && (await startsLikeElf(file));
      if (isPlugin && !direct.has(next.name) && !(await hasNeeds(file, taken, ground))) {
        left.push(file.path);
        continue;
      }
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

function unseen(taken: DebianFiles, seen: ReadonlySet<string>): DebianPackage | undefined {
  return taken.packages.find(({ name }) => !seen.has(name));
}

interface NamedFile {
  readonly file: PackageFile;
  readonly reason: Reason;
}

/** What is not in the image yet of a package whose libraries are, and lies where these look. */
async function namedFiles(found: DebianPackage, taken: DebianFiles): Promise<readonly NamedFile[]> {
  if (found.files.some((file) => isGlibc(path.posix.basename(file.path)))) return [];
  const left = found.files.filter((file) => {
    return file.type !== "directory" && !taken.hasFile(file.path) && isForPrograms(file.path);
  });
  if (left.length === 0) return [];
  const named = new Map<string, NamedFile>();
  for (const library of found.files.filter((file) => taken.hasFile(file.path))) {
    const paths = await pathsIn(library);
    // Where the library itself lies is no place of its plugins alone.
    const folder = path.posix.dirname(library.path);
    for (const file of left) {
      const what = ancestors(file.path).find(
        (one) => paths.has(one) && one !== folder && !folder.startsWith(`${one}/`),
      );
      if (what === undefined || named.has(file.path)) continue;
      named.set(file.path, { file, reason: { kind: "asset", from: library.path, what } });
    }
  }
  return [...named.values()];
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

async function pathsIn(file: PackageFile): Promise<ReadonlySet<string>> {
  if (file.type !== "file" || !(await startsLikeElf(file))) return new Set();
  const texts = await withContent(file.content, (reader) => findTexts(reader, paths));
  return new Set(texts.map((text) => path.posix.normalize(text).replace(/\/$/, "")));
}

function startsLikeElf({ content }: PackageFile & { type: "file" }): Promise<boolean> {
  return withContent(content, async (reader) => isElf(await reader.read(0, 16)));
}
