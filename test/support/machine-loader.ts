import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the machine's own loader says of a program. */
export interface LoaderAnswer {
  /** Real paths in the order of loading, the loader itself included. */
  readonly libraries: readonly string[];
  readonly notFound: readonly string[];
  /** Versions that a library should define and does not. */
  readonly versions: readonly string[];
}

/** Asks `ldd`, or another loader's way to list libraries. It starts the program's loader. */
export async function askLoader(command: readonly [string, ...string[]]): Promise<LoaderAnswer> {
  const [file, ...args] = command;
  const text = await run(file, args, { env: { PATH: process.env.PATH, LC_ALL: "C" } }).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
  );
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1] ?? "");
  const libraries = all(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm);
  return {
    libraries: await Promise.all(libraries.map((library) => realpath(library))),
    notFound: [...new Set([...all(/^\s+(\S+) => not found/gm), ...all(/Error loading shared library ([^:\s]+):/g)])],
    versions: all(/version `([^']+)' not found/g),
  };
}
