import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { compareStrings } from "../../base/files.ts";
import type { Debian } from "../../sources/debian/debian.ts";
import type { DebianPackage, PackageFile } from "../../sources/debian/package.ts";
import { mergedPath } from "../../sources/debian/paths.ts";
import { findFile } from "../elf/files.ts";
import { isElf, parseElf } from "../elf/parse.ts";
import { withContent } from "./content.ts";
import { type DebianFiles, forInstalling } from "./debian-files.ts";
import type { Ground, PackageGround } from "./ground.ts";
import { refuseProblems, takeLibraries } from "./libraries.ts";
import { checkLibraryScript, checkScript } from "./scripts.ts";

/** A program that another program runs: the file after `#!`. */
export interface Script {
  readonly path: string;
  readonly interpreter: string;
  readonly package: string;
}

export interface TakenPackages {
  /** Those that were taken as a whole. */
  readonly whole: readonly DebianPackage[];
  /** What these depend on. */
  readonly direct: readonly string[];
  readonly scripts: readonly Script[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Adds packages by file: all of each but what no program reads, and the libraries that its programs and
 * plugins need. What a package depends on otherwise comes along where it is what the package consists of
 * (it has neither programs nor libraries of its own, or the entry is a script of it): nothing else says
 * what a script needs.
 * @param entry a program, which may also be one of what the packages depend on
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

/** How far off a program may be that is asked for by a package that depends on its own. */
const FARTHEST = 4;

class Packages {
  readonly #debian: Debian;
  readonly #architecture: string;
  readonly #taken: DebianFiles;
  readonly #ground: PackageGround;
  readonly #whole = new Map<string, DebianPackage>();
  readonly #followed = new Set<string>();
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
    // The first of many programs of a package speaks for all.
    const first = this.#diagnostics.find(({ code }) => code === "encodings");
    return {
      whole,
      direct: whole.flatMap(({ dependencies }) => dependencies.flat()),
      scripts: this.#scripts,
      diagnostics: this.#diagnostics.filter((one) => one.code !== "encodings" || one === first),
    };
  }

  /** Takes all of packages, then what their programs and plugins need. */
  async take(names: readonly string[], why: "named" | "needed"): Promise<void> {
    const fresh: DebianPackage[] = [];
    for (const name of names.filter((one) => !this.#whole.has(one))) {
      const found = await this.#debian.package(this.#architecture, name);
      this.#diagnostics.push(...(why === "named" ? checkScript(found) : checkLibraryScript(found)));
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
    const isWanted = (one: DebianPackage) => !this.#taken.isLibrary(one) || !(isLinked || isPart(follower, one));
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
    for (const file of found.files.filter((one) => isProgramPath(one.path))) {
      if (kind === "any" || (file.type === "file" && isElf(await startOf(file)))) return true;
    }
    return false;
  }

  /** Brings the package of a program, where none of those that are there has it, and what runs it where it is a script. */
  async takeEntry(names: readonly string[], entry: string): Promise<void> {
    if (!this.#isThere(entry)) {
      const found = await this.#search(names, entry);
      await this.take(found, "needed");
    }
    const program = await findFile(this.#ground.files, entry);
    const owner = this.#taken.packages.find(({ files }) => files.some((one) => one.path === program?.path));
    const file = owner?.files.find((one) => one.path === program?.path);
    if (owner === undefined || file?.type !== "file") return;
    const interpreter = interpreterOf(await startOf(file));
    if (interpreter === undefined) return;
    // Of a package that also has machine code, its libraries are known.
    if (!(await this.hasCode(owner.name, "compiled"))) await this.follow(owner.name);
    await this.#takeInterpreter([...names, owner.name], interpreter);
  }

  async #takeInterpreter(names: readonly string[], interpreter: string): Promise<void> {
    const places = placesOf(interpreter);
    if (places.some((place) => this.#isThere(place))) return;
    const known = interpreters[path.posix.basename(interpreter)];
    const found = [
      ...(known === undefined ? [] : [known]),
      ...(await Promise.all(places.map((place) => this.#search(names, place)))).flat(),
    ].slice(0, 1);
    await this.take(found, "needed");
    for (const name of found) if (!(await this.hasCode(name, "compiled"))) await this.follow(name);
  }

  #isThere(place: string): boolean {
    return this.#taken.hasFile(place) || this.#ground.has?.(place) === true;
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
          if (seen.has(found.name) || (await this.hasCode(found.name, "compiled"))) continue;
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
      if (interpreter !== undefined) this.#scripts.push({ path: file.path, interpreter, package: found.name });
      if (isElf(start)) this.#diagnostics.push(...(await takeNeeds(this.#ground, file)));
    }
  }

  /** The files of a package that are in the image, and those of its dependencies that its links lead to. */
  async #reached(found: DebianPackage): Promise<PackageFile[]> {
    const files: PackageFile[] = [];
    const waiting = found.files.flatMap((file) => (isForPrograms(file.path) ? [{ file, owner: found }] : []));
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      files.push(next.file);
      const { file, owner } = next;
      if (file.type !== "symlink" || (await this.#leadsSomewhere(owner, file))) continue;
      const target = path.posix.resolve(path.posix.dirname(file.path), file.target);
      const other = await this.#debian.dependencyWithFile(this.#architecture, owner.name, target);
      const found = other?.files.find((one) => one.path === target);
      if (other === undefined || found === undefined) continue;
      await this.#ground.show(other.name);
      await this.#ground.take(target, { kind: "link", from: file.path });
      waiting.push({ file: found, owner: other });
    }
    return files;
  }

  async #leadsSomewhere(owner: DebianPackage, link: PackageFile & { type: "symlink" }): Promise<boolean> {
    if ((await findFile(this.#ground.files, link.path)) !== undefined) return true;
    const target = path.posix.resolve(path.posix.dirname(link.path), link.target);
    return owner.files.some((file) => file.path === target && file.type !== "symlink");
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

/** Where other programs look for one. */
export function isProgramPath(place: string): boolean {
  return /^\/usr\/(?:s?bin|games)\/[^/]+$/.test(place);
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

/** The program of a `#!` line; behind `env`, the name it looks for. */
function interpreterOf(start: Uint8Array): string | undefined {
  const line = Buffer.from(start).toString("latin1").split("\n")[0] ?? "";
  const [, program = "", first] = /^#!\s*(\S+)(?:\s+(?:-S\s+)?(\S+))?/.exec(line) ?? [];
  if (program === "") return undefined;
  return path.posix.basename(program) === "env" && first !== undefined ? first : program;
}

/** Where the interpreter of a script may be. */
function placesOf(interpreter: string): string[] {
  if (!interpreter.startsWith("/")) return ["/usr/local/bin/", "/usr/bin/"].map((folder) => folder + interpreter);
  return [mergedPath(interpreter, false)];
}

/** Packages that bring what scripts are most often run by, as far as that is one. */
const interpreters: Readonly<Record<string, string>> = {
  bash: "bash",
  lua: "lua5.4",
  perl: "perl-base",
  python3: "python3-minimal",
  ruby: "ruby",
  sh: "dash",
  tclsh: "tcl",
};

/**
 * One warning for each program that scripts of the image want to be run by and that is not there.
 * @param has whether the image has a file, links followed
 */
export async function missingInterpreters(
  scripts: readonly Script[],
  has: (path: string) => Promise<boolean>,
): Promise<Diagnostic[]> {
  const wanted = new Map<string, Script[]>();
  for (const script of scripts) {
    const { interpreter } = script;
    const places = placesOf(interpreter);
    const there = await Promise.all(places.map(has));
    if (there.includes(true)) continue;
    const key = `${script.package} ${interpreter}`;
    wanted.set(key, [...(wanted.get(key) ?? []), script]);
  }
  return [...wanted.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` and ${others.length} more of ${first.package}`;
    const verb = others.length === 0 ? "is run" : "are run";
    const owner = interpreters[path.posix.basename(first.interpreter)];
    return {
      code: "missing-interpreter",
      severity: "warning",
      message: `${first.path}${more} ${verb} by ${first.interpreter}, which is not in the image`,
      ...(owner === undefined ? {} : { hint: `--package ${owner} adds it` }),
    } as const;
  });
}

/** Where an image says by a file which packages it has: that of distroless, and a folder for what is documented. */
const databases = ["/var/lib/dpkg/status.d", "/usr/share/doc"];

export function notAdded({ name, dependencies }: DebianPackage, taken: DebianFiles, ground: Ground): Diagnostic[] {
  const isThere = (one: string) =>
    taken.has(one) || forInstalling.has(one) || databases.some((folder) => ground.has?.(`${folder}/${one}`) === true);
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

/**
 * What people read and machines without a container need: manuals, translations, completions for
 * shells, what bug reports and package checks use, and how a system starts and tends a service.
 */
const notForPrograms = [
  "/etc/apparmor.d",
  "/etc/bash_completion.d",
  "/etc/cron.d",
  "/etc/cron.daily",
  "/etc/init.d",
  "/etc/logrotate.d",
  "/etc/tmpfiles.d",
  "/etc/ufw",
  "/usr/lib/systemd/system",
  "/usr/lib/systemd/user",
  "/usr/lib/sysusers.d",
  "/usr/lib/tmpfiles.d",
  "/usr/lib/udev/rules.d",
  "/usr/share/apport",
  "/usr/share/bash-completion",
  "/usr/share/bug",
  "/usr/share/doc",
  "/usr/share/doc-base",
  "/usr/share/fish",
  "/usr/share/gdb",
  "/usr/share/info",
  "/usr/share/initramfs-tools",
  "/usr/share/lintian",
  "/usr/share/locale",
  "/usr/share/man",
  "/usr/share/zsh",
];

/** What slim writes by itself. */
const ofRootfs = ["/etc/group", "/etc/nsswitch.conf", "/etc/passwd"];

/** Whether a file of a package belongs into an image. */
export function isForPrograms(file: string): boolean {
  return !ofRootfs.includes(file) && !notForPrograms.some((folder) => file === folder || file.startsWith(`${folder}/`));
}
