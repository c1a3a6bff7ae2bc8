import { SourceMap } from "node:module";
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

/** Reads, compiles and shortens code. */
export class Loader {
  readonly #disk: Disk;
  readonly #packages: Packages;
  readonly #configs: TsConfigs;
  readonly #node: string;
  readonly #sourcemap: boolean;

  constructor(disk: Disk, packages: Packages, configs: TsConfigs, node: string, sourcemap: boolean) {
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
    const { transform } = await import("esbuild");
    const options = this.#configs.options(file);
    const format = this.#typedFormat(file);
    try {
      const { code, map } = await transform(source, {
        loader,
        target: `node${this.#node}`,
        platform: "node",
        tsconfigRaw: { compilerOptions: withoutPaths(options) },
        sourcefile: path.basename(file),
        sourcemap: "external",
        sourcesContent: this.#sourcemap,
        legalComments: "none",
        charset: "utf8",
        keepNames: false,
        ...(format === "commonjs" ? { format: "cjs" } : {}),
      });
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
      const withoutMetadata = options.emitDecoratorMetadata === true && /^\s*@\w/m.test(source);
      const link = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}`;
      return { syntax, text: this.#sourcemap ? code + link : strip(syntax), at, withoutMetadata };
    } catch (cause) {
      throw compileError(file, cause);
    }
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
