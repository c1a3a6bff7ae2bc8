import { SlimError } from "../../base/error.ts";

/**
 * A path of an archive, relative and normalised; empty for the root itself.
 * @throws SlimError `ARCHIVE_UNSAFE` when it is absolute or has `..`
 */
export function cleanPath(name: string, where: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/") || name === "" || name.includes("\0") || parts.includes("..")) {
    throw new SlimError("ARCHIVE_UNSAFE", `path ${JSON.stringify(name)} leaves its root`, { where });
  }
  return parts.join("/");
}

/**
 * Where Debian's merged `/usr` has a path: `/lib/x` is `/usr/lib/x`. The links that make it so, such as
 * `/lib` itself, stay where they are. https://wiki.debian.org/UsrMerge
 */
export function mergedPath(path: string, isDirectory: boolean): string {
  const moved = /^\/(?:bin|sbin|lib|lib32|lib64|libo32|libx32)(\/|$)/.exec(path);
  return moved !== null && (moved[1] === "/" || isDirectory) ? `/usr${path}` : path;
}

/** Whether a symbolic link never climbs above the root on its way. */
export function linkStaysInside(path: string, target: string): boolean {
  let depth = target.startsWith("/") ? 0 : path.split("/").length - 2;
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    depth += part === ".." ? -1 : 1;
    if (depth < 0) return false;
  }
  return !target.includes("\0");
}
