import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type Context, throwIfAborted } from "../../base/context.ts";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import { globExpression } from "../../base/glob.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Reason } from "../types.ts";
import { Absent, foldersUp, type Published } from "./absent.ts";
import { type Addons, abiOf, addonsOf, isCarrier, type Machine, misfit, suits } from "./addons.ts";
import type { PathUse } from "./analyze.ts";
import { Compiler } from "./compiler.ts";
import { isCredential } from "./credentials.ts";
import { Disk, isWithin } from "./disk.ts";
import { ANY, type Imported, type Paths, type Place, pathOfUrl } from "./evaluate.ts";
import { isCode, isDeclaration, isTyped, Loader } from "./load.ts";
import { Packages, type Scope, splitSpecifier } from "./packages.ts";
import { APP, type NodeProject, nodeArch } from "./project.ts";
import { type PlacedAsk, type Reading, Readings } from "./readings.ts";
import { type Resolution, Resolver, type Style } from "./resolve.ts";
import { TRACE_NAME, type TracedFile } from "./traced.ts";
import { TsConfigs } from "./tsconfig.ts";

/** A module of the closure. `code` is there for JavaScript and TypeScript. */
export interface Module {
  readonly file: string;
  readonly kind: "commonjs" | "module" | "json" | "addon";
  readonly code?: Reading;
  readonly edges: readonly Edge[];
}

/** What a specifier means in one file. */
export interface Edge {
  readonly specifier: string;
  readonly style: Style;
  readonly target: string;
  /** Where the search for a bare name succeeded. */
  readonly base?: string;
}

/** What a file is needed as. */
interface Use {
  /** As a module, from the bundle. */
  module: boolean;
  /** As the bytes it has, on disk. */
  raw: boolean;
  /** At its path, to be started or loaded from there. */
  start: boolean;
  readonly reasons: Reason[];
}

/** The closure before it is packed, on the builder's disk. */
export interface Trace {
  readonly entry: string;
  /** What Node.js loads before it. */
  readonly preloads: readonly { readonly option: string; readonly file: string }[];
  readonly modules: ReadonlyMap<string, Module>;
  /** Names that no code writes out: the packages of binaries. */
  readonly carried: readonly Edge[];
  readonly uses: ReadonlyMap<string, Use>;
  readonly diagnostics: readonly Diagnostic[];
  /** Some code replaces a part of the module loader, as agents do. */
  readonly patchesLoader: boolean;
  /** Some code registers hooks that run in a thread of their own, which sees nothing but files. */
  readonly registersHooks: boolean;
  readonly disk: Disk;
  readonly packages: Packages;
  readonly resolver: Resolver;
}

/** A failed resolution; whether it is an error is known when everything is. */
interface Unresolved {
  readonly file: string;
  readonly ask: Extract<PlacedAsk, { specifier: string }>;
  readonly message: string;
}

/** Says something about a place in code. */
type Warn = (
  diagnostic: Omit<Diagnostic, "file" | "line" | "severity"> & Partial<Pick<Diagnostic, "severity">>,
) => void;

/** An addon that the target cannot load, where it has nothing else; whether that is an error is known at the end. */
interface Foreign {
  /** The folder of its package. */
  readonly folder: string;
  readonly message: string;
  readonly reason: Reason;
  /** The module that loads it, where that is known: else any of the package's. */
  readonly loader?: string;
  readonly guarded: boolean;
}

/** What a trace uses beside the project. */
export interface NodeSources {
  /** Where packages for the target come from that are not installed here. */
  readonly packages?: Published;
  /** Where readings are kept. */
  readonly cache?: Cache;
}

export async function trace(context: Context, project: NodeProject, { packages, cache }: NodeSources): Promise<Trace> {
  const { root, entry, target } = project;
  const name = JSON.stringify([root, entry, target, project.sourcemap]);
  const readings = cache === undefined ? undefined : await Readings.open(cache, name);
  const traced = await new Tracer(context, project, packages, readings).run();
  await readings?.save();
  return traced;
}

/** Over how many modules a path is handed on: more is a circle. */
const MOST_ROUNDS = 8;

/** How long the trace keeps the thread to itself, in milliseconds. */
const TURN = 50;

class Tracer {
  readonly #context: Context;
  readonly #project: NodeProject;
  readonly #disk = new Disk();
  readonly #packages: Packages;
  readonly #resolver: Resolver;
  readonly #loader: Loader;
  readonly #absent: Absent;
  readonly #root: string;
  readonly #folder: string;
  readonly #machine: Machine;
  readonly #modules = new Map<string, Module>();
  readonly #uses = new Map<string, Use>();
  readonly #diagnostics = new Map<string, Diagnostic>();
  readonly #unresolved: Unresolved[] = [];
  readonly #addonsKnown = new Map<string, Addons>();
  readonly #foreign: Foreign[] = [];
  /** What a module loads without being ready for a failure. */
  readonly #relies = new Map<string, string[]>();
  /** Modules with a loading that may fail, and those that may end in an error by themselves. */
  readonly #trying = new Set<string>();
  readonly #throwing = new Set<string>();
  /** Modules that run whenever the app does, each with the ones it certainly loads. */
  readonly #certain = new Map<string, string[]>();
  readonly #queue: { readonly file: string; readonly soft: boolean }[] = [];
  readonly #seen = new Set<string>();
  readonly #scopes = new Set<string>();
  /** Packages that are new, and why. */
  #arrived: { readonly scope: Scope; readonly reason: Reason }[] = [];
  readonly #included: ReadonlySet<string>;
  readonly #carried: Edge[] = [];
  /** Code that configures a package. */
  readonly #configs = new Set<string>();
  /** Modules of packages that load what they are told to, by name. */
  readonly #open: { readonly file: string; readonly style: Style; readonly edges: Edge[] }[] = [];
  /** Packages that the app's own code names in strings. */
  readonly #named = new Set<string>();
  /** Folders of its own that the app's code hands out, and names that packages look for below a folder. */
  readonly #given = new Map<string, Reason>();
  readonly #below = new Set<string>();
  /** Plain words in the app's own code. */
  readonly #words = new Set<string>();
  /** Code that may never run. */
  readonly #soft = new Set<string>();
  /** Paths that modules of the app are given by others, where these export some. */
  readonly #imported = new Map<string, Imported>();
  /** Undeclared packages, by the folder that should declare them: said at the first import. */
  readonly #told = new Set<string>();
  #entry = "";
  #patchesLoader = false;
  #registersHooks = false;
  #startsAny = false;

