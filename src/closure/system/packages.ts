import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { compareStrings } from "../../base/files.ts";
import type { Debian } from "../../sources/debian/debian.ts";
import type { DebianPackage, PackageFile } from "../../sources/debian/package.ts";
import { mergedPath } from "../../sources/debian/paths.ts";
import { findFile } from "../elf/files.ts";
import { isElf, parseElf } from "../elf/parse.ts";
import type { ByteReader } from "../elf/reader.ts";
import { calledBy, callsShell, essential, interpreterOf, interpreters, placesOf, type Script } from "./called.ts";
import { withContent } from "./content.ts";
import { type DebianFiles, forInstalling } from "./debian-files.ts";
import { isForPrograms } from "./for-programs.ts";
import type { Ground, PackageGround } from "./ground.ts";
import { refuseProblems, takeLibraries } from "./libraries.ts";
import { refuseGenerators } from "./scripts.ts";

export interface TakenPackages {
  /** Those that were taken as a whole. */
  readonly whole: readonly DebianPackage[];
  /** What these depend on, and those that have their programs. */
  readonly direct: readonly string[];
  readonly scripts: readonly Script[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Adds packages by file: all of each but what no program reads, and the libraries that its programs and
 * plugins need. What a package depends on otherwise comes along where it is what the package consists of
 * (it has neither programs nor libraries of its own, or the entry is a script of it): nothing else says
 * what a script needs.
 * @param entry a program by its path or name, which may also be one of what the packages depend on
 * @throws SlimError `DEBIAN` for a package that does not work before its scripts have run; `NOT_FOUND`, `CLOSURE`
 */
export async function takePackages(
  debian: Debian,
  architecture: string,
  names: readonly string[],
  { taken, ground, entry }: { readonly taken: DebianFiles; readonly ground: PackageGround; readonly entry?: string },
): Promise<TakenPackages> {
  const all = new Packages(debian, architecture, { taken, ground });
  await all.take(names, "named");
  if (names.length > 0) await takeMergedFolders(ground);
  for (const name of names) if (!(await all.hasCode(name))) await all.follow(name);
  if (entry !== undefined) await all.takeEntry(names, entry);
  return all.result;
}

/** `/bin` and the like, which other programs are called by. */
async function takeMergedFolders(ground: PackageGround): Promise<void> {
  for (const place of ["/bin", "/lib", "/lib64", "/sbin"]) {
    await ground.take(place, { kind: "preset", what: "merged /usr" });
  }
}

/** What stands behind this in a script is data. */
const LONGEST_SCRIPT = 1 << 20;

/** How far off a program may be that is asked for by a package that depends on its own. */
const FARTHEST = 4;

class Packages {
  readonly #debian: Debian;
  readonly #architecture: string;
  readonly #taken: DebianFiles;
  readonly #ground: PackageGround;
  readonly #whole = new Map<string, DebianPackage>();
  readonly #followed = new Set<string>();
  /** Packages that links of others lead into. */
  readonly #linked = new Set<DebianPackage>();
  readonly #scripts: Script[] = [];
  readonly #diagnostics: Diagnostic[] = [];

  constructor(
    debian: Debian,
    architecture: string,
    { taken, ground }: { readonly taken: DebianFiles; readonly ground: PackageGround },
  ) {
    this.#debian = debian;
    this.#architecture = architecture;
    this.#taken = taken;
    this.#ground = ground;
  }

  get result(): TakenPackages {
    const whole = [...this.#whole.values()];
    const programs = [...whole, ...this.#linked];
    // The first of many programs of a package speaks for all.
    const first = this.#diagnostics.find(({ code }) => code === "encodings");
    return {
      whole,
      direct: programs.flatMap(({ dependencies }) => dependencies.flat()),
      scripts: this.#scripts,
      diagnostics: this.#diagnostics.filter((one) => one.code !== "encodings" || one === first),
    };
  }

  /** Takes all of packages, then what their programs and plugins need. */
  async take(names: readonly string[], why: "named" | "needed"): Promise<void> {
    const fresh: DebianPackage[] = [];
    for (const name of names.filter((one) => !this.#whole.has(one))) {
      const found = await this.#debian.package(this.#architecture, name);
      if (why === "named") refuseGenerators(found);
      this.#whole.set(name, found);
      fresh.push(found);
      await this.#ground.show(name);
      await this.#taken.takePackage(name, isForPrograms);
      await this.#takeCopies(found);
    }
    for (const found of fresh) await this.#takeNeeds(found);
  }

  /**
   * Takes what a package depends on, and what that does in its turn as long as it is no machine code. Of
   * what is machine code, also of modules, it shows which libraries it needs.
   */
  async follow(name: string): Promise<void> {
    if (this.#followed.has(name)) return;
    this.#followed.add(name);
    const follower = await this.#debian.package(this.#architecture, name);
    const isLinked = await hasMachineCode(follower);
    const isWanted = (one: DebianPackage) =>
      !isInBase(this.#ground, one.name) && (!this.#taken.isLibrary(one) || !(isLinked || isPart(follower, one)));
    const found = (await this.#taken.dependenciesOf(name)).filter(isWanted);
    await this.take(
      found.map((one) => one.name),
      "needed",
    );
    for (const one of found) if (!(await this.hasCode(one.name, "compiled"))) await this.follow(one.name);
  }

  /** Whether a package has programs, in PATH, or libraries; or such as are machine code. */
  async hasCode(name: string, kind: "any" | "compiled" = "any"): Promise<boolean> {
    const found = await this.#debian.package(this.#architecture, name);
    if (this.#taken.isLibrary(found)) return true;
    return hasProgram(found, kind);
  }

  /** Brings the package of a program, where none of those that are there has it, and what it calls where it is a script. */
  async takeEntry(names: readonly string[], entry: string): Promise<void> {
    const places = placesOf(entry);
    if (!places.some((place) => this.#isThere(place))) await this.take(await this.#searchAny(names, places), "needed");
    for (const place of places) await this.#takeScript(names, place, new Set());
  }

  /** What runs a script, what its package depends on, and for one of a shell the programs that it calls. */
  async #takeScript(names: readonly string[], place: string, seen: Set<string>): Promise<void> {
    const program = await findFile(this.#ground.files, place);
    if (program === undefined || seen.has(program.path)) return;
    seen.add(program.path);
    const owner = this.#taken.packages.find(({ files }) => files.some((one) => one.path === program.path));
    const file = owner?.files.find((one) => one.path === program.path);
    if (owner === undefined || file?.type !== "file") return;
    const interpreter = interpreterOf(await startOf(file));
    if (interpreter === undefined) return;
    await this.follow(owner.name);
    for (const one of interpreter) await this.#takeInterpreter([...names, owner.name], one);
    if (!/^(?:ba|da|k)?sh$/.test(path.posix.basename(interpreter.at(-1) ?? ""))) return;
    const text = await withContent(file.content, (reader) => reader.read(0, Math.min(reader.size, LONGEST_SCRIPT)));
    for (const command of calledBy(Buffer.from(text).toString("latin1"))) {
      const found = this.#programNamed(command) ?? (await this.#takeEssential(command));
      if (found !== undefined) await this.#takeScript(names, found, seen);
    }
  }

  #programNamed(command: string): string | undefined {
    return placesOf(command).find((place) => this.#isThere(place));
  }

  /** A program that scripts may call without their package saying so. */
  async #takeEssential(command: string): Promise<string | undefined> {
    for (const name of essential) {
      const { files } = await this.#taken.package(name);
      const has = (place: string) => files.some((file) => file.type !== "directory" && file.path === place);
      const place = placesOf(command).find(has);
      if (place === undefined) continue;
      await this.#takeFile(name, place);
      return place;
    }
    return undefined;
  }

  /** One program of a package, and what it needs. */
  async #takeFile(name: string, place: string): Promise<void> {
    const { files } = await this.#taken.package(name);
    await this.#ground.show(name);
    const file = await this.#taken.take(name, place, { kind: "include", what: path.posix.basename(place) });
    const found = files.find((one) => one.path === file?.path);
    if (found?.type === "file" && isElf(await startOf(found))) {
      this.#diagnostics.push(...(await takeNeeds(this.#ground, found)));
    }
  }

  async #takeInterpreter(names: readonly string[], interpreter: string): Promise<void> {
    if (this.#programNamed(interpreter) !== undefined) return;
    const known = interpreters.get(path.posix.basename(interpreter));
    if (known !== undefined && essential.includes(known)) {
      await this.#takeEssential(interpreter);
      return;
    }
    const way = await this.#searchAny(names, placesOf(interpreter));
    const found = way.length > 0 || known === undefined ? way : [known];
    await this.take(found, "needed");
    for (const name of found) if (!(await this.hasCode(name, "compiled"))) await this.follow(name);
  }

  #isThere(place: string): boolean {
    return this.#taken.hasFile(place) || this.#ground.has?.(place) === true;
  }

  async #searchAny(names: readonly string[], places: readonly string[]): Promise<readonly string[]> {
    const ways = await Promise.all(places.map((place) => this.#search(names, place)));
    return ways.find((way) => way.length > 0) ?? [];
  }

  /** The packages on the way from those that are named to the nearest dependency that has a file. */
  async #search(names: readonly string[], place: string): Promise<readonly string[]> {
    let ways: (readonly string[])[] = names.map((name) => [name]);
    const seen = new Set(names);
    for (let distance = 0; distance < FARTHEST && ways.length > 0; distance += 1) {
      const next: (readonly string[])[] = [];
      for (const way of ways) {
        for (const found of await this.#taken.dependenciesOf(way.at(-1) ?? "")) {
          if (found.files.some((file) => file.path === place && file.type !== "directory")) return [...way, found.name];
          if (seen.has(found.name) || this.#taken.isLibrary(found)) continue;
          seen.add(found.name);
          next.push([...way, found.name]);
        }
      }
      ways = next;
    }
    return [];
  }

  /** Copies that the package's script would make of files of others. */
  async #takeCopies(found: DebianPackage): Promise<void> {
    for (const { from, path: place } of found.undone) {
      if (from === undefined || place === undefined || !isForPrograms(place)) continue;
      const owner = await this.#debian.dependencyWithFile(this.#architecture, found.name, from);
      const file = owner?.files.find((one) => one.path === from);
      if (file?.type === "file") await this.#taken.takeMade(found.name, { ...file, path: place, rank: 0 });
    }
  }

  async #takeNeeds(found: DebianPackage): Promise<void> {
    for (const file of await this.#reached(found)) {
      if (file.type !== "file") continue;
      const start = await startOf(file);
      const interpreter = isExecutable(file) ? interpreterOf(start) : undefined;
      const script = { path: file.path, package: found.name };
      this.#scripts.push(...(interpreter ?? []).map((one) => ({ ...script, interpreter: one })));
      if (!isElf(start)) continue;
      this.#diagnostics.push(...(await takeNeeds(this.#ground, file)));
      const calls = (reader: ByteReader) => callsShell(reader, file.path);
      const isCaller = isExecutable(file) && (await withContent(file.content, calls));
      if (isCaller) this.#scripts.push({ ...script, interpreter: "/bin/sh", isProgram: true });
    }
  }

  /** The files of a package that are in the image, and those of its dependencies that its links lead to. */
  async #reached(found: DebianPackage): Promise<PackageFile[]> {
    const files: PackageFile[] = [];
    const waiting = found.files.flatMap((file) => (isForPrograms(file.path) ? [{ file, owner: found }] : []));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      files.push(next.file);
      const { file, owner } = next;
      if (file.type !== "symlink") continue;
      const target = mergedPath(path.posix.resolve(path.posix.dirname(file.path), file.target), false);
      if (this.#isThere(target) || owner.files.some((one) => one.path.startsWith(`${target}/`))) continue;
      const has = ({ files: all }: DebianPackage) => all.find((one) => one.path === target && one.type !== "directory");
      const other = has(owner) ? owner : await this.#debian.dependencyWithFile(this.#architecture, owner.name, target);
      const led = other && has(other);
      if (other === undefined || led === undefined) continue;
      await this.#ground.show(other.name);
      // Links inside of the package are followed there.
      const end = (await this.#taken.take(other.name, target, { kind: "link", from: file.path }))?.path;
      if (!this.#linked.has(other) && !this.#whole.has(other.name)) await this.#takeCopies(other);
      this.#linked.add(other);
      waiting.push({ file: other.files.find((one) => one.path === end) ?? led, owner: other });
    }
    return files;
  }
}

/** Whether two packages are parts of one thing, which Debian takes apart. */
export function isPart(a: DebianPackage, b: DebianPackage): boolean {
  return (a.source ?? a.name) === (b.source ?? b.name);
}

async function hasMachineCode({ files }: DebianPackage): Promise<boolean> {
  for (const file of files) if (file.type === "file" && isElf(await startOf(file))) return true;
  return false;
}

/** Whether a package has a program, be it machine code or anything in PATH. */
export function hasProgram(found: DebianPackage, kind: "any" | "compiled" = "any"): Promise<boolean> {
  const known = programs[kind].get(found) ?? findProgram(found, kind);
  programs[kind].set(found, known);
  return known;
}

/** Packages with many files are asked often. */
const programs = {
  any: new WeakMap<DebianPackage, Promise<boolean>>(),
  compiled: new WeakMap<DebianPackage, Promise<boolean>>(),
};

async function findProgram({ files }: DebianPackage, kind: "any" | "compiled"): Promise<boolean> {
  for (const file of files) {
    // Libraries cannot be executed in Debian.
    if (file.type === "file" && isExecutable(file) && isElf(await startOf(file))) return true;
    if (kind === "any" && file.type !== "directory" && /^\/usr\/(?:s?bin|games)\/[^/]+$/.test(file.path)) return true;
  }
  return false;
}

function startOf(file: PackageFile & { type: "file" }): Promise<Uint8Array> {
  return withContent(file.content, (reader) => reader.read(0, 256));
}

/** The libraries of a program or plugin of a package. @throws SlimError `CLOSURE` for a program */
export async function takeNeeds(
  ground: PackageGround,
  file: PackageFile & { type: "file" },
): Promise<readonly Diagnostic[]> {
  const { linkage } = await withContent(file.content, (reader) => parseElf(reader, file.path));
  if (linkage === "other") return [];
  const needs = await takeLibraries(ground, { own: { at: async () => undefined }, program: file.path });
  if (linkage === "dynamic") await refuseProblems(ground, needs, file.path);
  const problems = needs.problems.map(({ message }): Diagnostic => {
    return { code: "plugin-library", severity: "warning", message, file: file.path };
  });
  return [...needs.diagnostics, ...problems];
}

function isExecutable(file: PackageFile): boolean {
  return (file.mode & 0o111) !== 0;
}

/** Where an image says by a file which packages it has: that of distroless, and a folder for what is documented. */
const databases = ["/var/lib/dpkg/status.d", "/usr/share/doc"];

function isInBase(ground: Ground, name: string): boolean {
  return databases.some((folder) => ground.has?.(`${folder}/${name}`) === true);
}

/** What a package depends on and nothing in the image asks for. */
export function notAdded({ name, dependencies }: DebianPackage, taken: DebianFiles, ground: Ground): Diagnostic[] {
  const isThere = (one: string) => taken.has(one) || forInstalling.has(one) || isInBase(ground, one);
  const missing = dependencies.filter((alternatives) => !alternatives.some(isThere)).flatMap(([first]) => first ?? []);
  if (missing.length === 0) return [];
  const list = [...new Set(missing)].sort(compareStrings).join(", ");
  return [
    {
      code: "package-dependency",
      severity: "info",
      message: `package ${name} depends on ${list}, of which nothing is linked to`,
      hint: "add with --package what its programs use",
    },
  ];
}

/** What Debian names after a soname has libraries, of which those that are needed are in the image. */
const libraryPackage = /^lib.*[0-9](?:t64)?$/;

/** The same of a package that gave libraries: what it depends on but for other libraries. */
export function dataNotAdded(found: DebianPackage, taken: DebianFiles, ground: Ground): Diagnostic[] {
  const dependencies = found.dependencies.filter((names) => !names.some((name) => libraryPackage.test(name)));
  return notAdded({ ...found, dependencies }, taken, ground);
}
