import type { RowReader } from "./table.ts";

const columns = ["Package", "Version", "Filename", "SHA256", "Size"];
const field = new RegExp(`^(${columns.join("|")}): (.*)$`);

/** Reads a `Packages` index: name, version, filename, sha256, size. https://wiki.debian.org/DebianRepository/Format */
export function packagesReader(): RowReader {
  let row = new Map<string, string>();
  return (line) => {
    if (line !== "") {
      const found = field.exec(line);
      if (found?.[1] !== undefined && found[2] !== undefined) row.set(found[1], found[2].trim());
      return undefined;
    }
    const values = columns.map((name) => row.get(name));
    row = new Map();
    return values.every((value) => value !== undefined) ? values : undefined;
  };
}

/**
 * Reads a `Contents` index: soname, and the packages that have it in a standard folder, separated by
 * commas. https://wiki.debian.org/DebianRepository/Format#A.22Contents.22_indices
 */
export function contentsReader(standard: RegExp): RowReader {
  return (line) => {
    if (!line.startsWith("usr/lib/") && !line.startsWith("lib/")) return undefined;
    const columns = /^(\S+)\s+(\S+)$/.exec(line);
    const soname = standard.exec(columns?.[1] ?? "")?.[1];
    if (soname === undefined || columns?.[2] === undefined) return undefined;
    return [soname, columns[2].replace(/[^,]*\//g, "")];
  };
}
