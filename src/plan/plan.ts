import { realpath } from "node:fs/promises";
import path from "node:path";
import type { Context } from "../base/context.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import { compareStrings, statOrUndefined } from "../base/files.ts";
import type { BinaryProgram, GroundRequest, NodeProgram, Program } from "../closure/closure.ts";
import { parseElf } from "../closure/elf/parse.ts";
import { withFile } from "../closure/elf/reader.ts";
import { readTraced } from "../closure/node/traced.ts";
import { formatPlatform, type Platform, parsePlatform, platformOfArch } from "../image/platform.ts";
import { parseReference } from "../image/reference.ts";
import { LOCK_NAME } from "../sources/lock.ts";
import { mergeOptions, readConfig } from "./config.ts";
import { type ImagePlan, planImage } from "./image-config.ts";
import type { BuildOptions } from "./options.ts";
import { findEntry, findProject, type ProgramFile, type Project } from "./project.ts";
import { planRuntime } from "./runtime.ts";
import { findRoot, refusePlugAndPlay } from "./workspace.ts";

/** A build with everything decided that can be decided by looking: plain data, nothing is read twice. */
export interface Plan {
  /** One for each platform, sorted by platform. */
  readonly targets: readonly Target[];
  /** Whether nobody said for which platforms, and other ones could be built just as well. */
  readonly anyPlatform: boolean;
  readonly ground: GroundRequest;
  readonly image: ImagePlan;
  /** Whose npm configuration counts. */
  readonly folder: string;
  readonly lockFile: string;
  readonly tags: readonly string[];
  readonly compression: { readonly compression: "gzip" | "zstd"; readonly level: number };
  readonly frozen: boolean;
  readonly strict: boolean;
  readonly debianMirror: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** What one image is made of. */
export interface Target {
  readonly platform: Platform;
  readonly program: Program;
}

/**
 * Decides what to build.
 * @throws SlimError `CONFIG`, `NOT_FOUND`, `PLATFORM`, `ELF`
 */
export async function plan(context: Context, cwd: string, given: BuildOptions, config?: string): Promise<Plan> {
  const project = await projectOf(given, cwd);
  const configured = await readConfig(project.folder, config === undefined ? undefined : path.resolve(cwd, config));
  const options = mergeOptions(configured, given);
  for (const tag of options.tags ?? []) {
    if (parseReference(tag).digest !== undefined) {
      throw new SlimError("CONFIG", `"${tag}" has a digest`, {
        where: "--tag",
        hint: "a tag names what the digest will be",
      });
    }
  }
  const asked = platformsOf(options.platform);
  const { targets, diagnostics } = await targetsOf(project, options, asked, cwd);
  const ground = await planGround(options, cwd);
  const isBased = typeof ground.libraries === "object" && "image" in ground.libraries;
  return {
    targets: targets.toSorted((a, b) => compareStrings(formatPlatform(a.platform), formatPlatform(b.platform))),
    anyPlatform: asked === undefined && project.kind !== "binary",
    ground,
    image: planImage(options, project.kind === "node" ? project.manifest : named(targets), context.env, isBased),
    folder: project.folder,
    lockFile: path.join(project.folder, LOCK_NAME),
    tags: options.tags ?? [],
    compression: planCompression(options),
    frozen: options.frozen ?? false,
    strict: options.strict ?? false,
    debianMirror: options.debianMirror,
    diagnostics,
  };
}

const levels = { gzip: { usual: 6, most: 9 }, zstd: { usual: 3, most: 19 } } as const;

/** @throws SlimError `CONFIG` */
function planCompression({ compression = "gzip", compressionLevel }: BuildOptions): Plan["compression"] {
  if (compression !== "gzip" && compression !== "zstd") {
    throw new SlimError("CONFIG", `"${compression}" is not a compression of layers`, {
      where: "--compression",
      hint: "gzip or zstd",
    });
  }
  const { usual, most } = levels[compression];
  const level = compressionLevel ?? usual;
  if (Number.isInteger(level) && level >= 1 && level <= most) return { compression, level };
  throw new SlimError("CONFIG", `${Number.isNaN(level) ? "what is given" : level} is not a level of ${compression}`, {
    where: "--compression-level",
    hint: `1 to ${most}`,
  });
}

async function projectOf(
  { path: target, binaries, packages = [], entry }: BuildOptions,
  cwd: string,
): Promise<Project> {
  if (binaries !== undefined) {
    if (target !== undefined) throw new SlimError("CONFIG", "a path and binaries are both given", { where: target });
    return { kind: "binary", files: await Promise.all(binaries.map((one) => binaryOf(one, cwd))), folder: cwd };
  }
  const [name] = packages;
  if (target !== undefined || name === undefined) return findProject(path.resolve(cwd, target ?? "."), cwd);
  if (entry !== undefined && path.posix.isAbsolute(entry)) return { kind: "package", entry, folder: cwd };
  return findProject(cwd, cwd).catch(async (error: unknown) => {
    // Without a project here it is about the package alone, whose program has its name mostly.
    if (!(error instanceof SlimError) || (await statOrUndefined(path.join(cwd, "package.json")))) throw error;
    return { kind: "package", entry: entry ?? name, folder: cwd };
  });
}

/** The file of `PATH` or `PLATFORM=PATH`. */
async function binaryOf(text: string, cwd: string): Promise<ProgramFile> {
  const [, named, rest = text] = /^([a-z0-9]+\/[a-z0-9_]+(?:\/v[0-9]+)?)=(.+)$/.exec(text) ?? [];
  const file = path.resolve(cwd, rest);
  const found = await statOrUndefined(file);
  if (found === undefined) throw new SlimError("NOT_FOUND", "no such file", { where: rest });
  if (!found.isFile()) {
    throw new SlimError("CONFIG", "is not a file", {
      where: rest,
      hint: "of several paths each is a program, for a platform of its own; a folder is given alone",
    });
  }
  const platform = named === undefined ? undefined : parsePlatform(named);
  const actual = await elfPlatform(file);
  if (platform !== undefined && !isSameMachine(platform, actual)) {
    throw new SlimError("PLATFORM", `is for ${formatPlatform(actual)}, not ${named}`, { where: rest });
  }
  return { file: await realpath(file), ...(platform === undefined ? {} : { platform }) };
}

/** Whether two platforms are one but for the variant, which the header of a program does not tell. */
function isSameMachine(one: Platform, other: Platform): boolean {
  return one.os === other.os && one.architecture === other.architecture;
}

/** The platforms of a list, each once; undefined when nothing is asked for. */
function platformsOf(list: string | undefined): readonly Platform[] | undefined {
  if (list === undefined) return undefined;
  const byName = new Map(
    list
      .split(",")
      .map(parsePlatform)
      .map((platform) => [formatPlatform(platform), platform]),
  );
  return [...byName.values()];
}

type Targets = { readonly targets: readonly Target[]; readonly diagnostics: readonly Diagnostic[] };

async function targetsOf(
  project: Project,
  options: BuildOptions,
  asked: readonly Platform[] | undefined,
  cwd: string,
): Promise<Targets> {
  const platforms = asked ?? [platformOfArch(process.arch)];
  if (project.kind === "binary") return { targets: await planBinaries(project, options, asked), diagnostics: [] };
  if (project.kind === "node") return planNode(project, options, platforms, cwd);
  refuseOptions(options, ["bare", "trim", ...forApps], "this is a program of a package");
  const program = { kind: "package", entry: path.posix.normalize(project.entry) } as const;
  return { targets: platforms.map((platform) => ({ platform, program })), diagnostics: [] };
}

/** What is said of the modules of a Node.js app. */
const forApps = ["node", "mode", "include", "exclude", "external", "sourcemap"] as const;

function refuseOptions(options: BuildOptions, names: readonly (keyof BuildOptions)[], why: string): void {
  const isGiven = (value: unknown) =>
    value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
  const given = names.find((name) => isGiven(options[name]));
  if (given !== undefined) throw new SlimError("CONFIG", `means nothing here: ${why}`, { where: `--${given}` });
}

/** @throws SlimError `CONFIG` */
async function planGround(
  { base = "debian", sysroot, packages = [] }: BuildOptions,
  cwd: string,
): Promise<GroundRequest> {
  const isImage = base !== "debian" && base !== "host" && base !== "scratch";
  if (base === "")
    throw new SlimError("CONFIG", "is empty", { where: "--base", hint: "an image, debian, host or scratch" });
  if (sysroot !== undefined && base !== "debian") {
    throw new SlimError("CONFIG", `--sysroot and --base ${base} both say where libraries come from`, {
      where: "--sysroot",
    });
  }
  const folder = base === "host" ? "/" : sysroot === undefined ? undefined : path.resolve(cwd, sysroot);
  if (folder !== undefined && !(await statOrUndefined(folder))?.isDirectory()) {
    throw new SlimError("NOT_FOUND", "no such folder", { where: `--sysroot ${sysroot}` });
  }
  const named = isImage ? { image: base, cwd } : base === "scratch" ? "scratch" : "debian";
  const libraries = folder !== undefined ? { folder } : named;
  if (packages.length > 0 && libraries !== "debian" && !isImage) {
    throw new SlimError("CONFIG", "packages need Debian's libraries under them, or an image's", {
      where: "--package",
      hint: "leave out --base and --sysroot",
    });
  }
  const bad = packages.find((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name));
  if (bad !== undefined)
    throw new SlimError("CONFIG", `"${bad}" is not the name of a Debian package`, { where: "--package" });
  return { libraries, packages: [...new Set(packages)].sort(compareStrings) };
}

/** What the image is called when no package.json says it: the name that all programs have. */
function named(targets: readonly Target[]): { name?: string } {
  const names = targets.map(({ program }) =>
    program.kind === "binary" ? program.file : program.kind === "package" ? program.entry : "",
  );
  const [name, ...others] = new Set(names.map((file) => path.basename(file)));
  return name === undefined || others.length > 0 ? {} : { name };
}

async function planNode(
  project: Project & { kind: "node" },
  options: BuildOptions,
  platforms: readonly Platform[],
  cwd: string,
): Promise<Targets> {
  if (options.bare) {
    throw new SlimError("CONFIG", "a Node.js app cannot be bare: it needs its runtime", { where: "--bare" });
  }
  refuseOptions(options, ["trim"], "this is a Node.js app, whose runtime is always cut");
  const { folder, manifest } = project;
  const entry = await findEntry(project, options.entry);
  const root = await findRoot(folder, manifest);
  await refusePlugAndPlay([folder, root]);
  const inside = path
    .relative(root, folder)
    .split(path.sep)
    .filter((part) => part !== "");
  const program: NodeProgram = {
    kind: "node",
    root,
    folder,
    entry: path.posix.join(...inside, entry.file),
    nodeOptions: entry.nodeOptions,
    preloads: entry.preloads,
    args: entry.args,
    env: entry.env,
    givenEnv: options.env ?? {},
    name: manifest.name ?? path.basename(folder),
    ...(manifest.version === undefined ? {} : { version: manifest.version }),
    mode: planMode(options.mode ?? "bundle"),
    include: options.include ?? [],
    exclude: options.exclude ?? [],
    external: options.external ?? [],
    traced: await readTraced(folder),
    sourcemap: options.sourcemap ?? false,
    runtime: await planRuntime(folder, manifest, options.node, platforms, cwd),
  };
  return { targets: platforms.map((platform) => ({ platform, program })), diagnostics: entry.diagnostics };
}

function planMode(mode: string): "bundle" | "files" {
  if (mode === "bundle" || mode === "files") return mode;
  throw new SlimError("CONFIG", `"${mode}" is not a mode`, { where: "--mode", hint: "bundle or files" });
}

async function planBinaries(
  { files, folder }: Project & { kind: "binary" },
  options: BuildOptions,
  asked: readonly Platform[] | undefined,
): Promise<readonly Target[]> {
  const meaningless = forApps.filter((name) => name !== "include" && name !== "exclude");
  refuseOptions(options, meaningless, "this is a binary");
  if (files.length === 1) refuseOptions(options, ["entry"], "this is a binary");
  const named = options.entry === undefined ? files : files.filter(({ file }) => path.basename(file) === options.entry);
  if (named.length === 0) {
    const names = [...new Set(files.map(({ file }) => path.basename(file)))].sort(compareStrings);
    throw new SlimError("NOT_FOUND", `there is no program ${options.entry}`, {
      where: "--entry",
      hint: `there are ${names.join(", ")}; for a program of a package, its whole path`,
    });
  }
  const byPlatform = new Map<string, { platform: Platform; file: string; isSaid: boolean }>();
  for (const { file, platform: said } of named) {
    const platform = said ?? (await elfPlatform(file));
    const name = formatPlatform(platform);
    const other = byPlatform.get(name)?.file;
    if (other !== undefined) {
      throw new SlimError("CONFIG", `is for ${name}, and so is ${other}`, {
        where: file,
        hint: `choose by --entry NAME, or give each file with its platform: ${name}=FILE`,
      });
    }
    byPlatform.set(name, { platform, file, isSaid: said !== undefined });
  }
  const all = [...byPlatform.values()];
  return (asked ?? all.map(({ platform }) => platform)).map((platform) => {
    const name = formatPlatform(platform);
    const found = byPlatform.get(name) ?? all.find((one) => !one.isSaid && isSameMachine(one.platform, platform));
    if (found === undefined) throw notFor(name, all);
    const program: BinaryProgram = {
      kind: "binary",
      file: found.file,
      bare: options.bare ?? false,
      trim: options.trim ?? false,
      folder,
      include: options.include ?? [],
      exclude: options.exclude ?? [],
    };
    return { platform, program };
  });
}

function notFor(name: string, all: readonly { readonly platform: Platform; readonly file: string }[]): SlimError {
  const [first, ...others] = all;
  const what = (one: { readonly platform: Platform }) => formatPlatform(one.platform);
  if (others.length === 0) {
    const where = first?.file ?? "";
    return new SlimError("PLATFORM", `is for ${first === undefined ? "no platform" : what(first)}, not ${name}`, {
      where,
    });
  }
  return new SlimError("PLATFORM", `no program is for ${name}`, {
    where: "--platform",
    hint: `there are programs for ${all.map(what).join(", ")}`,
  });
}

/** @throws SlimError `ELF` for what is no program of any platform */
async function elfPlatform(file: string): Promise<Platform> {
  const { platform, linkage } = await withFile(file, (reader) => parseElf(reader, file));
  if (platform === undefined)
    throw new SlimError("ELF", "is for a machine or a system that no image platform names", {
      where: file,
      hint: "build it for Linux",
    });
  if (linkage === "library" || linkage === "other") {
    throw new SlimError("ELF", "is not a program", {
      where: file,
      hint: "point at an executable, not at a library or an object file",
    });
  }
  return platform;
}
