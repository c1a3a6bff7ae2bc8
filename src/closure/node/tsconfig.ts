import path from "node:path";
import { type AnyNode, parseExpressionAt } from "acorn";
import { SlimError } from "../../base/error.ts";
import { type Disk, isWithin } from "../disk.ts";
import type { Aliases } from "./resolve.ts";

/** The part of `compilerOptions` that decides what code means: https://www.typescriptlang.org/tsconfig */
export interface CompilerOptions {
  readonly baseUrl?: string;
  readonly paths?: Readonly<Record<string, readonly string[]>>;
  readonly module?: string;
  readonly [name: string]: unknown;
}

interface Loaded {
  readonly file: string;
  readonly options: CompilerOptions;
  /** What `paths` are relative to. */
  readonly base: string;
}

/** tsconfig.json files, with what they extend. */
export class TsConfigs {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #loaded = new Map<string, Loaded | undefined>();

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.#root = root;
  }

  options(file: string): CompilerOptions {
    return this.#nearest(path.dirname(file))?.options ?? {};
  }

  /** The tsconfig.json that applies to a file. */
  config(file: string): string | undefined {
    return this.#nearest(path.dirname(file))?.file;
  }

  readonly aliases: Aliases = (file) => {
    if (file.includes(`${path.sep}node_modules${path.sep}`)) return undefined;
    const loaded = this.#nearest(path.dirname(file));
    if (loaded === undefined) return undefined;
    const { paths, baseUrl } = loaded.options;
    if (paths !== undefined) return { base: loaded.base, paths };
    return baseUrl === undefined ? undefined : { base: loaded.base, paths: { "*": ["*"] } };
  };

  #nearest(folder: string): Loaded | undefined {
    if (!isWithin(folder, this.#root)) return undefined;
    const file = path.join(folder, "tsconfig.json");
    if (!this.#disk.isFile(file)) return this.#nearest(path.dirname(folder));
    if (!this.#loaded.has(file)) this.#loaded.set(file, this.#load(file, []));
    return this.#loaded.get(file);
  }

  #load(file: string, seen: readonly string[]): Loaded {
    if (seen.includes(file)) throw new SlimError("CONFIG", `"extends" goes round in a circle`, { where: file });
    const json = readJsonc(this.#disk.read(file).toString("utf8"), file);
    const folder = path.dirname(file);
    let loaded: Loaded = { file, options: {}, base: folder };
    for (const name of [json.extends ?? []].flat()) {
      const parent = typeof name === "string" ? this.#extended(name, folder) : undefined;
      if (parent === undefined) continue;
      const inherited = this.#load(parent, [...seen, file]);
      loaded = { file, options: { ...loaded.options, ...inherited.options }, base: inherited.base };
    }
    const own = (json.compilerOptions ?? {}) as CompilerOptions;
    const base =
      own.baseUrl !== undefined
        ? path.resolve(folder, own.baseUrl)
        : own.paths !== undefined && loaded.options.baseUrl === undefined
          ? folder
          : loaded.base;
    return { file, options: { ...loaded.options, ...own }, base };
  }

  #extended(name: string, folder: string): string | undefined {
    const places = name.startsWith(".") || path.isAbsolute(name) ? [path.resolve(folder, name)] : [];
    for (let up = folder; places.length === 0 || !name.startsWith("."); up = path.dirname(up)) {
      if (path.isAbsolute(name)) break;
      places.push(path.join(up, "node_modules", name));
      if (path.dirname(up) === up) break;
    }
    const found = places
      .flatMap((place) => [place, `${place}.json`, path.join(place, "tsconfig.json")])
      .find((file) => this.#disk.isFile(file));
    // What a package says is relative to where it really is.
    return found === undefined || name.startsWith(".") ? found : this.#disk.realpath(found);
  }
}

/** JSON with comments and trailing commas, which is JavaScript's object literal without names. */
function readJsonc(text: string, where: string): Record<string, unknown> {
  try {
    const value = literal(parseExpressionAt(text.replace(/^\uFEFF/, ""), 0, { ecmaVersion: "latest" }));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch (cause) {
    throw new SlimError("SYNTAX", "is not valid JSON", { where, cause });
  }
}

function literal(node: AnyNode): unknown {
  if (node.type === "Literal") return node.value;
  if (node.type === "ArrayExpression")
    return node.elements.map((element) => (element === null ? null : literal(element)));
  if (node.type !== "ObjectExpression") return undefined;
  return Object.fromEntries(
    node.properties.flatMap((property) =>
      property.type === "Property" && property.key.type === "Literal"
        ? [[String(property.key.value), literal(property.value)]]
        : [],
    ),
  );
}
