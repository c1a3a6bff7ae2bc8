import { createRequire, SourceMap } from "node:module";
import path from "node:path";
import { SlimError } from "../../base/error.ts";
import type { Disk } from "./disk.ts";
import type { Packages } from "./packages.ts";
import { type Format, Lines, parse, type Syntax, strip } from "./syntax.ts";
import type { TsConfigs } from "./tsconfig.ts";

/** A file of code as the target's Node.js gets it. */
export interface Code {
  readonly syntax: Syntax;
  /** The text that is shipped. */
  readonly text: string;
  /** Whether the project wants `emitDecoratorMetadata` for decorators in this file, which esbuild does not do. */
  readonly withoutMetadata?: boolean;
  /** Line and column in the source of a place in `syntax.text`. */
  readonly at: (offset: number) => { readonly line: number; readonly column: number };
}

const loaders: Readonly<Record<string, "ts" | "tsx" | "jsx">> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".jsx": "jsx",
};

export function isCode(file: string): boolean {
  return /\.(?:[cm]?[jt]s|[jt]sx)$/.test(file) && !isDeclaration(file);
}

export function isDeclaration(file: string): boolean {
  return /\.d\.[cm]?ts$/.test(file);
}

/** Whether a file of code is compiled before it runs. */
export function isTyped(file: string): boolean {
  return isCode(file) && path.extname(file) in loaders;
}

interface Compiled {
  readonly code: string;
  readonly map: string;
}

/** The part of TypeScript's own compiler that is used: https://github.com/microsoft/TypeScript/wiki/Using-the-Compiler-API */
interface TypeScript {
  readonly convertCompilerOptionsFromJson: (options: unknown, base: string) => { readonly options: object };
  readonly transpileModule: (
    source: string,
    options: { readonly fileName: string; readonly compilerOptions: object; readonly reportDiagnostics: true },
  ) => { readonly outputText: string; readonly sourceMapText?: string; readonly diagnostics?: readonly unknown[] };
}

/** Reads, compiles and shortens code. */
export class Loader {
  readonly #disk: Disk;
  readonly #packages: Packages;
  readonly #configs: TsConfigs;
  readonly #node: string;
  readonly #sourcemap: boolean;
  readonly #typescript: (file: string) => string | undefined;

  /** @param typescript where the TypeScript is that a file's project has installed */
  constructor(
    disk: Disk,
    packages: Packages,
    configs: TsConfigs,
    node: string,
    sourcemap: boolean,
    typescript: (file: string) => string | undefined,
  ) {
    this.#typescript = typescript;
    this.#disk = disk;
    this.#packages = packages;
    this.#configs = configs;
    this.#node = node;
    this.#sourcemap = sourcemap;
  }

  /** @throws SlimError `SYNTAX` with line and column */
  async code(file: string): Promise<Code> {
    const source = this.#disk
      .read(file)
      .toString("utf8")
      .replace(/^\uFEFF/, "");
    const loader = loaders[path.extname(file)];
    if (loader !== undefined) return this.#compile(file, source, loader);
    const syntax = this.#parse(file, source, this.#format(file));
    const lines = new Lines(source);
    return { syntax, text: strip(syntax), at: (offset) => lines.at(offset) };
  }

  async #compile(file: string, source: string, loader: "ts" | "tsx" | "jsx"): Promise<Code> {
    const options = this.#configs.options(file);
    const format = this.#typedFormat(file);
    const decorated = options.emitDecoratorMetadata === true && /^\s*@\w/m.test(source);
    const emitted = decorated ? this.#withMetadata(file, source, format) : undefined;
    try {
      const { code, map } = emitted ?? (await this.#transform(file, source, loader, format));
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
      const withoutMetadata = decorated && emitted === undefined;
      const link = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}`;
      return { syntax, text: this.#sourcemap ? code + link : strip(syntax), at, withoutMetadata };
    } catch (cause) {
      throw compileError(file, cause);
    }
  }

  async #transform(file: string, source: string, loader: "ts" | "tsx" | "jsx", format: Format): Promise<Compiled> {
    const { transform } = await import("esbuild");
    return transform(source, {
      loader,
      target: `node${this.#node}`,
      platform: "node",
      tsconfigRaw: { compilerOptions: withoutPaths(this.#configs.options(file)) },
      sourcefile: path.basename(file),
      sourcemap: "external",
      sourcesContent: this.#sourcemap,
      legalComments: "none",
      charset: "utf8",
      keepNames: false,
      ...(format === "commonjs" ? { format: "cjs" } : {}),
    });
  }

  /** What types are is TypeScript's knowledge: the project's own compiles such files, as its build would. */
  #withMetadata(file: string, source: string, format: Format): Compiled | undefined {
    const place = this.#typescript(file);
    const typescript = place === undefined ? undefined : (createRequire(place)(place) as Partial<TypeScript>);
    if (typescript?.transpileModule === undefined || typescript.convertCompilerOptionsFromJson === undefined)
      return undefined;
    const { moduleResolution: _found, jsx, ...options } = withoutPaths(this.#configs.options(file));
    const json = {
      ...options,
      module: format === "commonjs" ? "commonjs" : "esnext",
      jsx: jsx === undefined || jsx === "preserve" ? "react" : jsx,
      sourceMap: true,
      inlineSourceMap: false,
      inlineSources: this.#sourcemap,
    };
    const { outputText, sourceMapText, diagnostics } = typescript.transpileModule(source, {
      fileName: file,
      compilerOptions: typescript.convertCompilerOptionsFromJson(json, path.dirname(file)).options,
      reportDiagnostics: true,
    });
    if (diagnostics?.length !== 0 || sourceMapText === undefined) return undefined;
    return { code: outputText.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"), map: sourceMapText };
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
