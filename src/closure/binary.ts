import { createReadStream } from "node:fs";
import path from "node:path";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import { CHUNK, hashFile } from "../base/files.ts";
import type { Cache } from "../layer/cache.ts";
import type { Content } from "../layer/entry.ts";
import { isGlibc } from "../sources/debian/library.ts";
import type { LibraryFiles } from "./elf/files.ts";
import { hostRoot } from "./elf/host.ts";
import { parseElf } from "./elf/parse.ts";
import { withFile } from "./elf/reader.ts";
import type { LoadedObject } from "./elf/resolve.ts";
import { trimFile } from "./elf/trim.ts";
import { additions } from "./included.ts";
import type { Ground } from "./system/ground.ts";
import { placedReason, refuseProblems, takeLibraries } from "./system/libraries.ts";
import type { ClosureEntry, ClosurePart, Component } from "./types.ts";

export interface Binary {
  /** Absolute, without links. */
  readonly file: string;
  /** Cut off what no loader reads: symbols and debug information. */
  readonly trim: boolean;
  /** Where paths of the next two begin. */
  readonly folder: string;
  /** Globs of files to add. */
  readonly include: readonly string[];
  /** Globs of files to leave out of these. */
  readonly exclude: readonly string[];
}

export interface BinaryClosure extends ClosurePart {
  /** Path in the image of the program. */
  readonly entrypoint: string;
}

const folder = "/app";
/** What stands before paths of this machine until it is known where they come to lie: no path that a file names. */
const machine = "/\0";

/**
 * A program; the libraries that lie beside it by its `$ORIGIN`, all of them under `/app` as they lie to
 * each other; those in folders that it names, at their places; and from the ground what these need.
 * @throws SlimError `CLOSURE` when a library is missing, `ELF`, `IO`
 */
export async function binaryClosure(ground: Ground, cache: Cache, binary: Binary): Promise<BinaryClosure> {
  const { file, trim } = binary;
  const program = machine + file;
  const { interpreter } = await withFile(file, (reader) => parseElf(reader, file));
  let placed = (place: string) => place;
  const needs = await takeLibraries(ground, {
    own: machineFiles(ground.files, file, interpreter),
    program,
    byName: true,
    placing: (own) => {
      placed = underFolder(own);
      return placed;
    },
  }).catch(calledAsHere);
  await refuseProblems(ground, needs, file);
  const name = path.basename(file);
  const component: Component = { purl: `pkg:generic/${encodeURIComponent(name)}`, name };
  const common = { uid: 0, gid: 0 };
  const about = { layer: "app", purl: component.purl } as const;
  const entries = new Map<string, ClosureEntry>();
  const sources = new Map<string, string>();
  const diagnostics: Diagnostic[] = [...needs.diagnostics];
  for (const object of needs.own) {
    const place = placed(object.path);
    const isProgram = object.path === program;
    const reasons = isProgram
      ? [{ kind: "entry", file: name } as const]
      : object.reasons.map((reason) => placedReason(reason, placed));
    const source = sourceOf(object.path);
    sources.set(place, source);
    const { content, appendedBytes } = trim ? await trimmedContent(cache, source) : await fileContent(source);
    const mode = isProgram || object.via === "interpreter" ? 0o755 : 0o644;
    entries.set(place, { entry: { ...common, type: "file", path: place, mode, content }, ...about, reasons });
    for (const link of object.links) {
      const entry = { ...common, type: "symlink", path: placed(link.path), target: placed(link.target) } as const;
      entries.set(entry.path, { entry, ...about, reasons });
    }
    if (!isProgram) diagnostics.push(place === source ? inNamedFolder(place) : besideProgram(place, source));
    if (appendedBytes > 0) diagnostics.push(notTrimmed(place, appendedBytes));
  }
  const added = await additions(binary.folder, folder, binary);
  for (const { entry, source, reasons } of added.files) {
    if (!entries.has(entry.path)) entries.set(entry.path, { entry, ...about, reasons });
    else if (source !== sources.get(entry.path)) {
      throw new SlimError("CONFIG", `${entry.path} is the place of the program or of a library of it`, {
        where: `--include ${source}`,
        hint: "give one of the two another name",
      });
    }
  }
  diagnostics.push(...added.diagnostics);
  return { entrypoint: placed(program), entries: [...entries.values()], components: [component], diagnostics };
}

