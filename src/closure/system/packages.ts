import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { compareStrings } from "../../base/files.ts";
import type { Debian } from "../../sources/debian/debian.ts";
import type { DebianPackage, PackageFile } from "../../sources/debian/package.ts";
import { findFile, type LibraryFiles } from "../elf/files.ts";
import { isElf, parseElf } from "../elf/parse.ts";
import { withContent } from "./content.ts";
import type { DebianFiles } from "./debian-files.ts";
import type { Ground, PackageGround } from "./ground.ts";
import { refuseProblems, takeLibraries } from "./libraries.ts";
import { checkScript } from "./scripts.ts";

/** A program that another program runs: the file after `#!`. */
export interface Script {
  readonly path: string;
  readonly interpreter: string;
  readonly package: string;
}

export interface TakenPackages {
  /** Those that were asked for. */
  readonly named: readonly string[];
  /** What these depend on. */
  readonly direct: readonly string[];
  readonly scripts: readonly Script[];
  readonly diagnostics: readonly Diagnostic[];
  /** The first of what they depend on that has a file. */
  ownerOf(place: string): Promise<string | undefined>;
}

/**
 * Adds packages by file: all of each but what no program reads, and the libraries that its programs
 * and plugins need. What the packages depend on otherwise is not added but told.
 * @throws SlimError `DEBIAN` for a package that does not work before its scripts have run; `NOT_FOUND`, `CLOSURE`
 */
export async function takePackages(
  debian: Debian,
  architecture: string,
  names: readonly string[],
  { taken, ground }: { readonly taken: DebianFiles; readonly ground: PackageGround },
): Promise<TakenPackages> {
  const scripts: Script[] = [];
  const diagnostics: Diagnostic[] = [];
  const packages: DebianPackage[] = [];
  for (const name of names) {
    const found = await debian.package(architecture, name);
    diagnostics.push(...checkScript(found));
    packages.push(found);
    await ground.show(name);
    await taken.takePackage(name, isForPrograms);
  }
  if (names.length > 0) await takeMergedFolders(ground);
  for (const found of packages) {
    for (const file of await reached(debian, architecture, ground, found)) {
      if (file.type !== "file") continue;
      const start = await withContent(file.content, (reader) => reader.read(0, 256));
      const interpreter = isExecutable(file) ? interpreterOf(start) : undefined;
      if (interpreter !== undefined) scripts.push({ path: file.path, interpreter, package: found.name });
      if (isElf(start)) diagnostics.push(...(await takeNeeds(ground, file)));
    }
  }
  diagnostics.push(...packages.flatMap((found) => notAdded(found, taken, ground)));
  // The first of many programs of a package speaks for all.
  const first = diagnostics.find(({ code }) => code === "encodings");
  const direct = packages.flatMap(({ dependencies }) => dependencies.flat());
  return {
    named: names,
    direct,
    ownerOf: async (place) => {
      for (const { name } of packages) {
        const owner = await debian.dependencyWithFile(architecture, name, place);
        if (owner !== undefined) return owner.name;
      }
      return undefined;
    },
    scripts,
    diagnostics: diagnostics.filter((one) => one.code !== "encodings" || one === first),
  };
}

/** `/bin` and the like, which other programs are called by. */
async function takeMergedFolders(ground: PackageGround): Promise<void> {
  for (const place of ["/bin", "/lib", "/lib64", "/sbin"]) {
    await ground.take(place, { kind: "preset", what: "merged /usr" });
  }
}

/** The files of a package that are in the image, and those of its dependencies that its links lead to. */
async function reached(
  debian: Debian,
  architecture: string,
  ground: PackageGround,
  found: DebianPackage,
): Promise<PackageFile[]> {
  const files: PackageFile[] = [];
  for (const file of found.files.filter(({ path: place }) => isForPrograms(place))) {
    files.push(file);
    if (file.type !== "symlink" || (await leadsSomewhere(ground.files, found, file))) continue;
    const target = path.posix.resolve(path.posix.dirname(file.path), file.target);
    const owner = await debian.dependencyWithFile(architecture, found.name, target);
    const other = owner?.files.find(({ path: place }) => place === target);
    if (owner === undefined || other === undefined) continue;
    await ground.show(owner.name);
    await ground.take(target, { kind: "link", from: file.path });
    files.push(other);
  }
  return files;
}

async function leadsSomewhere(files: LibraryFiles, found: DebianPackage, link: PackageFile): Promise<boolean> {
  if (link.type !== "symlink" || (await findFile(files, link.path)) !== undefined) return true;
  const target = path.posix.resolve(path.posix.dirname(link.path), link.target);
  return found.files.some((file) => file.path === target);
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
    const places = interpreter.startsWith("/")
      ? [interpreter]
      : ["/usr/local/bin/", "/usr/bin/"].map((dir) => dir + interpreter);
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

/** Dependencies that only installing needs. */
const forInstalling = new Set(["adduser", "debconf", "dpkg", "init-system-helpers", "ucf"]);

function notAdded({ name, dependencies }: DebianPackage, taken: DebianFiles, ground: Ground): Diagnostic[] {
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

/** The same of a package that gave libraries: what it depends on but for other libraries, data mostly. */
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

/** Whether a file of a package belongs into an image. */
export function isForPrograms(file: string): boolean {
  return !notForPrograms.some((folder) => file === folder || file.startsWith(`${folder}/`));
}
