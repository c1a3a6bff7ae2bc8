import { createReadStream } from "node:fs";
import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { CHUNK, compareStrings, hashFile } from "../../base/files.ts";
import { digestOf } from "../../image/digest.ts";
import type { Content } from "../../layer/entry.ts";
import type { BundledModule, ClosureEntry, Component, LayerName, Reason } from "../types.ts";
import { commonJsStub, moduleStub } from "./bootstrap.ts";
import { leadsOf, relativeTo } from "./leads.ts";
import type { Module } from "./module.ts";
import { namesOf } from "./names.ts";
import { type PackedFile, writePack } from "./pack.ts";
import { splitSpecifier } from "./packages.ts";
import { prelude, withPrelude } from "./prelude.ts";
import { APP, type NodeClosure, type NodeProject } from "./project.ts";
import { hasRegisterHooks } from "./resolve.ts";
import { parse, strip } from "./syntax.ts";
import type { Trace } from "./trace.ts";

/** The entries of a traced app: as a bundle, or as the files that were traced. */
export class Assembly {
  readonly #project: NodeProject;
  readonly #trace: Trace;
  readonly #root: string;
  readonly #entries = new Map<string, ClosureEntry>();
  readonly #components = new Map<string, Component>();
  /** Without hooks, Node.js reads ES modules, and what they import, only from disk. */
  readonly #hookless: boolean;
  readonly #diagnostics: Diagnostic[] = [];
  #entrypoint = "";

  constructor(project: NodeProject, traced: Trace) {
    this.#project = project;
    this.#trace = traced;
    this.#root = traced.disk.realpath(project.root);
    this.#hookless = !hasRegisterHooks(project.target.node);
  }

