import { createRequire, SourceMap } from "node:module";
import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { digestOf } from "../../image/digest.ts";
import type { Disk } from "../disk.ts";
import { type AnalyzeOptions, analyze } from "./analyze.ts";
import type { Compiled, Compiler } from "./compiler.ts";
import type { Place } from "./evaluate.ts";
import type { Packages } from "./packages.ts";
import type { Locate, PlacedAsk, Reading, Readings } from "./readings.ts";
import { hasRegisterHooks } from "./resolve.ts";
import { type Format, Lines, parse, type Syntax, strip } from "./syntax.ts";
import type { CompilerOptions, TsConfigs } from "./tsconfig.ts";

const loaders: Readonly<Record<string, Typed>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".jsx": "jsx",
};

export function isCode(file: string): boolean {
  return /\.(?:[cm]?[jt]s|[jt]sx)$/.test(file) && !isDeclaration(file);
}

/** Whether only a handler of its own (`require.extensions[".sql"]`) makes a module of it, where there is one. */
export function isForeign(file: string): boolean {
  return !/^(?:|\.json|\.node)$/.test(path.extname(file)) && !isCode(file);
}

export function isDeclaration(file: string): boolean {
  return /\.d\.[cm]?ts$/.test(file);
}

/** Whether a file of code is compiled before it runs. */
export function isTyped(file: string): boolean {
  return isCode(file) && path.extname(file) in loaders;
}

/** What is read in a file beside what it says itself. */
export interface View extends AnalyzeOptions {
  readonly place: Place;
}

/** A file as the target's Node.js gets it. */
interface Code {
  readonly syntax: Syntax;
  readonly text: string;
  readonly withoutMetadata: boolean;
  /** Line and column in the source of a place in `syntax.text`. */
  readonly at: (offset: number) => { readonly line: number; readonly column: number };
}

type Typed = "ts" | "tsx" | "jsx";

/** Reads, compiles, analyzes and shortens code. */
export class Loader {
  readonly #disk: Disk;
  readonly #packages: Packages;
  readonly #configs: TsConfigs;
  readonly #compiler: Compiler;
  readonly #node: string;
  readonly #sourcemap: boolean;
  readonly #readings: Readings | undefined;

  constructor({ disk, packages, configs, compiler, node, sourcemap, readings }: LoaderOptions) {
    this.#disk = disk;
    this.#packages = packages;
    this.#configs = configs;
    this.#compiler = compiler;
    this.#node = node;
    this.#sourcemap = sourcemap;
    this.#readings = readings;
  }

  /** @throws SlimError `SYNTAX` with line and column */
  async read(view: View): Promise<Reading> {
    const { file, locate, ...around } = view.place;
    const bytes = this.#disk.read(file);
    const loader = loaders[path.extname(file)];
    const format = loader === undefined ? this.#format(file) : this.#typedFormat(file);
    const source = bytes.toString("utf8").replace(/^\uFEFF/, "");
    const make = async (find: Locate) => {
      const code = loader === undefined ? this.#plain(file, source, format) : await this.#compile(file, source, loader);
      return readingOf(code, { ...view, place: { ...view.place, locate: find } });
    };
    // What becomes of types that other files have is not decided by this one alone.
    if (this.#readings === undefined || this.#wantsMetadata(file, source)) return make(locate);
    const { texts, keys = false } = view;
    const options = loader === undefined ? {} : { esbuild: esbuildVersion(), ...this.#configs.options(file) };
    const inputs = [format, texts, keys, around, options, this.#node, this.#sourcemap];
    // Read again once it is known what others export: both readings are kept.
    const name = around.imported === undefined ? file : `${file} with imports`;
    return this.#readings.read(name, `${digestOf(JSON.stringify(inputs))} ${digestOf(bytes)}`, locate, make);
  }

  #plain(file: string, source: string, format: Format): Code {
    const syntax = this.#parse(file, source, format);
    const lines = new Lines(source);
    return { syntax, text: strip(syntax), withoutMetadata: false, at: (offset) => lines.at(offset) };
  }

  async #compile(file: string, source: string, loader: Typed): Promise<Code> {
    const options = this.#configs.options(file);
    const format = this.#typedFormat(file);
    const wantsMetadata = this.#wantsMetadata(file, source);
    try {
      // Says best what does not parse, also where another compiler has the last word.
      const transformed = await this.#transform(file, source, loader, false);
      const compiled = wantsMetadata
        ? await this.#compiler.compile(file, this.#configs.config(file) ?? "", overrides(options, format))
        : undefined;
      const { code, map } = compiled ?? transformed;
      const syntax = this.#parse(file, code, format);
      const lines = new Lines(code);
      const sources = new SourceMap(JSON.parse(map));
      const at = (offset: number) => {
        const { line, column } = lines.at(offset);
        const origin = sources.findEntry(line - 1, column - 1);
        return "originalLine" in origin
          ? { line: origin.originalLine + 1, column: origin.originalColumn + 1 }
          : { line: 1, column: 1 };
      };
      const withoutMetadata = wantsMetadata && compiled === undefined;
      const link = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}`;
      return { syntax, text: this.#sourcemap ? code.replace(/^#!.*/, "") + link : strip(syntax), at, withoutMetadata };
    } catch (cause) {
      throw compileError(file, cause);
    }
  }

  #wantsMetadata(file: string, source: string): boolean {
    return isTyped(file) && this.#configs.options(file).emitDecoratorMetadata === true && /^\s*@\w/m.test(source);
  }

  async #transform(file: string, source: string, loader: Typed, keepNames: boolean): Promise<Compiled> {
    const { transform } = await import("esbuild");
    const options = this.#configs.options(file);
    const made = await transform(source, {
      loader,
      target: `node${this.#node}`,
      platform: "node",
      tsconfigRaw: { compilerOptions: withoutPaths(options) },
      sourcefile: path.basename(file),
      sourcemap: "external",
      sourcesContent: this.#sourcemap,
      legalComments: "none",
      charset: "utf8",
      keepNames,
      ...(this.#typedFormat(file) === "commonjs" ? { format: "cjs" } : {}),
      // As tsc does for "commonjs": without hooks an import needs the whole name of a file.
      ...(/^commonjs$/i.test(options.module ?? "") && !hasRegisterHooks(this.#node)
        ? { supported: { "dynamic-import": false } }
        : {}),
    });
    // `const A = class A {}` becomes `class A2`, and a class that speaks of itself `class _A`. Names are kept only then: the calls that do it are in functions, too,
    // where whoever ships these as text does not have them.
    return keepNames || !hasOtherNames(made.code, source) ? made : this.#transform(file, source, loader, true);
  }

  #parse(file: string, text: string, format: Format): Syntax {
    try {
      return parse(text, format);
    } catch (cause) {
      if (!(cause instanceof SyntaxError) || !("loc" in cause)) throw cause;
      const { line, column } = cause.loc as { line: number; column: number };
      const message = cause.message.replace(/ \(\d+:\d+\)$/, "");
      throw new SlimError("SYNTAX", message.charAt(0).toLowerCase() + message.slice(1), {
        where: `${file}:${line}:${column + 1}`,
        cause,
      });
    }
  }

  #format(file: string): Format {
    const extension = path.extname(file);
    if (extension === ".mjs" || extension === ".mts") return "module";
    if (extension === ".cjs" || extension === ".cts") return "commonjs";
    const type = this.#packages.of(file)?.json.type;
    return type === "module" || type === "commonjs" ? type : "unknown";
  }

