import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { ioError, systemCode } from "../../base/error.ts";
import { compareStrings } from "../../base/files.ts";
import type { LibraryFile, LibraryFiles } from "./files.ts";
import { withFile } from "./reader.ts";

/**
 * The files under a folder as an image would have them: `/` itself, or a sysroot, whose links stay
 * inside. What was looked at once is remembered.
 * @throws SlimError `IO`, from the view, where the file system refuses
 */
export function hostRoot(root: string): LibraryFiles {
  const seen = new Map<string, Promise<LibraryFile | undefined>>();
  return {
    at(name) {
      const known = seen.get(name) ?? fileAt(path.join(root, name));
      seen.set(name, known);
      return known;
    },
  };
}

async function fileAt(file: string): Promise<LibraryFile | undefined> {
  try {
    const stats = await lstat(file);
    if (stats.isSymbolicLink()) return { type: "link", target: await readlink(file) };
    return stats.isFile() ? { type: "file", withReader: (use) => withFile(file, use) } : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw ioError(error, file, "look at");
  }
}

/** Files may include each other; a loop of them ends here. */
const MAX_FILES = 256;

/** The files of a system, as far as its loader's configuration goes. */
export interface ConfigurationFiles {
  /** Empty where there is no such file. */
  text(file: string): Promise<string>;
  /** Names in a folder, sorted; none where there is no such folder. */
  names(folder: string): Promise<readonly string[]>;
}

/** Those of the folders under `root`. @throws SlimError `IO` */
export function loaderFolders(root: string): Promise<string[]> {
  return configuredFolders({
    text: (file) => textOf(path.join(root, file)),
    names: (folder) => namesIn(path.join(root, folder)),
  });
}

/**
 * The folders of `/etc/ld.so.conf` and of the files that it includes, in order, each once; none where
 * there is no such file. https://man7.org/linux/man-pages/man8/ldconfig.8.html
 */
export async function configuredFolders(files: ConfigurationFiles): Promise<string[]> {
  const folders = new Set<string>();
  let left = MAX_FILES;
  const readConfiguration = async (file: string): Promise<void> => {
    left -= 1;
    if (left < 0) return;
    for (const line of (await files.text(file)).split("\n")) {
      const text = line.replace(/#.*/, "").trim();
      const patterns = /^include\s+(.*)$/.exec(text)?.[1]?.split(/\s+/) ?? [];
      for (const pattern of patterns) {
        for (const name of await matching(files, path.posix.resolve(path.posix.dirname(file), pattern))) {
          await readConfiguration(name);
        }
      }
      // An old form appends the library type: `/usr/lib=libc6`.
      if (text.startsWith("/")) folders.add(path.posix.resolve(text.replace(/=.*/, "")));
    }
  };
  await readConfiguration("/etc/ld.so.conf");
  return [...folders];
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isAbsent(error)) return "";
    throw ioError(error, file, "read");
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort(compareStrings);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw ioError(error, folder, "read");
  }
}

/** Paths that match a pattern with `*` and `?` in its last part, sorted. */
async function matching(files: ConfigurationFiles, pattern: string): Promise<string[]> {
  const { dir, base } = path.posix.parse(pattern);
  const source = base
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const names = (await files.names(dir)).filter((name) => new RegExp(`^${source}$`).test(name));
  return names.map((name) => path.posix.join(dir, name));
}

function isAbsent(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG";
}
