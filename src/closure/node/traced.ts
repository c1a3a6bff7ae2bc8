import { readFile } from "node:fs/promises";
import path from "node:path";
import { ioError, SlimError, systemCode } from "../../base/error.ts";
import { compareStrings, writeAtomically } from "../../base/files.ts";

/** The name of the file beside package.json. */
export const TRACE_NAME = "slim.trace.json";

/** A file that a run of the app needed. Paths are relative to the project's folder, with `/`. */
export interface TracedFile {
  readonly file: string;
  /** As code that is loaded, started or opened as a library; or as the bytes that it has. */
  readonly how: "load" | "read";
  /** The module that asked for it. */
  readonly from: string;
  /** Where a package was asked for by name: that name. */
  readonly specifier?: string;
}

/**
 * What `slim trace` has written about a project; nothing where it has not.
 * @throws SlimError `CONFIG`
 */
export async function readTraced(folder: string): Promise<readonly TracedFile[]> {
  const where = path.join(folder, TRACE_NAME);
  let text: string;
  try {
    text = await readFile(where, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw ioError(error, where, "read");
  }
  const hint = "correct it, or delete it and run slim trace again";
  let value: { traceVersion?: unknown; files?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SlimError("CONFIG", "is not JSON", { where, cause, hint });
  }
  if (value?.traceVersion !== 1 || !Array.isArray(value.files) || !value.files.every(isTracedFile))
    throw new SlimError("CONFIG", "is not what slim trace writes", { where, hint });
  return value.files;
}

/** Sorted, and one file a line: made for review. */
export async function writeTraced(folder: string, files: readonly TracedFile[]): Promise<void> {
  const lines = [...files]
    .sort((a, b) => compareStrings(keyOf(a), keyOf(b)))
    .map(({ file, how, from, specifier }) => `    ${JSON.stringify({ file, how, from, specifier })}`);
  const list = lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n  ]`;
  const text = `{\n  "traceVersion": 1,\n  "files": ${list}\n}\n`;
  await writeAtomically(path.join(folder, TRACE_NAME), (handle) => handle.writeFile(text));
}

/** What makes two the same, whoever asked. */
export function keyOf({ file, how, specifier = "" }: TracedFile): string {
  return `${file}\0${how}\0${specifier}`;
}

function isTracedFile(value: unknown): value is TracedFile {
  if (typeof value !== "object" || value === null) return false;
  const { file, how, from, specifier } = value as Record<string, unknown>;
  const isText = (one: unknown) => typeof one === "string";
  return (
    isText(file) && isText(from) && (how === "load" || how === "read") && (specifier === undefined || isText(specifier))
  );
}
