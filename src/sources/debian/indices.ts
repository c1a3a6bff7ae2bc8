import type { RowReader } from "./table.ts";

const columns = ["Package", "Version", "Filename", "SHA256", "Size"];

/** The key of the packages that provide another name. */
export const provides = (name: string): string => `provides ${name}`;

/**
 * Reads a `Packages` index: name, version, filename, sha256, size; and for each other name that a package
 * provides, that and the package. https://wiki.debian.org/DebianRepository/Format
 */
export function packagesReader(): RowReader {
  const wanted = new RegExp(`^(?:(${[...columns, "Provides"].join("|")}): *(.*))?$`, "gm");
  let row = new Map<string, string>();
  return function* (text) {
    for (const [, name, value] of text.matchAll(wanted)) {
      if (name !== undefined && value !== undefined) {
        row.set(name, value);
        continue;
      }
      const values = columns.map((column) => row.get(column));
      if (values.every((one) => one !== undefined)) yield values;
      for (const [name] of (row.get("Provides") ?? "").matchAll(/(?<=^|,\s*)[a-z0-9][a-z0-9+.-]*/g)) {
        yield [provides(name), row.get("Package") ?? ""];
      }
      row = new Map();
    }
  };
}

/**
 * Reads a `Contents` index: soname, and the packages that have it in a standard folder, separated by
 * commas. `standard` is a regular expression without flags for the path, whose one group is the soname.
 * https://wiki.debian.org/DebianRepository/Format#A.22Contents.22_indices
 */
export function contentsReader(standard: string): RowReader {
  const wanted = new RegExp(`^${standard}[ \\t]+(\\S+)$`, "gm");
  return function* (text) {
    for (const [, soname = "", packages = ""] of text.matchAll(wanted)) {
      yield [soname, packages.replace(/[^,]*\//g, "")];
    }
  };
}