  constructor(
    context: Context,
    project: NodeProject,
    published: Published | undefined,
    readings: Readings | undefined,
  ) {
    this.#context = context;
    this.#project = project;
    this.#root = this.#disk.realpath(project.root);
    this.#folder = this.#disk.realpath(project.folder);
    const { node, platform, libc = "glibc" } = project.target;
    this.#machine = { arch: nodeArch(platform), abi: abiOf(node), libc };
    this.#included = new Set(project.include.map((name) => path.join(this.#folder, name)));
    const { name, version } = project;
    const purl = `pkg:npm/${encodeURIComponent(name)}${version === undefined ? "" : `@${version}`}`;
    this.#packages = new Packages(this.#disk, this.#root, {
      purl,
      name,
      ...(version === undefined ? {} : { version }),
    });
    const configs = new TsConfigs(this.#disk, this.#root);
    this.#resolver = new Resolver(this.#disk, this.#packages, this.#root, project.target.node, configs.aliases);
    this.#absent = new Absent({
      disk: this.#disk,
      packages: this.#packages,
      published,
      machine: this.#machine,
      folders: foldersUp(this.#folder, this.#root),
      find: this.#find.bind(this),
    });
    this.#loader = new Loader({
      disk: this.#disk,
      packages: this.#packages,
      configs,
      compiler: new Compiler(context, this.#disk, this.#root),
      node: project.target.node,
      sourcemap: project.sourcemap,
      readings,
    });
  }

  async run(): Promise<Trace> {
    const entry = path.join(this.#root, this.#project.entry);
    if (!this.#disk.isFile(entry))
      throw new SlimError("NOT_FOUND", "there is no such entry file", { where: this.#project.entry });
    const file = this.#disk.realpath(entry);
    this.#entry = file;
    this.#module(file, { kind: "entry" });
    const preloads = this.#project.preloads.map((one) => this.#preload(one));
    this.#arguments();
    await this.#include();
    for (const one of this.#project.traced) this.#traced(one);
    this.#context.report({ type: "stage", name: "trace" });
    await this.#drain();
    while (this.#configurations()) await this.#drain();
    for (let round = 0; round < MOST_ROUNDS && this.#handPaths(); round += 1) await this.#drain();
    if (this.#startsAny) this.#startable();
    this.#handedNames();
    this.#handedFolders();
    await this.#drain();
    this.#settle(file);
    return {
      entry: file,
      preloads,
      modules: this.#modules,
      carried: this.#carried,
      uses: this.#uses,
      diagnostics: [...this.#diagnostics.values()],
      patchesLoader: this.#patchesLoader,
      registersHooks: this.#registersHooks,
      disk: this.#disk,
      packages: this.#packages,
      resolver: this.#resolver,
    };
  }

  #preload({ option, specifier }: NodeProject["preloads"][number]): Trace["preloads"][number] {
    const from = path.join(this.#folder, "package.json");
    const found = this.#resolver.resolve(specifier, from, option === "--import" ? "import" : "require");
    if (found.type !== "file") {
      throw new SlimError("CLOSURE", `cannot find "${specifier}", which Node.js loads before the entry`, {
        where: `${option} in ${this.#relative(from)}`,
        hint: splitSpecifier(specifier) === undefined ? "correct the path" : `npm install ${specifier}`,
      });
    }
    this.#start(found.file, { kind: "entry", what: `${option} ${specifier}` });
    return { option, file: found.file };
  }

  /** Files and folders of the project that the entry is given as arguments. */
  #arguments(): void {
    for (const argument of this.#project.args) {
      const place = path.resolve(this.#folder, argument.replace(/^--?[\w-]+=/, ""));
      const reason: Reason = { kind: "asset", from: this.#image(this.#entry), what: argument };
      if (!isWithin(place, this.#folder) || place === this.#folder) continue;
      if (this.#disk.isFolder(place)) this.#whole(place, reason);
      else if (!this.#disk.isFile(place)) continue;
      else if (isCode(place)) this.#start(this.#disk.realpath(place), reason);
      else this.#rawQuietly(place, reason);
    }
  }

  async #drain(): Promise<void> {
    let breath = performance.now();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      // The work is synchronous; whoever wants to stop it, or to show progress, has to get a turn.
      if (performance.now() - breath > TURN) {
        await nextTurn();
        breath = performance.now();
      }
      throwIfAborted(this.#context.signal);
      // Before any code looks for them.
      await this.#bringCarriers();
      await this.#load(next.file, next.soft);
    }
  }

  /** Has modules of the app read again for which others turned out to export paths; says whether there are any. */
  #handPaths(): boolean {
    const again: string[] = [];
    for (const [file, { code, edges }] of this.#modules) {
      if (code === undefined || this.#soft.has(file) || !this.#packages.isOwn(file)) continue;
      const imported = Object.fromEntries(
        edges
          .map(({ specifier, target }) => [specifier, this.#exported(target)])
          .filter(([, paths]) => paths !== undefined),
      ) as Imported;
      if (JSON.stringify(imported) === JSON.stringify(this.#imported.get(file) ?? {})) continue;
      this.#imported.set(file, imported);
      again.push(file);
    }
    for (const file of again) this.#queue.push({ file, soft: false });
    return again.length > 0;
  }

  /** Paths in the project that a module of the app exports. */
  #exported(file: string): Paths | undefined {
    const known = Object.entries(this.#modules.get(file)?.code?.paths ?? {})
      .map(([name, paths]) => [name, paths.filter((one) => isWithin(one, this.#root))] as const)
      .filter(([, paths]) => paths.length > 0);
    return known.length === 0 ? undefined : Object.fromEntries(known);
  }

  // -- what gets in ------------------------------------------------------------------------------------------

  #use(file: string, reason: Reason): Use {
    let use = this.#uses.get(file);
    if (use === undefined) {
      this.#guard(file, reason);
      use = { module: false, raw: false, start: false, reasons: [] };
      this.#uses.set(file, use);
      this.#package(file, reason);
    }
    if (
      use.reasons.length < 20 &&
      !use.reasons.some((known) => known.file === reason.file && known.line === reason.line)
    )
      use.reasons.push(reason);
    return use;
  }

  #module(file: string, reason: Reason, soft = false): void {
    this.#use(file, reason).module = true;
    this.#enqueue(file, soft);
  }

  #raw(file: string, reason: Reason): void {
    this.#use(file, reason).raw = true;
    if (isCode(file)) this.#enqueue(file, true);
  }

  #start(file: string, reason: Reason): void {
    this.#use(file, reason).start = true;
    this.#enqueue(file, false);
  }

  #enqueue(file: string, soft: boolean): void {
    if (this.#seen.has(file)) return;
    this.#seen.add(file);
    this.#queue.push({ file, soft });
  }

  /** @throws SlimError for what must never be in an image */
  #guard(file: string, reason: Reason): void {
    const where =
      reason.file === undefined
        ? this.#relative(file)
        : `${reason.file}${reason.line === undefined ? "" : `:${reason.line}`}`;
    if (!isWithin(file, this.#root)) {
      throw new SlimError("CLOSURE", `${reason.what ?? file} leads out of the project, to ${file}`, {
        where,
        hint: "build from the folder that holds both, or copy the file into the project",
      });
    }
    if (!this.#included.has(file) && isCredential(file, () => this.#disk.read(file))) {
      throw new SlimError("CREDENTIAL", `${this.#relative(file)} looks like a secret and is used here`, {
        where,
        hint: `mount it when the container runs, or add it on purpose with --include ${this.#relative(file)}`,
      });
    }
    if (this.#isExcluded(file) && reason.kind !== "asset") {
      throw new SlimError("CLOSURE", `${this.#relative(file)} is excluded and needed`, {
        where,
        hint: "take it out of --exclude",
      });
    }
  }

  #isExcluded(file: string): boolean {
    return this.#project.exclude.some((pattern) => this.#matches(pattern, file));
  }

  #addonsOf(scope: Scope): Addons {
    const known = this.#addonsKnown.get(scope.folder) ?? addonsOf(this.#disk, scope, this.#machine);
    this.#addonsKnown.set(scope.folder, known);
    return known;
  }

  #misfit(addon: string): string | undefined {
    return misfit(this.#disk, addon, this.#packages.whole(addon)?.folder ?? this.#root, this.#machine);
  }

  #matches(pattern: string, file: string): boolean {
    return (
      globExpression(pattern, true).test(this.#relative(file)) || this.#packages.whole(file)?.json.name === pattern
    );
  }

  /** What a package brings as soon as one of its files is needed. */
  #package(file: string, reason: Reason): void {
    const scope = this.#packages.whole(file);
    if (scope === undefined || this.#scopes.has(scope.folder)) return;
    this.#scopes.add(scope.folder);
    this.#arrived.push({ scope, reason });
    if (this.#project.external.includes(scope.json.name ?? "")) {
      for (const other of this.#disk.below(scope.folder))
        this.#rawQuietly(this.#disk.realpath(other), { kind: "include", what: `--external ${scope.json.name}` });
    }
  }

  /** Addons of packages that are new, also of those that carry them for others. */
  async #bringCarriers(): Promise<void> {
    for (let next = this.#arrived.shift(); next !== undefined; next = this.#arrived.shift()) {
      const { scope, reason } = next;
      const { folders, lacking, diagnostics } = await this.#absent.carriers(scope);
      for (const diagnostic of diagnostics) this.#say(diagnostic);
      for (const folder of folders) this.#carrier(scope, folder);
      const foreign = scope.folder === this.#root ? undefined : this.#addons(scope);
      if (folders.length > 0 || !suits(scope.json, this.#machine) || (foreign === undefined && !lacking)) continue;
      const why = foreign === undefined ? "" : `: ${foreign}`;
      const message = `${scope.json.name} has no addon for ${this.#targetName}${why}`;
      this.#foreign.push({ folder: scope.folder, message, reason, guarded: false });
    }
  }

  /** The target, in messages. */
  get #targetName(): string {
    const { arch, libc } = this.#machine;
    return libc === "glibc" ? `linux ${arch}` : `linux ${arch} with ${libc}`;
  }

  /** Takes the addons of a package for the target; or says why there are none, where it has others. */
  #addons(scope: Scope): string | undefined {
    const { files, foreign } = this.#addonsOf(scope);
    for (const addon of files) {
      this.#module(this.#disk.realpath(addon), {
        kind: "dlopen",
        from: this.#image(path.join(scope.folder, "package.json")),
        what: path.relative(scope.folder, addon),
      });
    }
    return foreign && `${path.relative(scope.folder, foreign.file)} ${foreign.why}`;
  }

  /** A package of binaries for another one, whose loader names it at run time. */
  #carrier(scope: Scope, folder: string): void {
    const name = this.#packages.at(folder)?.json.name ?? "";
    const reason: Reason = { kind: "require", from: this.#image(path.join(scope.folder, "package.json")), what: name };
    // Loaders read the name of the package that they are in.
    this.#use(path.join(scope.folder, "package.json"), reason).raw = true;
    const main = this.#resolver.resolve(name, path.join(scope.folder, "package.json"), "require");
    if (main.type === "file" && main.base !== undefined)
      this.#carried.push({ specifier: name, style: "require", target: main.file, base: main.base });
    for (const file of this.#disk.below(folder)) {
      if (forPeople.test(file) || file.endsWith(".node")) continue;
      const real = this.#disk.realpath(file);
      if (isCode(file) || file.endsWith(".json")) this.#module(real, reason, true);
      else this.#rawQuietly(real, reason);
    }
  }

  /** The folder of an installed package, seen from another. */
  #find(name: string, from: string): string | undefined {
    for (let folder = from; isWithin(folder, this.#root); folder = path.dirname(folder)) {
      const place = path.join(folder, "node_modules", name);
      if (this.#disk.isFolder(place)) return this.#disk.realpath(place);
    }
    // Next to it, as in a store of linked packages.
    const sibling = path.join(
      from.slice(0, from.lastIndexOf(`${path.sep}node_modules${path.sep}`)),
      "node_modules",
      name,
    );
    return this.#disk.isFolder(sibling) ? this.#disk.realpath(sibling) : undefined;
  }

  /** What the app names and a package loads, as the package finds it: hoisted folders make the difference. */
  #handedNames(): void {
    for (const { file, style, edges } of this.#open) {
      for (const name of this.#named) {
        const found = this.#resolver.resolve(name, file, style);
        if (found.type !== "file" || found.base === undefined) continue;
        edges.push({ specifier: name, style, target: found.file, base: found.base });
        const reason: Reason = { kind: "require", from: this.#image(file), file: this.#relative(file), what: name };
        this.#module(found.file, reason, true);
      }
    }
  }

  /** What a package looks for by name in a folder that the app gives it: `public`, `views`. */
  #handedFolders(): void {
    for (const [folder, reason] of this.#given) {
      for (const name of this.#below) {
        const place = path.join(folder, name);
        if (name !== "node_modules" && this.#disk.isFolder(place) && !isWithin(reason.file ?? "", place))
          this.#whole(place, { ...reason, kind: "asset", what: name });
      }
    }
  }

  /** Where something starts threads by paths of a run, the app's own modules in folders it was given may be meant. */
  #startable(): void {
    for (const [file, use] of this.#uses) {
      if (!use.raw || !this.#packages.isOwn(file) || (this.#modules.get(file)?.edges.length ?? 0) === 0) continue;
      use.raw = false;
      use.start = true;
    }
  }

  /**
   * How the project configures what is in the closure: `NAME.config.js`, `.NAMErc`, and `NAME` in package.json, where
   * NAME is a package's or a word that the app's own code hands on. Packages search for these. Says whether one is new.
   */
  #configurations(): boolean {
    const known = this.#uses.size;
    const names = new Set(this.#words);
    for (const folder of this.#scopes) {
      const name = this.#packages.at(folder)?.json.name ?? "";
      if (folder !== this.#root) for (const part of name.replace(/^@/, "").split("/")) names.add(part);
    }
    for (const folder of new Set([this.#folder, path.dirname(this.#entry)])) {
      for (const name of this.#disk.names(folder)) {
        const about = /^(?:\.([\w-]+)rc|([\w-]+)\.config)(?:\.\w+)*$/.exec(name);
        const file = path.join(folder, name);
        if (about === null || !names.has(about[1] ?? about[2] ?? "") || !this.#disk.isFile(file)) continue;
        const reason: Reason = { kind: "asset", from: this.#image(this.#entry), what: name };
        if (isCode(file)) {
          this.#configs.add(this.#disk.realpath(file));
          this.#start(this.#disk.realpath(file), reason);
        } else this.#rawQuietly(file, reason);
      }
      const json = this.#packages.at(folder)?.json as Readonly<Record<string, unknown>> | undefined;
      for (const [key, value] of Object.entries(json ?? {})) {
        if (names.has(key) && !fields.has(key)) this.#configured(folder, key, value);
      }
    }
    return this.#uses.size > known;
  }

  /** Paths in a package's part of package.json. */
  #configured(folder: string, key: string, value: unknown): void {
    const reason: Reason = { kind: "asset", from: this.#image(path.join(folder, "package.json")), what: key };
    this.#raw(path.join(folder, "package.json"), reason);
    for (const text of stringsIn(value)) {
      const place = path.join(folder, text);
      if (!/^\.\//.test(text) || !isWithin(place, folder) || place === folder) continue;
      if (this.#disk.isFolder(place)) this.#whole(place, reason);
      else if (this.#disk.isFile(place)) this.#rawQuietly(place, reason);
    }
  }

  async #include(): Promise<void> {
    for (const pattern of this.#project.include) {
      const exact = path.join(this.#folder, pattern);
      const reason: Reason = { kind: "include", what: pattern };
      if (this.#disk.isFile(exact)) this.#raw(this.#disk.realpath(exact), reason);
      else if (this.#disk.isFolder(exact)) this.#whole(exact, reason);
      else {
        const expression = globExpression(pattern, true);
        const files = [...this.#disk.below(this.#folder)].filter((file) =>
          expression.test(file.slice(this.#folder.length + 1)),
        );
        for (const file of files) this.#rawQuietly(file, reason);
        if (files.length === 0)
          this.#say({ code: "include-nothing", severity: "warning", message: `--include ${pattern} fits no file` });
      }
    }
  }

  /** What a run needed, as long as it is there and may be in an image of this platform. */
  #traced({ file, how, from, specifier }: TracedFile): void {
    const place = path.join(this.#folder, file);
    const asker = path.join(this.#folder, from);
    if (!this.#disk.isFile(place)) {
      this.#say({
        code: "trace-stale",
        severity: "warning",
        message: `names ${file}, which is not there`,
        file: TRACE_NAME,
        hint: "run slim trace again",
      });
      return;
    }
    const reason: Reason = { kind: "trace", from: this.#image(asker), file: TRACE_NAME, what: specifier ?? file };
    const real = this.#disk.realpath(place);
    if (this.#asOnTarget({ type: "file", file: real }).type === "missing") return;
    if (how === "read" || !isCode(real)) this.#rawQuietly(real, reason);
    else if (this.#isAllowed(real, reason)) this.#start(real, reason);
    if (specifier === undefined || !this.#uses.has(real)) return;
    for (const style of ["require", "import"] as const) {
      const found = this.#resolver.resolve(specifier, asker, style);
      if (found.type === "file" && found.file === real && found.base !== undefined)
        this.#carried.push({ specifier, style, target: real, base: found.base });
    }
  }

  /** Everything in a folder; `from` is the code that names it. */
  #whole(folder: string, reason: Reason, from?: string): void {
    for (const file of this.#disk.below(folder)) {
      if (from !== undefined && this.#isSource(from, file)) this.#start(this.#disk.realpath(file), reason);
      else this.#rawQuietly(file, reason);
    }
  }

  /** As one of many: what looks like a secret, is excluded or is for another machine stays out. */
  #rawQuietly(file: string, reason: Reason): void {
    const real = this.#disk.realpath(file);
    if (this.#isAllowed(real, reason)) this.#raw(real, reason);
  }

  #isAllowed(file: string, reason: Reason): boolean {
    if (this.#isExcluded(file)) return false;
    if (!isWithin(file, this.#root)) {
      this.#say({
        code: "outside-project",
        severity: "warning",
        message: `${reason.what ?? "a folder"} has a link out of the project, to ${path.basename(file)}, which is left out`,
        ...(reason.file === undefined ? {} : { file: reason.file }),
        ...(reason.line === undefined ? {} : { line: reason.line }),
        hint: "copy the file into the project",
      });
      return false;
    }
    if (file.endsWith(".node") && this.#misfit(file) !== undefined) return false;
    if (this.#included.has(file) || !isCredential(file, () => this.#disk.read(file))) return true;
    this.#say({
      code: "credential-left-out",
      severity: "warning",
      message: `${this.#relative(file)} looks like a secret and is left out`,
      ...(reason.file === undefined ? {} : { file: reason.file }),
      ...(reason.line === undefined ? {} : { line: reason.line }),
      hint: `add it on purpose with --include ${this.#relative(file)}`,
    });
    return false;
  }

  // -- what a module asks for --------------------------------------------------------------------------------

  async #load(file: string, soft: boolean): Promise<void> {
    if (!isCode(file)) {
      const kind = file.endsWith(".json") ? "json" : file.endsWith(".node") ? "addon" : undefined;
      if (kind !== undefined) this.#modules.set(file, { file, kind, edges: [] });
      else if (this.#uses.get(file)?.module) await this.#loadCode(file, soft);
      return;
    }
    await this.#loadCode(file, soft);
  }

  async #loadCode(file: string, soft: boolean): Promise<void> {
    const own = this.#packages.isOwn(file);
    if (soft) this.#soft.add(file);
    let code: Reading;
    try {
      code = await this.#loader.read({ place: this.#place(file), texts: own, keys: this.#configs.has(file) });
    } catch (error) {
      // A file that may never run, and that Node.js may never see.
      if (soft || !own) {
        const use = this.#uses.get(file);
        if (use !== undefined) use.raw = true;
        return;
      }
      throw error instanceof SlimError && error.where
        ? new SlimError(error.code, error.message, { where: this.#where(error.where), cause: error })
        : error;
    }
    if (code.withoutMetadata) {
      this.#say({
        code: "decorator-metadata",
        severity: "warning",
        message: "emitDecoratorMetadata is not applied: classes have no design:type metadata",
        file: this.#relative(file),
        hint: "install typescript (5.6 or newer) in the project, or compile with tsc and build what it writes",
      });
    }
    this.#patchesLoader ||= code.patchesLoader;
    const edges: Edge[] = [];
    const module: Module = { file, kind: code.format, code, edges };
    this.#modules.set(file, module);
    const certain: string[] = [];
    this.#certain.set(file, certain);
    for (const ask of code.asks) this.#answer(module, ask, edges, certain, soft);
  }

  #place(file: string): Place {
    const imported = this.#imported.get(file);
    return {
      ...(imported === undefined ? {} : { imported }),
      file,
      platform: "linux",
      arch: this.#machine.arch,
      cwd: this.#packages.isOwn(file) ? this.#folder : undefined,
      project: path.join(this.#folder, "package.json"),
      locate: (specifier) => {
        const found = specifier.includes(ANY) ? undefined : this.#resolver.resolve(specifier, file, "require");
        return found?.type === "file" ? found.file : undefined;
      },
    };
  }

  #answer(module: Module, ask: PlacedAsk, edges: Edge[], certain: string[], soft: boolean): void {
    const { file } = module;
    const reason = (kind: Reason["kind"], what: string): Reason => ({
      kind,
      from: this.#image(file),
      file: this.#relative(file),
      line: ask.line,
      what: what.replaceAll(ANY, "*").replace(`${this.#root}/`, ""),
    });
    const warn: Warn = (diagnostic) => {
      if (soft) return;
      const severity = this.#packages.isOwn(file) ? "warning" : "info";
      this.#say({ severity, ...diagnostic, file: this.#relative(file), line: ask.line });
    };
    switch (ask.type) {
      case "import":
      case "dynamic":
      case "require":
      case "resolve":
        if (ask.specifier.includes(ANY)) {
          this.#candidates(module, ask, reason("require", ask.specifier), edges, warn);
          return;
        }
        this.#resolved(
          module,
          ask,
          reason(ask.type === "require" || ask.type === "resolve" ? "require" : "import", ask.specifier),
          edges,
          certain,
          soft,
        );
        return;
      case "path":
        this.#path(file, ask.path, ask.use, reason(ask.use === "start" ? "worker" : "asset", ask.path), soft);
        return;
      case "text":
        if (soft) this.#softText(ask.text, reason("asset", ask.text));
        else this.#text(module, ask, reason("require", ask.text), edges);
        return;
      case "below":
        this.#below.add(ask.name);
        return;
      case "neighbour":
        this.#neighbour(file, ask.name, reason("asset", ask.name));
        return;
      case "unknown":
        this.#peers(module, ask.style, edges, reason);
        if (!this.#packages.isOwn(file)) this.#open.push({ file, style: ask.style, edges });
        if (ask.guarded) this.#trying.add(file);
        this.#unknown(file, `what ${ask.style === "import" ? "import()" : "require()"} loads here`, warn);
        return;
      case "hooks":
        this.#registersHooks = true;
        return;
      case "starts":
        this.#startsAny = true;
        return;
      case "throw":
        this.#throwing.add(file);
        return;
      case "program":
        if (ask.program === "node" || ask.program.startsWith("/")) return;
        if (this.#project.target.hasProgram?.(ask.program)) return;
        warn({
          code: "missing-program",
          message: `starts ${ask.program}, which the image does not have`,
          hint: "add it with --package or --include",
        });
        return;
    }
  }

  /** Drivers: the peers of a package that the project declares, where the package names one at run time. */
  #peers({ file }: Module, style: Style, edges: Edge[], reason: (kind: Reason["kind"], what: string) => Reason): void {
    if (this.#packages.isOwn(file)) return;
    const { dependencies, optionalDependencies } = this.#packages.at(this.#folder)?.json ?? {};
    for (const name of Object.keys(this.#packages.whole(file)?.json.peerDependencies ?? {}).sort(compareStrings)) {
      if ((dependencies?.[name] ?? optionalDependencies?.[name]) === undefined) continue;
      const found = this.#resolver.resolve(name, file, style);
      if (found.type !== "file") continue;
      const { base } = found;
      edges.push({ specifier: name, style, target: found.file, ...(base === undefined ? {} : { base }) });
      this.#module(found.file, reason("require", name), true);
    }
  }

  #resolved(
    module: Module,
    ask: Extract<PlacedAsk, { specifier: string }>,
    reason: Reason,
    edges: Edge[],
    certain: string[],
    soft: boolean,
  ): void {
    const style: Style = ask.type === "import" || ask.type === "dynamic" ? "import" : "require";
    const found = this.#asOnTarget(this.#resolver.resolve(ask.specifier, ask.from, style));
    if (found.type === "builtin") return;
    if (ask.guarded) this.#trying.add(module.file);
    if (found.type === "missing") {
      this.#refusing(ask, reason);
      if (!soft && !ask.guarded && ask.type !== "resolve")
        this.#unresolved.push({ file: module.file, ask, message: found.message });
      return;
    }
    if (ask.guarded && this.#isExcluded(found.file)) return;
    this.#undeclared(module.file, ask.specifier, reason, soft);
    if (found.file.endsWith(".node") && this.#refuses(module.file, found.file, ask, reason, soft)) return;
    if (!ask.guarded && !soft) this.#rely(module.file, found.file);
    edges.push({
      specifier: ask.specifier,
      style,
      target: found.file,
      ...(found.base === undefined ? {} : { base: found.base }),
    });
    if (ask.certain && !soft) certain.push(found.file);
    if (ask.type === "resolve") {
      this.#located(found.file, reason);
      return;
    }
    if (isCode(found.file) || /\.(?:json|node)$/.test(found.file) || style === "require")
      this.#module(found.file, reason, soft);
    else this.#raw(found.file, reason);
  }

  /** Binaries for other machines would not be installed on the target. */
  #asOnTarget(found: Resolution): Resolution {
    const json = found.type === "file" ? this.#packages.whole(found.file)?.json : undefined;
    if (json === undefined || !isCarrier(json) || suits(json, this.#machine)) return found;
    return { type: "missing", message: `${json.name} is for other machines than ${this.#targetName}` };
  }

  /** Whether an addon that code names is for another machine; what its package has is known already. */
  #refuses(loader: string, addon: string, ask: { readonly guarded: boolean }, reason: Reason, soft: boolean): boolean {
    const why = this.#misfit(addon);
    if (why === undefined) return false;
    const scope = this.#packages.whole(addon);
    const folder = scope?.folder ?? this.#root;
    if (scope !== undefined && folder !== this.#root) {
      const { files, foreign } = this.#addonsOf(scope);
      if (files.length > 0 || foreign !== undefined) return true;
    }
    const message = `${this.#relative(addon)} ${why}, and the image is for ${this.#targetName}`;
    this.#foreign.push({ folder, message, reason, loader, guarded: ask.guarded || soft });
    return true;
  }

  #rely(file: string, on: string): void {
    const list = this.#relies.get(file);
    if (list === undefined) this.#relies.set(file, [on]);
    else list.push(on);
  }

  /** The error for a path that a package does not export is made from its package.json. */
  #refusing(ask: Extract<PlacedAsk, { specifier: string }>, reason: Reason): void {
    const name = splitSpecifier(ask.specifier)?.name;
    const folder = name === undefined ? undefined : this.#find(name, path.dirname(ask.from));
    if (folder !== undefined && this.#packages.at(folder)?.json.exports !== undefined)
      this.#raw(path.join(folder, "package.json"), reason);
  }

  /** What `require.resolve` gives may be loaded, started or read. */
  #located(file: string, reason: Reason): void {
    if (isCode(file)) this.#start(file, reason);
    else this.#raw(file, reason);
  }

  #candidates(
    module: Module,
    ask: Extract<PlacedAsk, { specifier: string }>,
    reason: Reason,
    edges: Edge[],
    warn: Warn,
  ): void {
    const { specifier } = ask;
    const absolute = specifier.startsWith("file:")
      ? pathOfUrl(specifier)
      : specifier.startsWith("/")
        ? specifier
        : specifier.startsWith(".")
          ? path.join(path.dirname(ask.from), specifier)
          : undefined;
    if (absolute === undefined) {
      const name = specifier.split(ANY)[0] ?? "";
      // A package by name, and a file in it by what is unknown: `moment/locale/*`.
      const split = splitSpecifier(name);
      const folder =
        split !== undefined && name.includes("/", name.startsWith("@") ? name.indexOf("/") + 1 : 0)
          ? this.#find(split.name, path.dirname(ask.from))
          : undefined;
      if (split === undefined || folder === undefined) {
        this.#unknown(module.file, `which module "${specifier.replaceAll(ANY, "*")}" is`, warn);
        return;
      }
      const pattern = path.join(folder, specifier.slice(split.name.length));
      for (const file of this.#fitting(pattern, module.file, true)) {
        for (const asked of spellings(split.name + file.slice(folder.length))) {
          const found = this.#resolver.resolve(asked, ask.from, "require");
          if (found.type === "file" && found.base !== undefined)
            edges.push({ specifier: asked, style: "require", target: found.file, base: found.base });
        }
        this.#module(this.#disk.realpath(file), reason, true);
      }
      return;
    }
    if (this.#isWide(folderOf(absolute), module.file)) {
      this.#unknown(module.file, `which file "${this.#where(specifier).replaceAll(ANY, "*")}" is`, warn);
      return;
    }
    const style: Style = ask.type === "dynamic" ? "import" : "require";
    const files = this.#fitting(absolute, module.file, style === "require");
    for (const file of files) {
      edges.push({ specifier: pathToFileURL(file).href, style, target: this.#disk.realpath(file) });
      this.#module(this.#disk.realpath(file), reason, !this.#packages.isOwn(file));
    }
  }

  /** What no reading of the code can tell, unless a run has shown it. */
  #unknown(file: string, what: string, warn: Warn): void {
    const from = path.relative(this.#folder, file).split(path.sep).join("/");
    const shown = this.#project.traced.some((one) => one.how === "load" && one.from === from);
    warn({
      code: "unknown-require",
      message: `${what} is known only when it runs`,
      ...(shown
        ? { severity: "info", hint: `${TRACE_NAME} has what a run has loaded` }
        : { hint: "add the files with --include, or let slim trace -- COMMAND note what a run loads" }),
    });
  }

  /** Modules whose path fits a pattern. */
  *#fitting(pattern: string, from: string, loose: boolean): Generator<string> {
    const folder = folderOf(pattern);
    if (!isWithin(folder, this.#root) || this.#isWide(folder, from)) return;
    const body = pattern.split(ANY).map(escapeRegExp).join(".*");
    const expression = new RegExp(
      `^${body}${loose ? "(?:\\.[cm]?[jt]sx?|\\.json|\\.node|/index\\.[jt]s)?" : ""}$`,
      "s",
    );
    for (const file of this.#disk.below(folder)) {
      if (
        expression.test(file) &&
        (isCode(file) || /\.(?:json|node)$/.test(file)) &&
        !(file.endsWith(".node") && this.#misfit(file) !== undefined)
      )
        yield file;
    }
  }

  /** A folder that says nothing about what is meant: the package or project as a whole. */
  #isWide(folder: string, from: string): boolean {
    if (isWithin(this.#folder, folder) || !isWithin(folder, this.#root)) return true;
    const scope = this.#packages.whole(from);
    return scope !== undefined && isWithin(scope.folder, folder) && path.dirname(from) !== folder;
  }

  /** A file that code names from where it stands: of a list that is loaded or read, where nobody can see how. */
  #neighbour(from: string, name: string, reason: Reason): void {
    const places = this.#packages.isOwn(from) ? [from, this.#entry] : [from];
    const [found] = places.flatMap((place) => this.#beside(path.dirname(place), name, from) ?? []);
    if (found === undefined && places.length > 1) this.#outside(path.resolve(path.dirname(this.#entry), name), reason);
    if (found === undefined || found.file === from || /(?:package\.json|\.node)$/.test(found.file)) return;
    if (!isCode(found.file)) this.#rawQuietly(found.file, reason);
    else if (this.#packages.isOwn(found.file) && name.startsWith(".")) this.#start(found.file, reason);
  }

  /** Says it where a file beside the project is meant. */
  #outside(place: string, reason: Reason): void {
    if (isWithin(place, this.#root) || !isWithin(place, path.dirname(this.#root)) || !this.#disk.isFile(place)) return;
    this.#say({
      code: "outside-project",
      severity: "warning",
      message: `reads ${place}, which is outside of the project`,
      file: reason.file ?? "",
      ...(reason.line === undefined ? {} : { line: reason.line }),
      hint: "build from the folder that holds both",
    });
  }

  /** What lies at a relative name: seen from the entry, too, since bundlers move code and leave files where they are. */
  #beside(folder: string, name: string, from: string): Extract<Resolution, { type: "file" }> | undefined {
    const place = path.resolve(folder, name);
    if (!isWithin(place, this.#root) || isWithin(this.#folder, place)) return undefined;
    const found = this.#resolver.resolve(place, from, "require");
    return found.type === "file" ? found : undefined;
  }

  #path(from: string, asked: string, use: PathUse, reason: Reason, soft: boolean): void {
    if (use === "given") {
      const whole = asked === path.dirname(from) && asked === this.#packages.whole(from)?.folder;
      if (whole && !this.#packages.isOwn(from)) this.#shipped(asked, reason);
      if (asked === path.dirname(from) && this.#packages.isOwn(from)) this.#given.set(asked, reason);
      return;
    }
    if (asked.includes(ANY)) {
      this.#patterned(from, asked, use, reason);
      return;
    }
    const place = path.resolve(asked);
    if (!isWithin(place, this.#root)) {
      if (!soft && use !== "named" && this.#packages.isOwn(from)) this.#outside(place, reason);
      return;
    }
    if (this.#disk.isFile(place)) {
      this.#pathFile(from, this.#disk.realpath(place), use, reason);
      return;
    }
    if (this.#disk.isFolder(place)) {
      this.#pathFolder(from, place, use, reason);
      return;
    }
    // What libraries fill in: `locales/{{lng}}.json`, `%s.txt`.
    const filled = place.replace(/\{\{.*?\}\}|\$?\{.*?\}|%[sd]|\*+/g, ANY);
    if (filled !== place) {
      this.#patterned(from, filled, use, reason);
      return;
    }
    if ((use === "read" || use === "list") && !soft && this.#packages.isOwn(from)) this.#otherCase(from, place, reason);
    // A module by its path without extension.
    if (use === "start" || use === "named") {
      const found = this.#resolver.resolve(place, from, "require");
      if (found.type === "file" && isCode(found.file)) this.#start(found.file, reason);
    }
  }

  /** Says it where nothing of a name is there, but something of that name in another case. */
  #otherCase(from: string, place: string, reason: Reason): void {
    const other = this.#resolver.otherCase(`./${path.relative(path.dirname(from), place)}`, from);
    if (other === undefined) return;
    this.#say({
      code: "other-case",
      severity: "warning",
      message: `reads ${this.#relative(place)}, which differs from ${this.#relative(other)} only in case`,
      ...(reason.file === undefined ? {} : { file: reason.file }),
      ...(reason.line === undefined ? {} : { line: reason.line }),
      hint: "write the name as the file has it",
    });
  }

  #pathFile(from: string, file: string, use: PathUse, reason: Reason): void {
    if (use === "start") {
      this.#rely(from, file);
      this.#start(file, reason);
      return;
    }
    if (use === "named" && file === from) {
      this.#use(file, reason).start ||= file === this.#entry;
      return;
    }
    // Typed code that is named by code which is not: a text to read.
    if (use === "named" && isCode(file) && (isTyped(from) || !isTyped(file))) {
      this.#start(file, reason);
      return;
    }
    this.#raw(file, reason);
  }

  #pathFolder(from: string, folder: string, use: PathUse, reason: Reason): void {
    if (path.basename(folder) === "node_modules") return;
    // A folder around the code itself is where something is looked for, not the thing.
    if (isWithin(from, folder)) {
      if (use !== "list" || isWithin(this.#folder, folder)) return;
      for (const name of this.#disk.names(folder)) {
        const file = path.join(folder, name);
        if (this.#disk.isFile(file) && file !== from) this.#rawQuietly(file, reason);
      }
      return;
    }
    this.#whole(folder, reason, from);
  }

  /** A package that hands out its own folder: all of it but what is for people and tools. */
  #shipped(folder: string, reason: Reason): void {
    for (const file of this.#disk.below(folder))
      if (!forPeople.test(file)) this.#use(this.#disk.realpath(file), reason).raw = true;
  }

  #patterned(from: string, asked: string, use: PathUse, reason: Reason): void {
    const folder = folderOf(asked);
    if (!isWithin(folder, this.#root) || isWithin(from, folder) || this.#isWide(folder, from)) {
      if (!isWithin(from, folder) || use === "list" || this.#isWide(folder, from)) return;
      // Beside the code: what fits in the same folder, when something of the name is known.
      if (asked.slice(folder.length + 1).replaceAll(ANY, "") === "") return;
    }
    const expression = new RegExp(`^${asked.split(ANY).map(escapeRegExp).join(".*")}$`, "s");
    for (const file of this.#disk.below(folder)) {
      if (!expression.test(file) || (file === from && file !== this.#entry)) continue;
      if (file === from) this.#use(file, reason).start = true;
      else if (use === "start" || this.#isSource(from, file)) this.#start(this.#disk.realpath(file), reason);
      else this.#rawQuietly(file, reason);
    }
  }

  /** Code of a typed project that typed code finds by a pattern or in a folder: nobody wants it uncompiled. */
  #isSource(from: string, file: string): boolean {
    return isTyped(from) && isTyped(file) && this.#packages.isOwn(file);
  }

  /** A string in the app's own code that names a package it declares, or a file or folder of the project. */
  #text(
    module: Module,
    { text, argument, taken }: Extract<PlacedAsk, { type: "text" }>,
    reason: Reason,
    edges: Edge[],
  ): void {
    if (text.length === 0 || text.length > 200 || /[\s\0:?<>|]/.test(text)) return;
    if (text.includes("*")) {
      this.#glob(module.file, text, { ...reason, kind: "asset" });
      return;
    }
    const split = splitSpecifier(text);
    const json = this.#packages.whole(module.file)?.json;
    if (
      split !== undefined &&
      (json?.dependencies?.[split.name] ??
        json?.optionalDependencies?.[split.name] ??
        json?.peerDependencies?.[split.name]) !== undefined
    ) {
      const found = this.#resolver.resolve(text, module.file, "require");
      if (found.type !== "file" || this.#isExcluded(found.file)) return;
      edges.push({
        specifier: text,
        style: "require",
        target: found.file,
        ...(found.base === undefined ? {} : { base: found.base }),
      });
      this.#module(found.file, reason, true);
      this.#named.add(text);
      return;
    }
    if (argument && /^[\w-]+$/.test(text)) this.#words.add(text);
    if (!argument && !/\/|\.\w+$/.test(text)) return;
    const asset: Reason = { ...reason, kind: "asset" };
    const place = path.resolve(this.#folder, text);
    if (isWithin(this.#folder, place) || !isWithin(place, this.#root) || text.includes("node_modules")) return;
    if (this.#disk.isFile(place)) {
      if (path.basename(place) === "package.json" || (!text.includes("/") && (!text.includes(".") || isCode(text))))
        return;
      if (isCode(text)) {
        this.#start(this.#disk.realpath(place), asset);
        return;
      }
      this.#raw(this.#disk.realpath(place), asset);
    } else if (this.#disk.isFolder(place) && !isWithin(module.file, place) && path.basename(place) !== ".git") {
      // Written as a path it is one; as an argument it may be any word.
      const word = this.#packages.at(place) !== undefined || path.basename(place).startsWith(".");
      if (!text.startsWith("./") && (word || text.startsWith("..") || !(argument || (!taken && text.includes("/")))))
        return;
      this.#whole(place, asset, module.file);
    }
  }

  /** Files that a glob names, from the working directory or from where the code stands. */
  #glob(from: string, glob: string, reason: Reason): void {
    const last = glob.slice(glob.lastIndexOf("/") + 1);
    // `*.entity.js` says what is meant, `*.js` only does so in a folder.
    const telling = /[\w-]+[.*{]/.test(last) || !/\.\{?\*?[cm]?[jt]s/.test(last);
    if (!/^[\w./*{},@-]+$/.test(glob) || !/[./]/.test(glob) || glob === last || (/^(?:\.\/)?\*/.test(glob) && !telling))
      return;
    for (const base of new Set([this.#folder, path.dirname(from)])) {
      const folder = path.join(base, glob.slice(0, glob.search(/[*{]/)).replace(/[^/]*$/, ""));
      if (!isWithin(folder, this.#root) || folder.includes("node_modules")) continue;
      const expression = globExpression(path.join(base, glob));
      for (const file of this.#disk.below(folder)) {
        if (!expression.test(file) || isDeclaration(file)) continue;
        if (file === from || this.#isSource(from, file)) this.#start(this.#disk.realpath(file), reason);
        else this.#rawQuietly(file, reason);
      }
    }
  }

  /** A string in code of the app that may never run, as in what a framework wrote: data that it names from the working directory. */
  #softText(text: string, reason: Reason): void {
    if (!/^[\w@.-][\w@./ -]*\.\w+$/.test(text) || text.length > 200) return;
    const place = path.resolve(this.#folder, text);
    if (
      isWithin(place, this.#folder) &&
      path.basename(place) !== "package.json" &&
      this.#disk.isFile(place) &&
      !isCode(place)
    )
      this.#rawQuietly(place, reason);
  }

  // -- what is said ------------------------------------------------------------------------------------------

  #undeclared(file: string, specifier: string, reason: Reason, soft: boolean): void {
    const split = splitSpecifier(specifier);
    if (soft || split === undefined || !this.#packages.isOwn(file)) return;
    const scope = this.#packages.whole(file);
    if (scope === undefined || scope.json.name === split.name) return;
    const { dependencies, devDependencies, optionalDependencies, peerDependencies } = scope.json;
    for (const list of [dependencies, devDependencies, optionalDependencies, peerDependencies])
      if (list?.[split.name] !== undefined) return;
    if (this.#find(split.name, path.dirname(file)) === undefined) return; // an alias
    const once = `${scope.folder}\n${split.name}`;
    if (this.#told.has(once)) return;
    this.#told.add(once);
    this.#say({
      code: "undeclared-import",
      severity: "warning",
      message: `${split.name} is not declared in ${this.#relative(path.join(scope.folder, "package.json"))}`,
      ...(reason.file === undefined ? {} : { file: reason.file }),
      ...(reason.line === undefined ? {} : { line: reason.line }),
      hint: `npm install ${split.name}`,
    });
  }

  /** @throws SlimError `CLOSURE` for the first import that certainly fails */
  #settle(entry: string): void {
    this.#settleForeign(reached(entry, this.#relies));
    const certain = reached(entry, this.#certain);
    for (const { file, ask, message } of this.#unresolved) {
      const { line, column } = ask;
      const other = this.#resolver.otherCase(ask.specifier, ask.from);
      const own = this.#packages.isOwn(file);
      const where = `${this.#relative(file)}:${line}:${column}`;
      if (other !== undefined) {
        throw new SlimError(
          "CLOSURE",
          `"${ask.specifier}" differs from the file's name only in case: it is ${path.basename(other)}`,
          { where, hint: "it works on macOS and Windows and breaks on Linux; write the name as the file has it" },
        );
      }
      // A configuration may be for a tool that the app does not run.
      const runs = certain.has(file) || (own && !this.#configs.has(file));
      if (ask.certain && runs && !this.#patchesLoader) {
        const split = splitSpecifier(ask.specifier);
        const isPath = split === undefined || split.name.startsWith("#");
        const hint = isPath ? "correct the path" : `npm install ${split.name}`;
        throw new SlimError("CLOSURE", `cannot find "${ask.specifier}": ${message.replaceAll(`${this.#root}/`, "")}`, {
          where,
          hint,
        });
      }
      this.#say({
        code: "unresolved-import",
        severity: own ? "warning" : "info",
        message: `cannot find "${ask.specifier}": fails here when it runs`,
        file: this.#relative(file),
        line,
        hint: "install it if the app needs it",
      });
    }
  }

  /** @throws SlimError `CLOSURE` for the first addon that is needed and cannot be loaded */
  #settleForeign(relied: ReadonlySet<string>): void {
    for (const { folder, message, reason, loader, guarded } of this.#foreign) {
      const loaders = loader === undefined ? [...relied].filter((file) => this.#isOf(file, folder)) : [loader];
      // Code that is ready for a failure does without; one that throws then only collects what to say.
      const isReady = (file: string) => this.#trying.has(file) && !this.#throwing.has(file);
      const needed = loaders.some((file) => relied.has(file)) && !loaders.some(isReady) && !guarded;
      const name = this.#packages.at(folder)?.json.name ?? "NAME";
      const install = `install it for the target (npm install --os linux --cpu ${this.#machine.arch} --libc ${this.#machine.libc})`;
      if (needed) {
        throw new SlimError("CLOSURE", message, {
          where: reason.file === undefined ? this.#relative(folder) : `${reason.file}:${reason.line}`,
          hint: `${install} with Node.js ${this.#project.target.node.split(".")[0]}, take a version of it with prebuilt binaries, or load it in a try block and --exclude ${name}`,
        });
      }
      this.#say({
        code: "foreign-addon",
        severity: "warning",
        message: `${message}; the app may do without`,
        ...(reason.file === undefined ? {} : { file: reason.file }),
        ...(reason.line === undefined ? {} : { line: reason.line }),
        hint: `${install}, or say with --exclude ${name} that it is not wanted`,
      });
    }
  }

  #isOf(file: string, folder: string): boolean {
    return this.#packages.whole(file)?.folder === folder;
  }

  #say(diagnostic: Diagnostic): void {
    this.#diagnostics.set(JSON.stringify(diagnostic), diagnostic);
  }

  #relative(file: string): string {
    return path.relative(this.#root, file).split(path.sep).join("/");
  }

  #image(file: string): string {
    return `${APP}/${this.#relative(file)}`;
  }

  #where(where: string): string {
    return where.startsWith(`${this.#root}/`) ? where.slice(this.#root.length + 1) : where;
  }
}

/** What can be reached from a file. */
function reached(start: string, graph: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    open.push(...(graph.get(file) ?? []));
  }
  return found;
}

/** The deepest folder that a pattern is certainly in. */
function folderOf(pattern: string): string {
  const literal = pattern.slice(0, pattern.indexOf(ANY));
  return literal.slice(0, literal.lastIndexOf("/"));
}

/** What `require` takes for a file: its name, the name without the extension, the folder of an index. */
function spellings(name: string): readonly string[] {
  const short = name.replace(/\.(?:js|json|node)$/, "");
  return [...new Set([name, short, short.replace(/\/index$/, "")])];
}

/** Fields of package.json that are npm's and Node.js's own: https://docs.npmjs.com/cli/configuring-npm/package-json */
const fields = new Set(
  (
    "name version description keywords homepage bugs license author contributors funding files exports main browser " +
    "bin man directories repository scripts config dependencies devDependencies peerDependencies " +
    "peerDependenciesMeta bundleDependencies optionalDependencies overrides engines os cpu libc private " +
    "publishConfig workspaces type imports types module packageManager"
  ).split(" "),
);

function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) for (const item of Object.values(value)) yield* stringsIn(item);
}

/** Documentation, declarations, headers and source maps. */
const forPeople =
  /\.(?:md|map|d\.[cm]?ts|tsbuildinfo|hp?p?|gypi?|pc|a)$|(?:^|\/)(?:licen[cs]e|notice|changelog)[^/]*$/i;

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