  /** TypeScript's `module` has a say where neither name nor package.json decide. */
  #typedFormat(file: string): Format {
    const format = this.#format(file);
    const { module } = this.#configs.options(file);
    if (format !== "unknown" || module === undefined) return format;
    return /^(?:commonjs|node16|node18|node20|nodenext)$/i.test(module) ? "commonjs" : "unknown";
  }
}

export interface LoaderOptions {
  readonly disk: Disk;
  readonly packages: Packages;
  readonly configs: TsConfigs;
  readonly compiler: Compiler;
  /** The version of the target's Node.js. */
  readonly node: string;
  readonly sourcemap: boolean;
  readonly readings: Readings | undefined;
}

function readingOf({ syntax, text, withoutMetadata, at }: Code, { place, ...options }: View): Reading {
  const { asks: found, paths } = analyze(syntax, place, options);
  const asks = found.map(({ offset, ...ask }): PlacedAsk => ({ ...ask, ...at(offset) }));
  const patchesLoader =
    /\b_load\s*=[^=]|prototype\.require\s*=[^=]|_resolveFilename\s*=[^=]/.test(syntax.text) &&
    /['"](?:node:)?module['"]/.test(syntax.text);
  return { format: syntax.format, text, asks, paths, patchesLoader, withoutMetadata };
}

/** The version of esbuild, without starting it. */
function esbuildVersion(): unknown {
  return createRequire(import.meta.url)("esbuild/package.json").version;
}

/** Whether classes or functions have names that the source does not know. */
function hasOtherNames(code: string, source: string): boolean {
  for (const [, name = ""] of code.matchAll(/\b(?:class|function)\b\*?\s+(_[\w$]+|[\w$]+\d)\b/g))
    if (!source.includes(name)) return true;
  return false;
}

/** What the target and the files around a file need of the project's compiler, where tsconfig.json wants something else. */
function overrides({ module = "", target = "", jsx }: CompilerOptions, format: Format): CompilerOptions {
  const byPackage = /^node(?:\d+|next)$/i.test(module);
  const fits = byPackage || (format === "commonjs" ? /^commonjs$/i : /^es(?:\d+|next)$/i).test(module);
  return {
    ...(fits ? {} : format === "commonjs" ? { module: "commonjs" } : { module: "esnext", moduleResolution: "bundler" }),
    ...(/^es(?:next|202[3-9])$/i.test(String(target)) ? { target: "es2022" } : {}),
    ...(/^(?:preserve|react-native)$/i.test(String(jsx)) ? { jsx: "react-jsx" } : {}),
  };
}

/** Paths are the resolver's business. */
function withoutPaths(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { paths: _paths, baseUrl: _baseUrl, ...rest } = options;
  return rest;
}

function compileError(file: string, cause: unknown): unknown {
  if (cause instanceof SlimError || !(cause instanceof Error) || !("errors" in cause)) return cause;
  const [first] = cause.errors as { text: string; location?: { line: number; column: number } | null }[];
  const where = first?.location ? `${file}:${first.location.line}:${first.location.column + 1}` : file;
  return new SlimError("SYNTAX", first?.text ?? "does not compile", { where, cause });
}
