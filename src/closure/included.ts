import { createReadStream } from "node:fs";
import path from "node:path";
import type { Diagnostic } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";
import { CHUNK, hashFile } from "../base/files.ts";
import { globExpression } from "../base/glob.ts";
import type { Entry } from "../layer/entry.ts";
import { isCredential } from "./credentials.ts";
import { Disk, isWithin } from "./disk.ts";
import type { Reason } from "./types.ts";

/** What one `--include` means. */
export interface Included {
  /** Absolute, sorted. */
  readonly files: readonly string[];
  /** The pattern is the very path of the one file. */
  readonly isNamed: boolean;
}

/** The files of a folder that a pattern means: a file, all of a folder below, or what fits a glob. */
export function included(disk: Disk, folder: string, pattern: string): Included {
  const exact = path.join(folder, pattern);
  if (disk.isFile(exact)) return { files: [exact], isNamed: true };
  if (disk.isFolder(exact)) return { files: [...disk.below(exact)], isNamed: false };
  const expression = globExpression(pattern, true);
  const fits = (file: string) => expression.test(path.relative(folder, file).split(path.sep).join("/"));
  return { files: [...disk.below(folder)].filter(fits), isNamed: false };
}

export function includeNothing(pattern: string): Diagnostic {
  return { code: "include-nothing", severity: "warning", message: `--include ${pattern} fits no file` };
}

/** Files that are added to a program. */
export interface Additions {
  readonly files: readonly { readonly entry: Entry; readonly source: string; readonly reasons: readonly Reason[] }[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * The files of the project's folder that the user adds to a program, below `to` as they lie in the folder. What looks
 * like a secret or is a link out of the folder stays out, unless it is named.
 * @throws SlimError `CONFIG` for a pattern that leads out of the folder
 */
export async function additions(
  folder: string,
  to: string,
  { include, exclude }: { readonly include: readonly string[]; readonly exclude: readonly string[] },
): Promise<Additions> {
  const disk = new Disk();
  const root = disk.realpath(folder);
  const files = new Map<string, Additions["files"][number]>();
  const diagnostics: Diagnostic[] = [];
  const isExcluded = (name: string) => exclude.some((pattern) => globExpression(pattern, true).test(name));
  for (const pattern of include) {
    const found = included(disk, root, pattern);
    if (found.files.length === 0) diagnostics.push(includeNothing(pattern));
    for (const file of found.files) {
      const name = path.relative(root, file).split(path.sep).join("/");
      const source = disk.realpath(file);
      if (isExcluded(name) || files.has(name)) continue;
      if (!isWithin(file, root)) {
        throw new SlimError("CONFIG", "leads out of the project", {
          where: `--include ${pattern}`,
          hint: "build from the folder that holds both, or copy the file into the project",
        });
      }
      const left = found.isNamed ? undefined : leftOut(disk, root, source, name);
      if (left !== undefined) {
        diagnostics.push({ ...left, severity: "warning", hint: `add it on purpose with --include ${name}` });
        continue;
      }
      const open = () => createReadStream(source, { highWaterMark: CHUNK });
      const content = { ...(await hashFile(source)), open, place: { file: source, offset: 0 } };
      const mode = disk.isExecutable(source) ? 0o755 : 0o644;
      const entry: Entry = { type: "file", path: path.posix.join(to, name), mode, uid: 0, gid: 0, content };
      files.set(name, { entry, source, reasons: [{ kind: "include", what: pattern }] });
    }
  }
  return { files: [...files.values()], diagnostics };
}

/** Why a file that was not named stays out. */
function leftOut(disk: Disk, root: string, file: string, name: string) {
  if (!isWithin(file, root))
    return { code: "outside-project", message: `${name} is a link out of the project and is left out` };
  if (!isCredential(file, () => disk.read(file))) return undefined;
  return { code: "credential-left-out", message: `${name} looks like a secret and is left out` };
}
