import { setImmediate as nextTurn } from "node:timers/promises";
import { type Context, throwIfAborted } from "../../base/context.ts";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import type { Cache } from "../../layer/cache.ts";
import { type Disk, isWithin } from "../disk.ts";
import type { Published } from "./absent.ts";
import { Asker } from "./asker.ts";
import { Carriers } from "./carriers.ts";
import { Compiler } from "./compiler.ts";
import { Configurations } from "./configurations.ts";
import { Elsewhere } from "./elsewhere.ts";
import { ANY, type Imported, type Paths, type Place } from "./evaluate.ts";
import { Extras, type Preload } from "./extras.ts";
import { Failures } from "./failures.ts";
import { Files } from "./files.ts";
import { Libraries } from "./libraries.ts";
import { isCode, isForeign, Loader } from "./load.ts";
import type { Edge, Module } from "./module.ts";
import type { Packages } from "./packages.ts";
import type { NodeProject } from "./project.ts";
import { type PlacedAsk, type Reading, Readings } from "./readings.ts";
import type { Resolver } from "./resolve.ts";
import { Site } from "./site.ts";
import { Specifiers } from "./specifiers.ts";
import { Texts } from "./texts.ts";
import { type Use, Uses } from "./uses.ts";

/** The closure before it is packed, on the builder's disk. */
export interface Trace {
  readonly entry: string;
  /** What Node.js loads before it. */
  readonly preloads: readonly Preload[];
  readonly modules: ReadonlyMap<string, Module>;
  /** Names that no code writes out: the packages of binaries. */
  readonly carried: readonly Edge[];
  readonly uses: ReadonlyMap<string, Readonly<Use>>;
  readonly diagnostics: readonly Diagnostic[];
  /** Some code replaces a part of the module loader, as agents do. */
  readonly patchesLoader: boolean;
  /** Some code registers hooks that run in a thread of their own, which sees nothing but files. */
  readonly registersHooks: boolean;
  readonly disk: Disk;
  readonly packages: Packages;
  readonly resolver: Resolver;
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
  const traced = await new Tracer(context, new Site(project), packages, readings).run();
  await readings?.save();
  return traced;
}

/** Over how many modules a path is handed on: more is a circle. */
const MOST_ROUNDS = 8;

/** How long the trace keeps the thread to itself, in milliseconds. */
const TURN = 50;

/** Reads a file, follows what it asks for to more files, until nothing is new. */
class Tracer {
  readonly #context: Context;
  readonly #site: Site;
  readonly #loader: Loader;
  readonly #uses: Uses;
  readonly #failures: Failures;
  readonly #carriers: Carriers;
  readonly #libraries: Libraries;
  readonly #extras: Extras;
  readonly #elsewhere: Elsewhere;
  readonly #specifiers: Specifiers;
  readonly #files: Files;
  readonly #texts: Texts;
  readonly #configurations: Configurations;
  readonly #modules = new Map<string, Module>();
  readonly #diagnostics = new Map<string, Diagnostic>();
  /** Code that may never run. */
  readonly #soft = new Set<string>();
  /** Paths that modules of the app are given by others, where these export some. */
  readonly #imported = new Map<string, Imported>();
  #patchesLoader = false;
  #registersHooks = false;
  #startsAny = false;

  constructor(context: Context, site: Site, published: Published | undefined, readings: Readings | undefined) {
    const { disk, packages, configs, root } = site;
    const { sourcemap, target } = site.project;
    const say = (diagnostic: Diagnostic) => this.#say(diagnostic);
    this.#context = context;
    this.#site = site;
    const compiler = new Compiler(context, disk, root);
    this.#loader = new Loader({ disk, packages, configs, compiler, node: target.node, sourcemap, readings });
    this.#uses = new Uses(site, say);
    this.#failures = new Failures(site, say);
    this.#carriers = new Carriers(site, this.#uses, this.#failures, say, published);
    this.#libraries = new Libraries(site, this.#uses);
    this.#extras = new Extras(site, this.#uses, this.#carriers, say);
    this.#elsewhere = new Elsewhere(site, this.#uses, say);
    this.#specifiers = new Specifiers(site, this.#uses, this.#carriers, this.#failures, say);
    this.#files = new Files(site, this.#uses, this.#failures, say);
    this.#texts = new Texts(site, this.#uses);
    this.#configurations = new Configurations(site, this.#uses);
  }

