import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import { findFile, type LibraryFiles, overlay } from "../elf/files.ts";
import { mentionedSymbols } from "../elf/parse.ts";
import {
  type LibraryProblem,
  type LoadedObject,
  type Open,
  type Resolution,
  resolveLibraries,
} from "../elf/resolve.ts";
import { isMuslLoader, muslPathFile } from "../elf/search.ts";
import { findTexts } from "../elf/strings.ts";
import type { Reason } from "../types.ts";
import type { Ground } from "./ground.ts";

/** What a program or library needs. */
export interface Needs {
  /** What came from `own`, the program first. */
  readonly own: readonly LoadedObject[];
  readonly problems: readonly LibraryProblem[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface Needing {
  /** Files that are in the image anyway, or come with the program. */
  readonly own: LibraryFiles;
  /** Of the program or library, in `own` or the ground. */
  readonly program: string;
  /** Where in the image a path of `own` will be, once it is known which of these files come along. */
  readonly placing?: (own: readonly LoadedObject[]) => (path: string) => string;
  /** Whether what files of `own` open by name is looked for as well: where it is at hand it is taken, else told. */
  readonly byName?: boolean;
}

/**
 * Finds every library that `program` needs, as the target's loader would, and takes those of the
 * ground. What `own` has is for the caller to take.
 */
export async function takeLibraries(
  ground: Ground,
  { own, program, placing, byName = false }: Needing,
): Promise<Needs> {
  const files = overlay([own, ground.files]);
  const about = { files, program, configured: ground.configured, missing: ground.missing.bind(ground) };
  const first = await resolveLibraries(about);
  const named = byName ? await openedByName(files, own, ground, first) : { opens: [], diagnostics: [] };
  const opens = [...(await openedByHabit(files, first)), ...named.opens];
  const resolution = opens.length === 0 ? first : await resolveLibraries({ ...about, opens });
  const isOwn = async (place: string) => (await own.at(place)) !== undefined;
  const found: LoadedObject[] = [];
  for (const object of resolution.objects) if (await isOwn(object.path)) found.push(object);
  const placed = placing?.(found) ?? ((at: string) => at);
  for (const object of resolution.objects) {
    for (const place of [...object.links.map((link) => link.path), object.path]) {
      if (await isOwn(place)) continue;
      for (const reason of object.reasons) await ground.take(place, placedReason(reason, placed));
    }
  }
  await takeConfiguration(ground, files, resolution);
  return {
    own: found,
    problems: resolution.problems.map((problem) => ({ ...problem, message: message(problem, placed) })),
    diagnostics: [
      ...named.diagnostics.map((one) => ({ ...one, file: placed(one.file ?? "") })),
      ...optionalLibraries(ground, resolution, placed),
      ...(await encodings(ground, files, own, resolution, placed)),
    ],
  };
}

/** @throws SlimError `CLOSURE` with the chain to a library that is missing or too old */
export async function refuseProblems(ground: Ground, { own, problems }: Needs, where: string): Promise<void> {
  const [problem] = problems;
  if (problem === undefined) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const hint = ownHint(own, problem) ?? (await ground.hint(problem));
  throw new SlimError("CLOSURE", `${problem.message}${more}`, { where, hint });
}

/** What to do where that is not the ground's business. */
function ownHint(own: Needs["own"], { name, library }: LibraryProblem): string | undefined {
  if (own.some((object) => object.path === library)) {
    return "put the one there that it was linked with, or link it again";
  }
  if (!name.includes("/") || name.startsWith("/")) return undefined;
  return "its place depends on the folder that the program is started in: link with a library that has a soname";
}

export function placedReason(reason: Reason, placed: (path: string) => string): Reason {
  return reason.from === undefined ? reason : { ...reason, from: placed(reason.from) };
}

function message({ message: text, chain, library = "" }: LibraryProblem, placed: (path: string) => string): string {
  const [program = "", ...rest] = chain;
  return text
    .replace(library, () => placed(library))
    .replace(chain.join(" -> "), () => [placed(program), ...rest].join(" -> "));
}

const glibc = "libc.so.6";

/** Calls that let glibc open libgcc_s to unwind a thread's stack. https://sourceware.org/glibc/manual */
const unwinding = ["pthread_cancel", "pthread_exit", "thrd_exit", "backtrace"];

/** Calls that ask the services of `/etc/nsswitch.conf` for names of accounts and hosts. */
const asking = [
  ...["getpwnam", "getpwuid", "getgrnam", "getgrgid", "getspnam"].flatMap((name) => [name, `${name}_r`]),
  ...["gethostbyname", "gethostbyaddr", "getservbyname"].flatMap((name) => [name, `${name}_r`]),
  ...["getaddrinfo", "getgrouplist", "gethostbyname2", "getnameinfo", "initgroups"],
];

/** What glibc opens by itself, by the calls that make it do so. */
async function openedByHabit(files: LibraryFiles, { objects }: Resolution): Promise<Open[]> {
  const libc = objects.find(({ elf }) => elf.soname === glibc);
  if (libc === undefined) return [];
  const habits = [{ calls: unwinding, names: ["libgcc_s.so.1"] }];
  // Since 2.34 it has these services in itself. https://sourceware.org/pipermail/libc-alpha/2021-August/129718.html
  if (!libc.elf.versions.includes("GLIBC_2.34"))
    habits.push({ calls: asking, names: ["libnss_files.so.2", "libnss_dns.so.2"] });
  const callers = objects.filter((object) => object !== libc && object.via !== "interpreter");
  const opens: Open[] = [];
  for (const { calls, names } of habits) {
    for (const { path: caller } of callers) {
      if ((await mentioned(files, caller, calls)).length === 0) continue;
      opens.push(...names.map((name) => ({ names: [name], from: glibc, optional: true })));
      break;
    }
  }
  return opens;
}

/**
 * A text that names a library, perhaps in parts that the program fills in, and nothing else: no mere ending of names.
 * Or the beginning of one that goes on with another text: Rust and others write no zero behind their texts.
 */
const libraryNames =
  /(?<=\0)(?!\.\w)[\w+./${}%-]+\.so(?:\.[0-9]+)*(?=\0)|(?<=[^\w+./${}% "'(:,-])lib[A-Za-z][\w+-]*\.so(?:\.[0-9]+)*(?=[^_.+%/-])/g;

/** What files of `own` that call dlopen name: opened where it is at hand, which is without asking anybody; else told. */
async function openedByName(
  files: LibraryFiles,
  own: LibraryFiles,
  ground: Ground,
  { objects }: Resolution,
): Promise<{ readonly opens: readonly Open[]; readonly diagnostics: readonly Diagnostic[] }> {
  const opens: Open[] = [];
  const diagnostics: Diagnostic[] = [];
  const loaded = namesOf(objects);
  for (const { path: from, elf } of objects) {
    // What glibc opens is known.
    if (
      elf.soname === glibc ||
      (await own.at(from)) === undefined ||
      (await mentioned(files, from, ["dlopen"])).length === 0
    )
      continue;
    const found = await findFile(files, from);
    const texts = (await found?.withReader((reader) => findTexts(reader, libraryNames))) ?? [];
    const noted = new Set(elf.dlopen.flatMap(({ sonames }) => sonames));
    const asked = texts
      .filter((name) => !loaded.has(name))
      .map((name) => ({ names: [name], from, optional: true, isNoted: noted.has(name) }));
    if (asked.length === 0) continue;
    const about = { files, program: objects[0]?.path ?? from, configured: ground.configured };
    const there = namesOf((await resolveLibraries({ ...about, opens: asked })).objects);
    const isThere = ({ names: [name = ""] }: Open) => there.has(path.posix.basename(name));
    opens.push(...asked.filter(isThere));
    diagnostics.push(
      ...notAtHand(
        from,
        // What it notes itself is told with what it is for.
        asked.filter((one) => !isThere(one) && !one.isNoted).flatMap(({ names }) => names),
      ),
    );
  }
  return { opens, diagnostics };
}

function notAtHand(file: string, names: readonly string[]): Diagnostic[] {
  if (names.length === 0) return [];
  const more = names.length > 8 ? ` and ${names.length - 8} more` : "";
  return [
    {
      code: "opened-library",
      severity: "warning",
      message: `can open ${names.slice(0, 8).join(", ")}${more} by name while it runs, which the image does not have`,
      file,
      hint: "if it does, add the Debian package with --package, or ship the library beside the program, with an rpath of $ORIGIN",
    },
  ];
}

function namesOf(objects: readonly LoadedObject[]): ReadonlySet<string> {
  return new Set(
    objects.flatMap(({ elf, path: place, links }) => [
      elf.soname ?? "",
      ...[place, ...links.map((link) => link.path)].map((one) => path.posix.basename(one)),
    ]),
  );
}

async function mentioned(files: LibraryFiles, place: string, symbols: readonly string[]): Promise<string[]> {
  const found = await findFile(files, place);
  return (await found?.withReader((reader) => mentionedSymbols(reader, place, symbols))) ?? [];
}

/** What objects say of themselves that they can make use of, and which is not in the image. */
function optionalLibraries(
  ground: Ground,
  { optional, objects }: Resolution,
  placed: (path: string) => string,
): Diagnostic[] {
  const loaded = namesOf(objects);
  const folders = new Set(objects.map(({ path: place }) => path.posix.dirname(place)));
  const isThere = (soname: string) =>
    loaded.has(soname) || [...folders].some((folder) => ground.has?.(path.posix.join(folder, soname)) === true);
  return optional
    .filter(({ note }) => !note.sonames.some(isThere))
    .map(({ from, note }) => ({
      code: "optional-library",
      severity: "info",
      message: `${placed(from)} can make use of ${note.sonames.join(" or ")}${note.feature === undefined ? "" : ` for ${note.feature}`} (${note.priority}), which is not in the image`,
      hint: "add the package that has it with --package, if it is wanted",
    }));
}

/** glibc reads other encodings than UTF-8 and ASCII with modules that are files of their own. */
async function encodings(
  ground: Ground,
  files: LibraryFiles,
  own: LibraryFiles,
  { objects }: Resolution,
  placed: (path: string) => string,
): Promise<Diagnostic[]> {
  const libc = objects.find(({ elf }) => elf.soname === glibc);
  if (libc === undefined) return [];
  const modules = path.posix.join(path.posix.dirname(libc.path), "gconv");
  if ([modules, `${modules}/gconv-modules`].some((place) => ground.has?.(place))) return [];
  // Of libraries of the ground nothing is said: libstdc++ alone can convert, and hardly any program has it do so.
  for (const { path: caller, via } of objects) {
    if (via !== "program" && (await own.at(caller)) === undefined) continue;
    if ((await mentioned(files, caller, ["iconv_open"])).length === 0) continue;
    return [
      {
        code: "encodings",
        severity: "info",
        message: `${placed(caller)} converts text; encodings other than UTF-8 and ASCII are not in the image`,
        hint: "--package libc6 adds them",
      },
    ];
  }
  return [];
}

/**
 * What makes the loader of the image look where libraries were found by configuration: musl's path
 * file; for glibc, whose cache an image does not have, a link beside its own libraries.
 */
async function takeConfiguration(ground: Ground, files: LibraryFiles, { objects }: Resolution): Promise<void> {
  const configured = objects.filter(({ via }) => via === "configuration");
  if (configured.length === 0) return;
  const interpreter = objects[0]?.elf.interpreter;
  if (interpreter !== undefined && isMuslLoader(interpreter)) {
    const found = await findFile(files, muslPathFile(interpreter));
    for (const place of [...(found?.links.map((link) => link.path) ?? []), ...(found ? [found.path] : [])]) {
      await ground.take(place, { kind: "interpreter", from: interpreter, what: "library folders" });
    }
    return;
  }
  const beside = objects.find(({ elf }) => elf.soname === glibc)?.path;
  if (beside === undefined) return;
  for (const { path: target, elf, reasons } of configured) {
    const name = elf.soname ?? path.posix.basename(target);
    const link = { path: path.posix.join(path.posix.dirname(beside), name), target };
    ground.link?.(link, reasons[0] ?? { kind: "link", from: target });
  }
}
