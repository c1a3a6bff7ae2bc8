import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { BuildFailure, Message, Metafile } from "esbuild";
import { type Context, throwIfAborted } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import type { Platform } from "../../image/platform.ts";
import { bytesContent } from "../../layer/entry.ts";
import type { BundledModule, ClosureEntry, ClosurePart, Component, Reason } from "../types.ts";
import { prelude } from "./prelude.ts";

/** A Node.js app, as the closure needs to know it. */
export interface NodeProject {
  /** The folder that becomes `/app`. */
  readonly root: string;
  /** Of the program's first file, relative to `root`, with `/`. */
  readonly entry: string;
  readonly name: string;
  readonly version?: string;
  readonly target: { readonly node: string; readonly platform: Platform };
  /** Ship source maps. */
  readonly sourcemap: boolean;
}

export interface NodeClosure extends ClosurePart {
  /** Path in the image of the file that Node.js is started with. */
  readonly entrypoint: string;
}

/**
 * Bundles an app and its packages into one file.
 * @throws SlimError `SYNTAX`, `CLOSURE`
 */
export async function nodeClosure(context: Context, project: NodeProject): Promise<NodeClosure> {
  const format = await formatOf(project);
  const output = `/app/${project.entry.replace(/\.[cm]?[jt]sx?$/, "")}${format === "esm" ? ".mjs" : ".js"}`;
  context.report({ type: "stage", name: "bundle" });
  const { code, map, metafile } = await bundle(project, format);
  throwIfAborted(context.signal);
  const packages = new Packages(project);
  const modules = await bundledModules(project, metafile, packages);
  const files: ClosureEntry[] = [
    {
      entry: { ...file, path: output, content: bytesContent(code) },
      layer: "app",
      purl: packages.app.purl,
      reasons: [{ kind: "entry", file: project.entry }],
      modules,
    },
  ];
  if (project.sourcemap) {
    files.push({
      entry: { ...file, path: `${output}.map`, content: bytesContent(map) },
      layer: "app",
      purl: packages.app.purl,
      reasons: [{ kind: "include", what: "source map" }],
    });
  }
  return { entrypoint: output, entries: files, components: packages.all, diagnostics: [] };
}

const file = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;

/** ES modules stay ES modules, because only they may await at top level. */
async function formatOf({ root, entry }: NodeProject): Promise<"esm" | "cjs"> {
  if (/\.m[jt]s$/.test(entry)) return "esm";
  if (/\.c[jt]s$/.test(entry)) return "cjs";
  for (let folder = path.dirname(path.join(root, entry)); ; folder = path.dirname(folder)) {
    const text = await readFile(path.join(folder, "package.json"), "utf8").catch(() => undefined);
    if (text !== undefined) return (JSON.parse(text) as { type?: string }).type === "module" ? "esm" : "cjs";
    if (folder === path.dirname(folder)) return "cjs";
  }
}

/** What CommonJS code inside an ES module still expects to find. */
const esmBanner =
  'import{createRequire as __slimRequire}from"node:module";import{fileURLToPath as __slimPath}from"node:url";' +
  "const require=__slimRequire(import.meta.url),__filename=__slimPath(import.meta.url)," +
  '__dirname=__slimPath(new URL(".",import.meta.url)).replace(/\\/$/,"");';

async function bundle(project: NodeProject, format: "esm" | "cjs") {
  const esbuild = await import("esbuild");
  try {
    const result = await esbuild.build({
      entryPoints: [project.entry],
      absWorkingDir: project.root,
      outfile: "out.js",
      bundle: true,
      write: false,
      metafile: true,
      platform: "node",
      format,
      target: `node${project.target.node}`,
      minify: true,
      keepNames: true,
      charset: "utf8",
      legalComments: "none",
      sourcemap: "external",
      logLevel: "silent",
      banner: { js: format === "esm" ? esmBanner + prelude : prelude },
    });
    const output = (suffix: string) => result.outputFiles.find(({ path }) => path.endsWith(suffix))?.contents;
    return {
      code: output("out.js") ?? new Uint8Array(),
      map: output("out.js.map") ?? new Uint8Array(),
      metafile: result.metafile,
    };
  } catch (error) {
    const [first] = (error as Partial<BuildFailure>).errors ?? [];
    if (first === undefined) throw error;
    throw await bundleError(project, first, error);
  }
}

