import path from "node:path";
import { SlimError } from "../base/error.ts";
import { compareStrings } from "../base/files.ts";
import type { Platform } from "../image/platform.ts";
import type { Entry } from "../layer/entry.ts";
import { type Closure, type ClosureEntry, type ClosurePart, type Component, layerNames, type Reason } from "./types.ts";

/**
 * Puts the parts of a closure together: one entry for each path, with all its reasons, and the folders
 * above each. A folder nobody described belongs to root, mode 0755, and lies in the lowest layer that
 * needs it.
 * @throws SlimError `CLOSURE` when two parts want different things at one path
 */
export function composeClosure(platform: Platform, parts: readonly ClosurePart[]): Closure {
  const entries = new Map<string, ClosureEntry>();
  for (const part of parts) {
    for (const entry of part.entries) {
      const before = entries.get(entry.entry.path);
      entries.set(entry.entry.path, before === undefined ? entry : merge(before, entry));
    }
  }
  for (const entry of [...entries.values()]) addFolders(entries, entry);
  const components = new Map<string, Component>();
  for (const component of parts.flatMap((part) => part.components)) components.set(component.purl, component);
  return {
    platform,
    entries: new Map([...entries].sort(([a], [b]) => compareStrings(a, b))),
    components: new Map([...components].sort(([a], [b]) => compareStrings(a, b))),
    diagnostics: parts.flatMap((part) => part.diagnostics),
  };
}

function merge(a: ClosureEntry, b: ClosureEntry): ClosureEntry {
  if (!sameEntry(a.entry, b.entry)) {
    throw new SlimError("CLOSURE", `${a.purl} and ${b.purl} want different files at one path`, {
      where: a.entry.path,
      hint: "exclude one of them",
    });
  }
  const lower = layerNames.indexOf(b.layer) < layerNames.indexOf(a.layer) ? b : a;
  return b.reasons.reduce(withReason, { ...lower, reasons: a.reasons });
}

/** The same entry with one reason more, unless it has that already. */
export function withReason(entry: ClosureEntry, reason: Reason): ClosureEntry {
  const same = (one: Reason) =>
    one.kind === reason.kind &&
    one.from === reason.from &&
    one.what === reason.what &&
    one.file === reason.file &&
    one.line === reason.line;
  return entry.reasons.some(same) ? entry : { ...entry, reasons: [...entry.reasons, reason] };
}

function sameEntry(a: Entry, b: Entry): boolean {
  if (a.type === "file" && b.type === "file") return a.content.digest === b.content.digest && a.mode === b.mode;
  if (a.type === "symlink" && b.type === "symlink") return a.target === b.target;
  return a.type === "directory" && b.type === "directory" && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

function addFolders(entries: Map<string, ClosureEntry>, { entry, layer, purl }: ClosureEntry): void {
  for (let folder = path.posix.dirname(entry.path); folder !== "/"; folder = path.posix.dirname(folder)) {
    const before = entries.get(folder);
    if (before !== undefined && before.entry.type !== "directory") {
      throw new SlimError("CLOSURE", `lies below ${folder}, which is not a folder`, { where: entry.path });
    }
    const reasons: readonly Reason[] = [{ kind: "link", from: entry.path }];
    if (before === undefined) {
      const made = { type: "directory", path: folder, mode: 0o755, uid: 0, gid: 0 } as const;
      entries.set(folder, { entry: made, layer, purl, reasons });
    } else if (layerNames.indexOf(layer) < layerNames.indexOf(before.layer)) {
      entries.set(folder, { ...before, layer, purl });
    }
  }
}