  closure(diagnostics: readonly Diagnostic[]): NodeClosure {
    const entries = [...this.#entries.values()].sort((a, b) => compareStrings(a.entry.path, b.entry.path));
    const components = [...this.#components.values()].sort((a, b) => compareStrings(a.purl, b.purl));
    return {
      entries,
      components,
      diagnostics: [...this.#trace.diagnostics, ...this.#diagnostics, ...diagnostics],
      entrypoint: this.#entrypoint,
      nodeOptions: [
        ...(this.#project.sourcemap ? ["--enable-source-maps"] : []),
        ...this.#trace.preloads.flatMap(({ option, file }) => [option, this.#placeOf(file)]),
      ],
    };
  }

  /** Where a module that is started lies: compiled ones have their name or JavaScript's. */
  #placeOf(file: string): string {
    const name = this.#image(file);
    return this.#entries.has(name) ? name : javascriptName(name);
  }

  async bundle(): Promise<void> {
    const { modules, uses, entry } = this.#trace;
    const main = modules.get(entry);
    const started = javascriptName(this.#relative(entry));
    this.#entrypoint = `${APP}/${started}`;
    // Hidden, so that code which lists the folder of the entry does not take it for one of the app's files.
    const own = started.replace(/([^/]*?)(?:\.[^./]*)?$/, ".$1.pack");
    const placed = (file: string) => {
      const module = modules.get(file);
      return file === entry || (module !== undefined && this.#isShipped(module))
        ? javascriptName(this.#relative(file))
        : this.#relative(file);
    };

    for (const [file, use] of uses) if (this.#isReal(file)) await this.#real(file, use.reasons);
    for (const module of modules.values()) {
      const { file, code } = module;
      const reasons = uses.get(file)?.reasons ?? [];
      if (code === undefined || this.#isReal(file)) continue;
      if (this.#isShipped(module)) this.#made(javascriptName(placed(file)), this.#ownText(module), file, reasons);
      else if (file !== entry && (uses.get(file)?.start || (this.#hookless && this.#imported.has(file))))
        this.#stub(module, own, reasons);
    }
    if (this.#hookless && [...modules.values()].some((module) => this.#isShipped(module))) {
      this.#diagnostics.push({
        code: "modules-as-files",
        severity: "info",
        message: `Node.js ${this.#project.target.node} reads ES modules only from disk: they are shipped as files`,
        hint: "nothing to do; since 22.15 they are bundled too",
      });
    }
    const packed = [...modules.values()].map((module) => this.#packed(module, placed));
    const { leads, aliases } = leadsOf(this.#trace, this.#root, placed);
    const { text, sizes } = writePack({
      own,
      files: packed,
      leads,
      aliases,
      sourcemap: this.#project.sourcemap,
      self: Number.parseInt(this.#project.target.node, 10) >= 23,
    });
    const inside = [...modules.values()]
      .filter((module) => !this.#isReal(module.file) && !this.#isShipped(module))
      .map((module) => this.#bundled(module, sizes.get(placed(module.file)) ?? 0, placed));
    const reasons = uses.get(entry)?.reasons ?? [];
    if (inside.length > 0) this.#made(own, text, entry, reasons, inside);
    if (main !== undefined && !this.#isShipped(main)) {
      const stub = (main.kind === "module" ? moduleStub : commonJsStub)(specifierOf(started, own));
      this.#made(started, prelude + stub + this.#docs(entry), entry, reasons);
    }
    await this.#metadata();
    this.#links();
  }

  /** The traced files by themselves. */
  async files(): Promise<void> {
    const { modules, uses, entry, packages } = this.#trace;
    this.#entrypoint = `${APP}/${javascriptName(this.#relative(entry))}`;
    for (const [file, use] of uses) {
      const module = modules.get(file);
      if (module?.code !== undefined && !use.raw)
        this.#made(javascriptName(this.#relative(file)), this.#ownText(module) + this.#docs(file), file, use.reasons);
      else await this.#real(file, use.reasons);
    }
    for (const file of [...uses.keys()]) {
      for (const scope of [packages.of(file), packages.whole(file)]) {
        if (scope !== undefined)
          await this.#real(path.join(scope.folder, "package.json"), [
            { kind: "asset", from: this.#image(file), what: "package.json" },
          ]);
      }
    }
    this.#links(true);
  }

  /** A module's text as a file of its own, where compiled modules have other names and aliases mean nothing. */
  #ownText(module: Module): string {
    const { file, code, edges } = module;
    if (code === undefined) return "";
    const from = javascriptName(this.#relative(file));
    const strings = new Map<string, string>();
    for (const { specifier, target, base } of edges) {
      const to = javascriptName(this.#relative(target));
      const moved = to !== this.#relative(target) || (typed(file) && base === undefined && !/^[#.]/.test(specifier));
      if (moved && !specifier.startsWith("file:")) strings.set(specifier, specifierOf(from, to));
    }
    const map = this.#project.sourcemap ? (/\n\/\/# sourceMappingURL=data:\S+$/.exec(code.text)?.[0] ?? "") : "";
    const text = strings.size === 0 ? code.text : strip(parse(code.text, code.format), strings) + map;
    return file === this.#trace.entry ? withPrelude(text) : text;
  }

  /** Whether a file lies on disk in the image, with the bytes it has. */
  #isReal(file: string): boolean {
    const use = this.#trace.uses.get(file);
    if (use === undefined) return false;
    const module = this.#trace.modules.get(file);
    if (this.#hookless && module?.kind === "json" && this.#imported.has(file)) return true;
    return use.raw || module === undefined || module.kind === "addon";
  }

  /** Whether a module is a file of its own, shortened. */
  #isShipped(module: Module): boolean {
    return this.#hookless && module.kind === "module" && !this.#isReal(module.file);
  }

  #packed(module: Module, placed: (file: string) => string): PackedFile {
    const { file, kind, code } = module;
    const names = kind === "commonjs" && this.#imported.has(file) ? namesOf(this.#trace, module) : undefined;
    const common = { path: placed(file), ...(names === undefined ? {} : { names }) };
    if (this.#isReal(file) || this.#isShipped(module) || kind === "addon") return { ...common, kind: "disk" };
    return { ...common, kind, text: kind === "json" ? shortJson(this.#trace.disk.read(file)) : (code?.text ?? "") };
  }

  /** CommonJS modules that an import reaches, or may reach by a computed name. */
  get #imported(): ReadonlySet<string> {
    this.#importedCache ??= new Set([
      ...[...this.#trace.modules.values()].flatMap((module) =>
        module.edges
          .filter((edge) => edge.style === "import" || (this.#hookless && module.kind === "module"))
          .map((edge) => edge.target),
      ),
      ...[...this.#trace.uses].filter(([, use]) => use.start).map(([file]) => file),
    ]);
    return this.#importedCache;
  }
  #importedCache: ReadonlySet<string> | undefined;

  #bundled(module: Module, size: number, placed: (file: string) => string): BundledModule {
    const { purl } = this.#component(module.file);
    return {
      path: `${APP}/${placed(module.file)}`,
      purl,
      size,
      reasons: this.#trace.uses.get(module.file)?.reasons ?? [],
    };
  }

  #stub(module: Module, own: string, reasons: readonly Reason[]): void {
    const name = this.#relative(module.file);
    const bundle = specifierOf(name, own);
    const names = this.#hookless && module.kind === "commonjs" ? namesOf(this.#trace, module) : [];
    const stub = module.kind === "module" ? moduleStub(bundle) : commonJsStub(bundle, names);
    this.#made(name, stub + this.#docs(module.file), module.file, reasons);
  }

  /** The comments that tools read out of an app's own code, where a path leads to it. */
  #docs(file: string): string {
    if (!this.#trace.packages.isOwn(file) || !this.#trace.uses.get(file)?.start) return "";
    return (
      this.#trace.disk
        .read(file)
        .toString("utf8")
        .match(/\/\*\*[\s\S]*?\*\//g) ?? []
    )
      .map((comment) => `\n${comment}`)
      .join("");
  }

  #made(
    name: string,
    text: string,
    file: string,
    reasons: readonly Reason[],
    modules?: readonly BundledModule[],
  ): void {
    this.#add(name, file, contentOf(text), 0o644, reasons, modules);
  }

  async #real(file: string, reasons: readonly Reason[]): Promise<void> {
    const name = this.#relative(file);
    if (this.#entries.has(`${APP}/${name}`)) return;
    const { disk } = this.#trace;
    const source = disk.source(file);
    const { digest, size } = await hashFile(source);
    const open = () => createReadStream(source, { highWaterMark: CHUNK });
    const mode = disk.isExecutable(file) ? 0o755 : 0o644;
    this.#add(name, file, { digest, size, open }, mode, reasons);
  }

  #add(
    name: string,
    file: string,
    content: Content,
    mode: number,
    reasons: readonly Reason[],
    modules?: readonly BundledModule[],
  ): void {
    const { purl } = this.#component(file);
    this.#entries.set(`${APP}/${name}`, {
      entry: { type: "file", path: `${APP}/${name}`, mode, uid: 0, gid: 0, content },
      layer: this.#layer(file),
      purl,
      reasons,
      ...(modules === undefined ? {} : { modules }),
    });
  }

  #layer(file: string): LayerName {
    return this.#trace.packages.isOwn(file) ? "app" : "deps";
  }

  #component(file: string): Component {
    const component = this.#trace.packages.component(file);
    if (!this.#components.has(component.purl)) this.#components.set(component.purl, component);
    return component;
  }

  /** package.json where Node.js or a loader looks for one: over every file, and everywhere when the loader is patched. */
  async #metadata(): Promise<void> {
    const { packages, modules, patchesLoader } = this.#trace;
    const real = [...this.#entries.keys()].map((name) => path.join(this.#root, name.slice(APP.length + 1)));
    for (const file of patchesLoader ? [...real, ...modules.keys()] : real) {
      for (const scope of [packages.of(file), packages.whole(file)]) {
        if (scope !== undefined)
          await this.#real(path.join(scope.folder, "package.json"), [
            { kind: "asset", from: this.#image(file), what: "package.json" },
          ]);
      }
    }
  }

  /** Links in node_modules folders, where code on disk could follow them. */
  #links(all = false): void {
    const { disk, modules, carried } = this.#trace;
    const folders = [...this.#entries.keys()];
    for (const { file, edges } of [
      ...modules.values(),
      ...carried.map((edge) => ({ file: edge.target, edges: [edge] })),
    ]) {
      for (const { specifier, base } of edges) {
        const name = splitSpecifier(specifier)?.name;
        if (base === undefined || name === undefined) continue;
        const link = path.join(base, "node_modules", name);
        if (!disk.isLink(link)) continue;
        const real = disk.realpath(link);
        if (!all && !folders.some((entry) => entry.startsWith(`${this.#image(real)}/`))) continue;
        const place = this.#image(link);
        if (this.#entries.has(place)) continue;
        this.#entries.set(place, {
          entry: { type: "symlink", path: place, uid: 0, gid: 0, target: path.relative(path.dirname(link), real) },
          layer: "deps",
          purl: this.#component(path.join(real, "package.json")).purl,
          reasons: [{ kind: "link", from: this.#image(file), what: specifier }],
        });
      }
    }
  }

  #relative(file: string): string {
    return relativeTo(this.#root, file);
  }

  #image(file: string): string {
    return `${APP}/${this.#relative(file)}`;
  }
}

/** The name of the file that a module is started as: TypeScript is JavaScript by then. */
function javascriptName(name: string): string {
  return name.replace(/\.([cm]?)ts$|\.[jt]sx$/, (_, kind: string | undefined) => `.${kind ?? ""}js`);
}

export function typed(file: string): boolean {
  return javascriptName(file) !== file;
}

function specifierOf(from: string, to: string): string {
  const relative = path.posix.relative(path.posix.dirname(from), to);
  return relative.startsWith("../") ? relative : `./${relative}`;
}

function shortJson(bytes: Buffer): string {
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text; // fails when it is loaded, as it does unbundled
  }
}

function contentOf(text: string): Content {
  const bytes = Buffer.from(text);
  return {
    digest: digestOf(bytes),
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}
