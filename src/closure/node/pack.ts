import { compareStrings } from "../../base/files.ts";
import { bootstrap } from "./bootstrap.ts";
import { prelude } from "./prelude.ts";

/** What a file is to the bundle; the numbers are those of the bootstrap. */
const kinds = { commonjs: 0, module: 1, json: 2, disk: 3 } as const;
/** The code calls `import()`, or makes code that may. */
const IMPORTS = 8;
const ESCAPED = 16;

export interface PackedFile {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly kind: keyof typeof kinds;
  /** None for what stays on disk. */
  readonly text?: string;
  /** What an import of it can name, where it is CommonJS and something imports it. */
  readonly names?: readonly string[];
}

/** A bare or internal name, as one folder's modules see it. */
export interface Lead {
  readonly style: "require" | "import";
  readonly specifier: string;
  /** The folder with the node_modules folder, or the package with the `imports`, relative to the root. */
  readonly base: string;
  readonly path: string;
}

export interface Pack {
  /** Path of the bundle itself, relative to the root. */
  readonly own: string;
  /** Whether the bundle is the module that Node.js is started with; else it only makes modules available. */
  readonly runs: boolean;
  readonly files: readonly PackedFile[];
  readonly leads: readonly Lead[];
  /** Other paths of files, relative to the root; one that ends in `/` is a folder. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly sourcemap: boolean;
  /** Whether imports of CommonJS also have the name `module.exports`. */
  readonly self: boolean;
}

/** The bundle: a bootstrap, and behind it, in a comment, an index and the text of every module. ASCII throughout. */
export async function writePack(
  pack: Pack,
): Promise<{ readonly text: string; readonly sizes: ReadonlyMap<string, number> }> {
  const { transform } = await import("esbuild");
  const files = [...pack.files].sort((a, b) => compareStrings(a.path, b.path));
  const numbers = new Map(files.map((file, at) => [file.path, at]));
  const bases = [...new Set(pack.leads.map((lead) => lead.base))].sort(compareStrings);
  const texts = files.map((file) => escapeText(file.text ?? ""));
  const index = {
    own: pack.own,
    files: files.map((file, at) => {
      const text = texts[at] ?? "";
      const imports = file.kind !== "disk" && /\bimport\s*\(|\bimport\(/.test(file.text ?? "") ? IMPORTS : 0;
      return [file.path, text.length, kinds[file.kind] | imports | (text.includes("\u0001") ? ESCAPED : 0)];
    }),
    bases,
    require: table(pack.leads, "require", bases, numbers),
    import: table(pack.leads, "import", bases, numbers),
    aliases: Object.fromEntries(
      [...pack.aliases].sort(([a], [b]) => compareStrings(a, b)).map(([name, path]) => [name, numbers.get(path)]),
    ),
    names: Object.fromEntries(files.flatMap((file) => (file.names === undefined ? [] : [[file.path, file.names]]))),
    extensions: [
      ".js",
      ".json",
      ".node",
      ...(files.some((file) => /\.(?:[cm]?ts|[jt]sx)$/.test(file.path)) ? [".ts", ".tsx", ".mts", ".cts", ".jsx"] : []),
    ],
    sourcemap: pack.sourcemap,
    self: pack.self,
  };
  const start = `(${bootstrap.trim()})(require("module"),require("path"),require("fs"),__filename)`;
  const { code } = await transform(`_=${start}`, { minify: true, target: "node20", charset: "ascii" });
  const install = code.trim().replace(/^_=|;$/g, "");
  const run = `?delete require.cache[__filename]:process[Symbol.for("slim")].run(module)`;
  const text = `${pack.runs ? prelude : ""}${install}${pack.runs ? run : ""};\n/*${escapeText(JSON.stringify(index))}\n${texts.join("")}*/\n`;
  return { text, sizes: new Map(files.map((file, at) => [file.path, texts[at]?.length ?? 0])) };
}

function table(
  leads: readonly Lead[],
  style: Lead["style"],
  bases: readonly string[],
  numbers: ReadonlyMap<string, number>,
): Record<string, number[]> {
  const places = new Map<string, Map<number, number>>();
  for (const lead of leads) {
    const file = numbers.get(lead.path);
    if (lead.style !== style || file === undefined) continue;
    const known = places.get(lead.specifier) ?? new Map<number, number>();
    places.set(lead.specifier, known.set(bases.indexOf(lead.base), file));
  }
  const names = [...places.keys()].sort(compareStrings);
  return Object.fromEntries(
    names.map((name) => [name, [...(places.get(name) ?? [])].sort(([a], [b]) => a - b).flat()]),
  );
}

/**
 * Text that may stand in a comment of an ASCII file: everything else, and the end of the comment, is written as
 * U+0001 and four digits.
 */
function escapeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character itself has to be escaped
  return text.replace(/[\u0001\r\u0080-\uffff]|\*(?=\/)/g, (character) =>
    character === "*" ? "\u0001002a" : `\u0001${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