async function bundleError(project: NodeProject, message: Message, cause: unknown): Promise<SlimError> {
  const { location, text } = message;
  const where = location ? `${location.file}:${location.line}:${location.column + 1}` : project.entry;
  const specifier = text.match(/^Could not resolve "(.+)"/)?.[1];
  if (specifier === undefined) return new SlimError("SYNTAX", text, { where, cause });
  const importer = path.resolve(project.root, location?.file ?? project.entry);
  const other = /^\.{0,2}\//.test(specifier)
    ? await otherCase(path.resolve(path.dirname(importer), specifier))
    : undefined;
  if (other !== undefined) {
    return new SlimError("CLOSURE", `"${specifier}" differs from the file's name only in case: it is ${other}`, {
      where,
      cause,
      hint: "it works on macOS and Windows and breaks on Linux; write it as the file is named",
    });
  }
  const hint = /^[./]/.test(specifier)
    ? "no such file"
    : `install it, or is it missing from package.json? npm install ${specifier}`;
  return new SlimError("CLOSURE", `cannot resolve "${specifier}"`, { where, cause, hint });
}

/** The real spelling of a path that exists only in another case. */
async function otherCase(wanted: string): Promise<string | undefined> {
  const parts = wanted.split(path.sep);
  let folder: string = path.sep;
  for (const [index, part] of parts.entries()) {
    if (part === "") continue;
    const names = await readdir(folder).catch(() => []);
    const last = index === parts.length - 1;
    const matches = (name: string, exact: boolean) => {
      const bare = last ? [name, name.replace(/\.[^.]+$/, "")] : [name];
      return bare.some((form) => (exact ? form === part : form.toLowerCase() === part.toLowerCase()));
    };
    const found = names.find((name) => matches(name, true)) ?? names.find((name) => matches(name, false));
    if (found === undefined) return undefined;
    folder = path.join(folder, found);
  }
  return folder === wanted ? undefined : path.basename(folder);
}

/** Which package each module belongs to: the nearest package.json with a name and a version. */
class Packages {
  readonly app: Component;
  readonly #byFolder = new Map<string, Promise<Component>>();
  readonly #all = new Map<string, Component>();

  constructor(project: NodeProject) {
    const { name, version } = project;
    this.app = { purl: npmPurl(name, version), name, ...(version === undefined ? {} : { version }) };
    this.#all.set(this.app.purl, this.app);
  }

  get all(): readonly Component[] {
    return [...this.#all.values()].sort((a, b) => compareStrings(a.purl, b.purl));
  }

  of(file: string): Promise<Component> {
    return this.#ofFolder(path.dirname(file));
  }

  #ofFolder(folder: string): Promise<Component> {
    let found = this.#byFolder.get(folder);
    if (found === undefined) {
      found = this.#read(folder);
      this.#byFolder.set(folder, found);
    }
    return found;
  }

  async #read(folder: string): Promise<Component> {
    const parent = path.dirname(folder);
    if (parent === folder || !folder.includes(`${path.sep}node_modules${path.sep}`)) return this.app;
    const text = await readFile(path.join(folder, "package.json"), "utf8").catch(() => "{}");
    const { name, version, license } = JSON.parse(text) as { name?: string; version?: string; license?: unknown };
    if (name === undefined || version === undefined) return this.#ofFolder(parent);
    const purl = npmPurl(name, version);
    const component = { purl, name, version, ...(typeof license === "string" ? { license } : {}) };
    this.#all.set(purl, component);
    return component;
  }
}

/** https://github.com/package-url/purl-spec/blob/main/types-doc/npm-definition.md */
function npmPurl(name: string, version: string | undefined): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}${version === undefined ? "" : `@${version}`}`;
}

async function bundledModules(
  project: NodeProject,
  metafile: Metafile,
  packages: Packages,
): Promise<readonly BundledModule[]> {
  const [output] = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint !== undefined);
  const reasons = new Map<string, Reason[]>();
  for (const [from, { imports }] of Object.entries(metafile.inputs)) {
    for (const { path: to, kind, original } of imports) {
      const edge: Reason = { kind: kind === "require-call" ? "require" : "import", file: from, what: original ?? to };
      reasons.set(to, [...(reasons.get(to) ?? []), edge]);
    }
  }
  const modules: BundledModule[] = [];
  for (const [input, { bytesInOutput }] of Object.entries(output?.inputs ?? {})) {
    const absolute = path.resolve(project.root, input);
    if (!(await stat(absolute).catch(() => undefined))) continue;
    const component = await packages.of(absolute);
    modules.push({
      path: path.posix.join("/app", input),
      purl: component.purl,
      size: bytesInOutput,
      reasons: reasons.get(input) ?? [{ kind: "entry", file: project.entry }],
    });
  }
  return modules.sort((a, b) => compareStrings(a.path, b.path));
}
