import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { mergedPath } from "../../sources/debian/paths.ts";
import { mentionedSymbols } from "../elf/parse.ts";
import type { ByteReader } from "../elf/reader.ts";

/** A program that another program runs, the file after `#!`, or that may call one. */
export interface Script {
  readonly path: string;
  readonly interpreter: string;
  readonly package: string;
  /** Whether it is machine code that has commands run by the interpreter. */
  readonly isProgram?: boolean;
}

/** Whether machine code has commands run by a shell. */
export async function callsShell(reader: ByteReader, file: string): Promise<boolean> {
  return (await mentionedSymbols(reader, file, ["popen", "system"])).length > 0;
}

/**
 * Of what every Debian has, which packages depend on without saying so.
 * https://www.debian.org/doc/debian-policy/ch-binary.html#essential-packages
 */
export const essential: readonly string[] = [
  "bash",
  "bsdutils",
  "coreutils",
  "dash",
  "debianutils",
  "diffutils",
  "findutils",
  "grep",
  "gzip",
  "hostname",
  "libc-bin",
  "perl-base",
  "sed",
  "tar",
  "util-linux",
];

/** The program of a `#!` line, and behind `env` the name it looks for. */
export function interpreterOf(start: Uint8Array): readonly string[] | undefined {
  const line = Buffer.from(start).toString("latin1").split("\n")[0] ?? "";
  const [, program = "", first] = /^#!\s*(\S+)(?:\s+(?:-S\s+)?(\S+))?/.exec(line) ?? [];
  if (program === "") return undefined;
  return path.posix.basename(program) === "env" && first !== undefined ? [program, first] : [program];
}

/** A word of a shell script that stands where a command does. */
const command =
  /(?:^|[;&|(`!]|\b(?:then|else|do|if|exec|while|until)\s)[ \t]*((?:\/usr)?(?:\/s?bin\/)?[a-z][\w.+-]*)(?=[\s;)`]|$)/gm;

/** What a shell script may call. */
export function calledBy(script: string): ReadonlySet<string> {
  const found = script.replace(/^\s*#.*$/gm, "").matchAll(command);
  return new Set([...found].flatMap(([, name]) => (name === undefined || builtins.has(name) ? [] : [name])));
}

/** What a shell does by itself. */
const builtins = new Set(
  [
    "alias bg break case cd command continue do done echo elif else esac eval exec exit export false fg fi for getopts",
    "hash if in jobs kill let local printf pwd read readonly return set shift source test then times trap true type",
    "ulimit umask unalias unset until wait while",
  ].flatMap((line) => line.split(" ")),
);

/** Where a program may be that a script names. */
export function placesOf(name: string): string[] {
  if (!name.startsWith("/")) return ["/usr/local/bin/", "/usr/bin/", "/usr/sbin/"].map((folder) => folder + name);
  return [mergedPath(name, false)];
}

/** Packages that bring what scripts are most often run by, as far as that is one. */
export const interpreters: ReadonlyMap<string, string> = new Map([
  ["bash", "bash"],
  ["env", "coreutils"],
  ["lua", "lua5.4"],
  ["perl", "perl-base"],
  ["python3", "python3-minimal"],
  ["ruby", "ruby"],
  ["sh", "dash"],
  ["tclsh", "tcl"],
]);

/**
 * What is told of each program that others of the image want to be run by, or may call, and that is not there.
 * @param has whether the image has a file, links followed
 */
export async function missingPrograms(
  scripts: readonly Script[],
  has: (path: string) => Promise<boolean>,
): Promise<Diagnostic[]> {
  const wanted = new Map<string, Script[]>();
  for (const script of scripts) {
    const { interpreter } = script;
    const places = placesOf(interpreter);
    const there = await Promise.all(places.map(has));
    if (there.includes(true)) continue;
    const key = `${script.package} ${interpreter} ${script.isProgram === true}`;
    wanted.set(key, [...(wanted.get(key) ?? []), script]);
  }
  return [...wanted.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` and ${others.length} more of ${first.package}`;
    const verb = others.length === 0 ? "is run" : "are run";
    const relation = first.isProgram === true ? "can have commands run" : verb;
    const owner = interpreters.get(path.posix.basename(first.interpreter));
    return {
      code: first.isProgram === true ? "missing-shell" : "missing-interpreter",
      severity: first.isProgram === true ? "info" : "warning",
      message: `${first.path}${more} ${relation} by ${first.interpreter}, which is not in the image`,
      ...(owner === undefined ? {} : { hint: `--package ${owner} adds it` }),
    } as const;
  });
}
