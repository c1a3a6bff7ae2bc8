import path from "node:path";
import type { Context } from "../base/context.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import { readEnv } from "../image/inherit.ts";
import { formatPlatform, type Platform } from "../image/platform.ts";
import type { Cache } from "../layer/cache.ts";
import type { BaseImage } from "../sources/base/bases.ts";
import { debianArchitecture } from "../sources/debian/architecture.ts";
import type { DebianPackage } from "../sources/debian/package.ts";
import type { Sources } from "../sources/sources.ts";
import { type Binary, binaryClosure } from "./binary.ts";
import { composeClosure } from "./compose.ts";
import { findFile, type LibraryFiles, overlay } from "./elf/files.ts";
import { isElf } from "./elf/parse.ts";
import { type NodeProject, nodeClosure } from "./node/index.ts";
import { findRuntime, type RuntimeRequest } from "./node/runtime.ts";
import { callsShell, missingPrograms, type Script } from "./system/called.ts";
import { contentFile, withContent } from "./system/content.ts";
import { certificatesPath, DebianFiles } from "./system/debian-files.ts";
import { DebianGround } from "./system/debian-ground.ts";
import { FolderGround, type Ground, noGround } from "./system/ground.ts";
import { ImageGround } from "./system/image-ground.ts";
import { refuseProblems, takeLibraries } from "./system/libraries.ts";
import { composeOnBase, isInBase, placeOnBase } from "./system/on-base.ts";
import { dataNotAdded, notAdded, type TakenPackages, takePackages } from "./system/packages.ts";
import { takeNamedData, takePlugins } from "./system/plugins.ts";
import { rootfs } from "./system/rootfs.ts";
import { checkLibraryScript, checkScript, refuseGenerators } from "./system/scripts.ts";
import type { Closure, ClosureEntry, ClosurePart } from "./types.ts";

/** A Node.js app; the version of its target is known when the runtime has been found. */
export interface NodeProgram extends Omit<NodeProject, "target" | "nodeEnv"> {
  readonly kind: "node";
  readonly runtime: RuntimeRequest;
  /** Options of Node.js itself, which stand before the entry. */
  readonly nodeOptions: readonly string[];
  /** What the app sets unless the image does. */
  readonly env: Readonly<Record<string, string>>;
  /** What the user sets in any case. */
  readonly givenEnv: Readonly<Record<string, string>>;
}

/** A program that runs by itself. */
export interface BinaryProgram extends Binary {
  readonly kind: "binary";
  /** The program and its libraries alone, without accounts, certificates and folders around them. */
  readonly bare: boolean;
}

/** A program of a Debian package. */
export interface PackagedProgram {
  readonly kind: "package";
  /** Path in the image, or a name to look for on its PATH. */
  readonly entry: string;
}

export type Program = NodeProgram | BinaryProgram | PackagedProgram;

/** What lies under the program. */
export interface GroundRequest {
  /**
   * Where libraries come from: Debian, a folder (`/` is this machine), nowhere, or an image that has them, as
   * `openStore` reads it.
   */
  readonly libraries:
    | "debian"
    | "scratch"
    | { readonly folder: string }
    | { readonly image: string; readonly cwd: string };
  /** Debian packages to add. */
  readonly packages: readonly string[];
}

/** How the program is started. */
export interface Launch {
  readonly entrypoint: readonly string[];
  /** Arguments, unless others are given. */
  readonly cmd?: readonly string[];
  /** Undefined where the program does not mind. */
  readonly workdir: string | undefined;
  /** What is set unless the base or the user sets it. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ProgramClosure {
  readonly closure: Closure;
  readonly launch: Launch;
  /** What the closure is put on. */
  readonly base: BaseImage | undefined;
}

/** Where programs look for others by default, as Docker sets it. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What Node.js apps run as, unless somebody says something else. */
const NODE_ENV = "production";

/**
 * Every file that a program needs on a platform, each with the reason why, and how it is started.
 * @throws SlimError
 */
