import path from "node:path";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import type { Platform } from "../../image/platform.ts";
import type { Entry } from "../../layer/entry.ts";
import { composeClosure } from "../compose.ts";
import type { Closure, ClosureEntry, ClosurePart, Reason } from "../types.ts";
import type { ImageGround } from "./image-ground.ts";

/**
 * A closure on a base: everything lies where the base's links lead, and what the base has is not there
 * again. The closure's own takes the place of another file of the base.
 * @throws SlimError `CLOSURE` where one has a folder and the other has not
 */
export function composeOnBase(platform: Platform, ground: ImageGround, parts: readonly ClosurePart[]): Closure {
  const { files, where, digest } = ground.base;
  const all = [...parts, ground.part()].map((part) => {
    return { ...part, entries: part.entries.map((entry) => placeOnBase(ground, entry)) };
  });
  const { entries, ...closure } = composeClosure(platform, all);
  const own = new Map<string, ClosureEntry>();
  const used = new Map(ground.used);
  for (const [place, entry] of entries) {
    if (!isInBase(ground, entry.entry)) own.set(place, entry);
    else if (entry.entry.type !== "directory") used.set(place, [...(used.get(place) ?? []), ...entry.reasons]);
  }
  const replaced = [...own.keys()].filter((place) => files.at(place) !== undefined);
  const diagnostics = [...closure.diagnostics, ...replacements(replaced)];
  return { ...closure, diagnostics, entries: own, base: { name: where, digest, ...files.totals, used } };
}

function replacements([first, ...others]: readonly string[]): readonly Diagnostic[] {
  if (first === undefined) return [];
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  const message = `${first}${more} of the base ${others.length === 0 ? "is" : "are"} replaced by other files`;
  return [{ code: "base-replaced", severity: "info", message }];
}

/** What is put below a link lies where that leads. */
export function placeOnBase(
  { base: { files } }: ImageGround,
  { entry, reasons, ...about }: ClosureEntry,
): ClosureEntry {
  const place = files.placeOf(entry.path);
  const from = (reason: Reason) =>
    reason.from === undefined ? reason : { ...reason, from: files.placeOf(reason.from) };
  return { ...about, entry: place === entry.path ? entry : moved(entry, place), reasons: reasons.map(from) };
}

function moved(entry: Entry, place: string): Entry {
  if (entry.type !== "symlink") return { ...entry, path: place };
  return { ...entry, path: place, target: path.posix.resolve(path.posix.dirname(entry.path), entry.target) };
}

/** Whether a base has the very same already. @throws SlimError `CLOSURE` where one has a folder and the other has not */
export function isInBase({ base: { files } }: ImageGround, entry: Entry): boolean {
  const place = files.placeOf(entry.path);
  const there = files.at(place);
  if (there === undefined) return false;
  const isFolder = files.find(place)?.type === "folder";
  if (entry.type === "directory" && isFolder) return true;
  if (entry.type === "directory" || there.type === "folder") {
    throw new SlimError("CLOSURE", `is a ${isFolder ? "folder" : "file"} in the base and something else here`, {
      where: entry.path,
      hint: "take another base, or exclude it",
    });
  }
  if (entry.type === "symlink") return there.type === "link" && there.target === entry.target;
  return there.type === "file" && there.digest === entry.content.digest && there.mode === entry.mode;
}