/** Where the packages of a system put their files. What lies elsewhere is somebody's own. */
const ofSystem = /^\/(?:usr(?!\/local\/.)|lib[^/]*|s?bin)(?:\/|$)/;

/**
 * The files of this machine, below a root of their own so that what a program reaches by `$ORIGIN` is told
 * from the ground; and at their own places what is neither the system's nor there in the ground, for a
 * program may name its folders. glibc is never among them, since it is one with its loader, which is the
 * ground's: but for a program that names a loader of its own.
 */
function machineFiles(ground: LibraryFiles, program: string, interpreter = "/lib"): LibraryFiles {
  const root = hostRoot("/");
  const hasGlibc = !ofSystem.test(interpreter);
  return {
    at: async (place) => {
      const isBeside = place.startsWith(machine);
      if (!isBeside && (ofSystem.test(place) || (await ground.at(place)) !== undefined)) return undefined;
      const file = sourceOf(place);
      const found = hasGlibc || file === program || !isGlibc(path.basename(file)) ? await root.at(file) : undefined;
      if (!isBeside) return found;
      if (found?.type === "link" && found.target.startsWith("/"))
        return { type: "link", target: machine + found.target };
      // The ground has nothing there.
      return found ?? { type: "folder" };
    },
  };
}

/** What is wrong with a file of this machine is told with its path here. */
function calledAsHere(error: unknown): never {
  if (!(error instanceof SlimError) || !error.where?.startsWith(machine)) throw error;
  const { code, message, hint, cause } = error;
  throw new SlimError(code, message, { where: sourceOf(error.where), hint, cause });
}

function sourceOf(place: string): string {
  return place.startsWith(machine) ? place.slice(machine.length) : place;
}

/** Moves the smallest folder that holds all that lies beside the program to `/app`. */
function underFolder(objects: readonly LoadedObject[]): (place: string) => string {
  const places = objects
    .flatMap((object) => [object.path, ...object.links.map((link) => link.path)])
    .filter((place) => place.startsWith(machine));
  const [first = [], ...others] = places.map((place) => path.dirname(place).split("/"));
  const length = others.reduce((common, parts) => {
    const differs = parts.findIndex((part, index) => part !== first[index]);
    return Math.min(common, differs === -1 ? parts.length : differs);
  }, first.length);
  const root = first.slice(0, length).join("/");
  // What a message names and is not in the image is called as it is on this machine.
  return (place) => (place.startsWith(`${root}/`) ? folder + place.slice(root.length) : sourceOf(place));
}

interface OwnContent {
  readonly content: Content;
  /** Not 0 where the file could not be trimmed. */
  readonly appendedBytes: number;
}

async function fileContent(file: string): Promise<OwnContent> {
  const open = () => createReadStream(file, { highWaterMark: CHUNK });
  return { content: { ...(await hashFile(file)), open, place: { file, offset: 0 } }, appendedBytes: 0 };
}

async function trimmedContent(cache: Cache, file: string): Promise<OwnContent> {
  const { bytes, appendedBytes } = await trimFile(file);
  return { content: await cache.add(bytes), appendedBytes };
}

function besideProgram(place: string, source: string): Diagnostic {
  return { code: "own-library", severity: "info", message: `is taken from ${source}, beside the program`, file: place };
}

function inNamedFolder(place: string): Diagnostic {
  return {
    code: "own-library",
    severity: "info",
    message: "is taken from this machine, where the program looks for it",
    file: place,
    hint: "with a soname and an rpath of $ORIGIN/... it could lie anywhere",
  };
}

function notTrimmed(place: string, appendedBytes: number): Diagnostic {
  return {
    code: "not-trimmed",
    severity: "warning",
    message: `is not trimmed: ${appendedBytes} bytes were put behind it for the program to read`,
    file: place,
    hint: "leave --trim out",
  };
}