export async function closureOf(
  context: Context,
  sources: Sources,
  program: Program,
  platform: Platform,
  request: GroundRequest,
): Promise<ProgramClosure> {
  const system = await System.open(sources, platform, {
    ...request,
    ...(program.kind === "package" ? { entry: program.entry } : {}),
  });
  if (program.kind === "node") return closureOfNode(context, sources, system, program);
  if (program.kind === "package") return closureOfPackaged(system, program);
  return closureOfBinary(sources, system, program);
}

async function closureOfNode(
  context: Context,
  sources: Sources,
  system: System,
  program: NodeProgram,
): Promise<ProgramClosure> {
  const { platform, image } = system;
  const runtime = await findRuntime(sources, program.runtime, platform, image);
  const hasProgram = (name: string) => system.hasProgram(name);
  const target = { node: runtime.version, platform, libc: runtime.libc, hasProgram };
  const set = { ...program.env, ...readEnv(image?.base.config.config?.Env), ...program.givenEnv };
  const [app, part] = await Promise.all([
    nodeClosure(context, { ...program, target, nodeEnv: set.NODE_ENV ?? NODE_ENV }, sources),
    runtime.load(),
    system.takeDefaults(),
  ]);
  const own = system.filesOf([...part.entries, ...app.entries]);
  for (const place of [runtime.path, ...app.entries.map(({ entry }) => entry.path).filter(isAddon)]) {
    await system.takeNeeds(own, place);
  }
  return {
    closure: await system.compose([system.rootfs(), part, app]),
    launch: {
      entrypoint: [runtime.path, ...program.nodeOptions, ...app.nodeOptions, app.entrypoint],
      ...(program.args.length === 0 ? {} : { cmd: program.args }),
      workdir: path.posix.join("/app", path.relative(program.root, program.folder).split(path.sep).join("/")),
      env: { PATH, NODE_ENV, SSL_CERT_FILE: system.certificates, ...program.env },
    },
    base: image?.base,
  };
}

function isAddon(place: string): boolean {
  return place.endsWith(".node") || /\.so(?:\.[0-9.]+)?$/.test(place);
}

async function closureOfBinary(sources: Sources, system: System, program: BinaryProgram): Promise<ProgramClosure> {
  if (!program.bare) await system.takeDefaults();
  const binary = await binaryClosure(system.ground, sources.cache, program);
  if (!program.bare) await system.takeNamedData(binary.entries);
  await system.noteShells(binary.entries);
  return {
    closure: await system.compose(program.bare ? [binary] : [system.rootfs(), binary]),
    launch: {
      entrypoint: [binary.entrypoint],
      // As it is started in the project's folder, where it finds its files.
      workdir: program.include.length > 0 ? "/app" : undefined,
      env: program.bare ? { PATH } : { PATH, SSL_CERT_FILE: system.certificates },
    },
    base: system.image?.base,
  };
}

