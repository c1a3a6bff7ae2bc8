import type { RowReader } from "./table.ts";

const columns = ["Package", "Version", "Filename", "SHA256", "Size"];

/** Reads a `Packages` index: name, version, filename, sha256, size. https://wiki.debian.org/DebianRepository/Format */
export function packagesReader(): RowReader {
  const wanted = new RegExp(`^(?:(${columns.join("|")}): *(.*))?$`, "gm");
  let row = new Map<string, string>();
  return function* (text) {
    for (const [, name, value] of text.matchAll(wanted)) {
      if (name !== undefined && value !== undefined) {
        row.set(name, value);
        continue;
      }
      const values = columns.map((column) => row.get(column));
      if (values.every((one) => one !== undefined)) yield values;
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
