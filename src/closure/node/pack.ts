import { compareStrings } from "../../base/files.ts";
import { announced } from "./announce.ts";
import { bootstrap } from "./bootstrap.ts";

/** What a file is to the bundle; the numbers are those of the bootstrap. */
const kinds = { commonjs: 0, module: 1, json: 2, disk: 3 } as const;
/** The code makes code that may call `import()`. */
const IMPORTS = 8;
/** The text is UTF-8 that is not ASCII. */
const WIDE = 16;

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
  readonly files: readonly PackedFile[];
  readonly leads: readonly Lead[];
  /** Other paths of files, relative to the root; one that ends in `/` is a folder. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly sourcemap: boolean;
  /** Whether imports of CommonJS also have the name `module.exports`. */
  readonly self: boolean;
}

/** The bundle: the bootstrap up to a zero byte, the index in a line, and the text of every module. */
export function writePack(pack: Pack): { readonly text: string; readonly sizes: ReadonlyMap<string, number> } {
  const files = [...pack.files].sort((a, b) => compareStrings(a.path, b.path));
  const numbers = new Map(files.map((file, at) => [file.path, at]));
  const bases = [...new Set(pack.leads.map((lead) => lead.base))].sort(compareStrings);
  const texts = files.map(({ text = "", kind }) =>
    kind === "commonjs" || kind === "module" ? announced(text, kind) : { text, loose: false },
  );
  const sizes = new Map(files.map((file, at) => [file.path, Buffer.byteLength(texts[at]?.text ?? "")]));
  const index = {
    own: pack.own,
    files: files.map((file, at) => {
      const { text = "", loose } = texts[at] ?? {};
      const size = sizes.get(file.path) ?? 0;
      return [file.path, size, kinds[file.kind] | (loose ? IMPORTS : 0) | (size > text.length ? WIDE : 0)];
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
  const start = `(${bootstrap.trim().replace(/^ *(?:\/\/.*\n)?/gm, "")})(require,own,bytes)`;
  return { text: `${start}\0${JSON.stringify(index)}\n${texts.map(({ text }) => text).join("")}`, sizes };
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