async function closureOfPackaged(system: System, { entry }: PackagedProgram): Promise<ProgramClosure> {
  await system.takeDefaults();
  const closure = await system.compose([system.rootfs()]);
  const program = await system.findProgram(closure, entry);
  if (program === undefined) {
    const programs = [...closure.entries.keys()].filter((place) => /^\/usr\/s?bin\//.test(place)).slice(0, 12);
    throw new SlimError("NOT_FOUND", "is no program of the packages", {
      where: entry,
      hint:
        programs.length === 0
          ? "add a package with a program, or name a project or a program"
          : `--entry names one: there are ${programs.join(", ")}`,
    });
  }
  const launch = { entrypoint: [program], workdir: undefined, env: { PATH, SSL_CERT_FILE: system.certificates } };
  return { closure, launch, base: system.image?.base };
}

/** Where a program is looked for by its name. */
function onPath(name: string): readonly string[] {
  return PATH.split(":").map((folder) => path.posix.join(folder, name));
}

/** What is put under a program on one platform. */
class System {
  readonly platform: Platform;
  readonly ground: Ground;
  readonly #cache: Cache;
  readonly #taken: DebianFiles | undefined;
  readonly #packages: TakenPackages;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #scripts: Script[] = [];

  private constructor(
    cache: Cache,
    platform: Platform,
    ground: Ground,
    taken: DebianFiles | undefined,
    packages: TakenPackages,
  ) {
    this.#cache = cache;
    this.platform = platform;
    this.ground = ground;
    this.#taken = taken;
    this.#packages = packages;
  }

  /** @param request with the program, where that is one of the packages */
  static async open(
    sources: Sources,
    platform: Platform,
    request: GroundRequest & { entry?: string },
  ): Promise<System> {
    const { libraries, packages, entry } = request;
    const architecture = debianArchitecture(platform);
    const taken = architecture === undefined ? undefined : new DebianFiles(sources.debian, architecture);
    // Whatever Debian has, it is at hand by leaving the option out.
    const isSysroot = typeof libraries === "object" && "folder" in libraries && libraries.folder !== "/";
    const way = isSysroot ? "leave out --sysroot, or put it there" : "--base debian brings it";
    const hint: Ground["hint"] = async ({ name }) => {
      const owner =
        architecture &&
        (await sources.debian.libraryPackage(architecture, path.posix.basename(name)).catch(() => undefined));
      return owner ? `Debian has it in ${owner}: ${way}` : "ship it beside the program";
    };
    const nothing: TakenPackages = { whole: [], direct: [], scripts: [], diagnostics: [] };
    if (libraries === "scratch") return new System(sources.cache, platform, noGround(hint), taken, nothing);
    if (typeof libraries === "object" && "folder" in libraries) {
      const ground = await FolderGround.open(libraries.folder, hint);
      return new System(sources.cache, platform, ground, taken, {
        ...nothing,
        diagnostics: hostDiagnostics(libraries.folder),
      });
    }
    const debian = taken && new DebianGround(sources.debian, architecture as string, taken);
    const ground =
      libraries === "debian"
        ? debian
        : await ImageGround.open(await sources.bases.image(libraries.image, libraries.cwd, platform), debian);
    if (ground === undefined || taken === undefined) {
      if (packages.length > 0) throw noDebian(platform);
      return new System(sources.cache, platform, ground ?? noGround(hint), taken, nothing);
    }
    const added = await takePackages(sources.debian, architecture as string, packages, {
      taken,
      ground,
      ...(entry === undefined ? {} : { entry }),
    });
    return new System(sources.cache, platform, ground, taken, added);
  }

  /** The base, where the ground is one. */
  get image(): ImageGround | undefined {
    return this.ground instanceof ImageGround ? this.ground : undefined;
  }

  /** Where the image has the certificates it trusts. */
  get certificates(): string {
    return this.image?.certificates ?? certificatesPath;
  }

  /** Accounts and folders, as far as the base does not have them. */
  rootfs(): ClosurePart {
    const { image } = this;
    return image === undefined ? rootfs() : rootfs((place) => image.has(place));
  }

  /** Entries as a loader sees them where they come to lie. */
  filesOf(entries: readonly ClosureEntry[]): LibraryFiles {
    const { image } = this;
    return filesOf(image === undefined ? entries : entries.map((entry) => placeOnBase(image, entry)));
  }

  /** Certificates, whatever is under the program. */
  async takeDefaults(): Promise<void> {
    if (this.image?.certificates !== undefined) return;
    if (this.#taken === undefined) throw noDebian(this.platform);
    await this.#taken.takeCertificates();
  }

  /** Programs and libraries of the user that have commands run by a shell. */
  async noteShells(entries: readonly ClosureEntry[]): Promise<void> {
    for (const { entry } of entries) {
      if (entry.type !== "file") continue;
      const isCaller = await withContent(entry.content, async (reader) => {
        return isElf(await reader.read(0, 16)) && (await callsShell(reader, entry.path));
      });
      if (isCaller)
        this.#scripts.push({ path: entry.path, package: entry.path, interpreter: "/bin/sh", isProgram: true });
    }
  }

  /** Data that files of the user name and every Debian has. */
  async takeNamedData(entries: readonly ClosureEntry[]): Promise<void> {
    if (this.#taken !== undefined)
      await takeNamedData(this.#taken, entries, (place) => this.image?.has(place) === true);
  }

  /** Brings what a file of the image needs. @throws SlimError `CLOSURE` */
  async takeNeeds(own: LibraryFiles, program: string): Promise<void> {
    const needs = await takeLibraries(this.ground, { own, program });
    await refuseProblems(this.ground, needs, program);
    this.#diagnostics.push(...needs.diagnostics);
  }

  /** Everything together, with what was taken of the system. */
  async compose(parts: readonly ClosurePart[]): Promise<Closure> {
    const { ground, image } = this;
    const plugins = await this.#takePlugins();
    const folder: ClosurePart[] = ground instanceof FolderGround ? [await ground.part()] : [];
    const isDebian = image?.isDebian ?? ground instanceof DebianGround;
    const debian =
      this.#taken === undefined ? [] : [await this.#taken.part(isDebian, image && ((entry) => isInBase(image, entry)))];
    const all = [...parts, ...debian, ...folder];
    const closure = image === undefined ? composeClosure(this.platform, all) : composeOnBase(this.platform, image, all);
    const { scripts, diagnostics } = this.#packages;
    const missing = await missingPrograms([...scripts, ...this.#scripts], (place) => this.hasFile(closure, place));
    return {
      ...closure,
      diagnostics: [
        ...closure.diagnostics,
        ...this.#diagnostics,
        ...diagnostics,
        ...plugins,
        ...this.#lacking(),
        ...missing,
      ],
    };
  }

  /** Takes what libraries of Debian read while they run. */
  async #takePlugins(): Promise<readonly Diagnostic[]> {
    const { ground } = this;
    if (this.#taken === undefined || !(ground instanceof DebianGround || ground instanceof ImageGround)) return [];
    return takePlugins(this.#cache, this.#taken, ground, new Set(this.#packages.direct));
  }

  /** What the packages lack that gave libraries, once everything has been taken. */
  #lacking(): readonly Diagnostic[] {
    const taken = this.#taken;
    if (taken === undefined) return [];
    const { whole, direct } = this.#packages;
    const libraries = taken.packages.filter(({ name }) => !whole.some((one) => one.name === name));
    const gaveLibrary = ({ files }: DebianPackage) =>
      files.some((file) => isAddon(file.path) && taken.hasFile(file.path));
    const data = libraries.filter((found) => direct.includes(found.name) && gaveLibrary(found));
    for (const found of data) refuseGenerators(found);
    const has = (place: string) => taken.hasFile(place);
    return [
      ...whole.flatMap((found) => [...checkScript(found, has), ...notAdded(found, taken, this.ground)]),
      ...libraries.flatMap(checkLibraryScript),
      ...data.flatMap((found) => dataNotAdded(found, taken, this.ground)),
    ];
  }

  /** Whether a package or the base has a program where others look for it. */
  hasProgram(name: string): boolean {
    return onPath(name).some((place) => this.#taken?.hasFile(place) || this.image?.has(place));
  }

  /** Where the image of a closure has a program, by its path or its name. */
  async findProgram(closure: Closure, program: string): Promise<string | undefined> {
    for (const place of path.posix.isAbsolute(program) ? [program] : onPath(program))
      if (await this.hasFile(closure, place)) return place;
    return undefined;
  }

  /** Whether the image of a closure has a file, links followed. */
  async hasFile({ entries }: Closure, place: string): Promise<boolean> {
    const own = filesOf([...entries.values()]);
    const files = this.image === undefined ? own : overlay([own, this.image.own]);
    return (await findFile(files, place)) !== undefined;
  }
}

function noDebian(platform: Platform): SlimError {
  return new SlimError("PLATFORM", `Debian has nothing for ${formatPlatform(platform)}`, {
    hint: "a static program can be built with --bare",
  });
}

function hostDiagnostics(folder: string): Diagnostic[] {
  if (folder !== "/") return [];
  return [
    {
      code: "host-libraries",
      severity: "warning",
      message: "libraries are taken from this machine: another one will give another image",
      hint: "leave out --base host to take them from Debian",
    },
  ];
}

/** Entries as a loader sees them. */
function filesOf(entries: readonly ClosureEntry[]): LibraryFiles {
  const files = new Map(entries.map(({ entry }) => [entry.path, entry]));
  return {
    at: async (place) => {
      const entry = files.get(place);
      if (entry?.type === "symlink") return { type: "link", target: entry.target };
      return entry?.type === "file" ? contentFile(entry.content) : undefined;
    },
  };
}