  async run(): Promise<Trace> {
    const { entry, disk, packages, resolver } = this.#site;
    this.#uses.module(entry, { kind: "entry" });
    const preloads = this.#extras.take();
    this.#context.report({ type: "stage", name: "trace" });
    await this.#follow();
    for (const { asker, ask } of this.#elsewhere.resume()) this.#specifiers.answer(asker, ask);
    await this.#follow();
    this.#elsewhere.done();
    if (this.#startsAny) this.#startable();
    this.#specifiers.handNames(this.#texts.named);
    this.#files.handFolders();
    await this.#drain();
    for (let back = this.#elsewhere.reconsider(); back.length > 0; back = this.#elsewhere.reconsider()) {
      for (const { asker, ask } of back) this.#specifiers.answer(asker, ask);
      await this.#drain();
    }
    this.#elsewhere.settle();
    // A configuration may be for a tool that the app does not run.
    this.#failures.settle((file) => !this.#configurations.has(file), this.#patchesLoader);
    return {
      entry,
      preloads,
      modules: this.#modules,
      carried: [...this.#extras.carried, ...this.#carriers.carried],
      uses: this.#uses.all,
      diagnostics: [...this.#diagnostics.values()],
      patchesLoader: this.#patchesLoader,
      registersHooks: this.#registersHooks,
      disk,
      packages,
      resolver,
    };
  }

  /** Reads what waits, and what that turns out to need. */
  async #follow(): Promise<void> {
    await this.#drain();
    while (this.#configurations.find(this.#texts.words)) await this.#drain();
    for (let round = 0; round < MOST_ROUNDS && this.#handPaths(); round += 1) await this.#drain();
  }

  async #drain(): Promise<void> {
    let breath = performance.now();
    for (let next = this.#uses.next(); next !== undefined; next = this.#uses.next()) {
      // The work is synchronous; whoever wants to stop it, or to show progress, has to get a turn.
      if (performance.now() - breath > TURN) {
        await nextTurn();
        breath = performance.now();
      }
      throwIfAborted(this.#context.signal);
      // Before any code looks for them.
      await this.#carriers.bring();
      await this.#load(next.file, next.soft);
    }
  }

  async #load(file: string, soft: boolean): Promise<void> {
    const kind = file.endsWith(".json") ? "json" : file.endsWith(".node") ? "addon" : undefined;
    if (kind === "addon") await this.#libraries.bring(file);
    if (kind !== undefined) this.#modules.set(file, { file, kind, edges: [] });
    else if (isCode(file) || this.#uses.all.get(file)?.module) await this.#loadCode(file, soft);
  }

  async #loadCode(file: string, soft: boolean): Promise<void> {
    const asker = new Asker(this.#site, (diagnostic) => this.#say(diagnostic), file, soft);
    if (soft) this.#soft.add(file);
    const code = await this.#read(asker);
    if (code === undefined) return;
    if (code.withoutMetadata) {
      this.#say({
        code: "decorator-metadata",
        severity: "warning",
        message: "emitDecoratorMetadata is not applied: classes have no design:type metadata",
        file: this.#site.relative(file),
        hint: "install typescript (5.6 or newer) in the project, or compile with tsc and build what it writes",
      });
    }
    this.#patchesLoader ||= code.patchesLoader;
    if (!this.#modules.has(file)) this.#elsewhere.reads(file);
    this.#modules.set(file, { file, kind: code.format, code, edges: asker.edges });
    for (const ask of code.asks) if (!this.#elsewhere.takes(asker, ask)) this.#answer(asker, ask);
  }

  async #read({ file, own, soft }: Asker): Promise<Reading | undefined> {
    try {
      return await this.#loader.read({ place: this.#place(file), texts: own, keys: this.#configurations.has(file) });
    } catch (error) {
      if (!(error instanceof SlimError)) throw error;
      // A file that may never run, and that Node.js may never see, or not as code.
      if (soft || !own || isForeign(file)) {
        const use = this.#uses.all.get(file);
        if (use !== undefined) use.raw = true;
        return undefined;
      }
      throw error.where === undefined
        ? error
        : new SlimError(error.code, error.message, { where: this.#site.short(error.where), cause: error });
    }
  }

  #place(file: string): Place {
    const { folder, machine, packages, resolver } = this.#site;
    const imported = this.#imported.get(file);
    const { nodeEnv } = this.#site.project;
    return {
      ...(nodeEnv === undefined ? {} : { nodeEnv }),
      ...(imported === undefined ? {} : { imported }),
      file,
      platform: "linux",
      arch: machine.arch,
      cwd: packages.isOwn(file) ? folder : undefined,
      project: `${folder}/package.json`,
      locate: (specifier) => {
        const found = specifier.includes(ANY) ? undefined : resolver.resolve(specifier, file, "require");
        return found?.type === "file" ? found.file : undefined;
      },
    };
  }

  #answer(asker: Asker, ask: PlacedAsk): void {
    switch (ask.type) {
      case "import":
      case "dynamic":
      case "require":
      case "resolve":
        this.#specifiers.answer(asker, ask);
        return;
      case "unknown":
        this.#specifiers.unknown(asker, ask);
        return;
      case "path":
        this.#files.answer(asker, ask);
        return;
      case "neighbour":
        this.#files.neighbour(asker, ask);
        return;
      case "listed":
        this.#files.listed(asker, ask);
        return;
      case "lent":
        this.#files.lent(asker, ask);
        return;
      case "below":
        this.#files.below(asker, ask.name);
        return;
      case "text":
        this.#texts.answer(asker, ask);
        return;
      case "environment":
        this.#elsewhere.set(asker.file);
        return;
      case "hooks":
        this.#registersHooks = true;
        return;
      case "starts":
        this.#startsAny = true;
        return;
      case "throw":
        this.#failures.throws(asker.file);
        return;
      case "program":
        this.#program(asker, ask);
        return;
    }
  }

  #program(asker: Asker, ask: Extract<PlacedAsk, { type: "program" }>): void {
    const { program } = ask;
    if (program === "node" || program.startsWith("/") || this.#site.project.target.hasProgram?.(program)) return;
    asker.warn(ask, {
      code: "missing-program",
      message: `starts ${program}, which the image does not have`,
      hint: "add it with --package or --include",
    });
  }

  /** Has modules of the app read again for which others turned out to export paths; says whether there are any. */
  #handPaths(): boolean {
    const again: string[] = [];
    for (const [file, { code, edges }] of this.#modules) {
      if (code === undefined || this.#soft.has(file) || !this.#site.packages.isOwn(file)) continue;
      const imported = Object.fromEntries(
        edges
          .map(({ specifier, target }) => [specifier, this.#exported(target)])
          .filter(([, paths]) => paths !== undefined),
      ) as Imported;
      if (JSON.stringify(imported) === JSON.stringify(this.#imported.get(file) ?? {})) continue;
      this.#imported.set(file, imported);
      again.push(file);
    }
    for (const file of again) this.#uses.again(file);
    return again.length > 0;
  }

  /** Paths in the project that a module of the app exports. */
  #exported(file: string): Paths | undefined {
    const known = Object.entries(this.#modules.get(file)?.code?.paths ?? {})
      .map(([name, paths]) => [name, paths.filter((one) => isWithin(one, this.#site.root))] as const)
      .filter(([, paths]) => paths.length > 0);
    return known.length === 0 ? undefined : Object.fromEntries(known);
  }

  /** Where something starts threads by paths of a run, the app's own modules in folders it was given may be meant. */
  #startable(): void {
    for (const [file, use] of this.#uses.all) {
      if (!use.raw || !this.#site.packages.isOwn(file) || (this.#modules.get(file)?.edges.length ?? 0) === 0) continue;
      use.raw = false;
      use.start = true;
    }
  }

  #say(diagnostic: Diagnostic): void {
    this.#diagnostics.set(JSON.stringify(diagnostic), diagnostic);
  }
}
