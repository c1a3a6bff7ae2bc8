import { libraryTriplet } from "./architecture.ts";
import type { DebianPackage } from "./package.ts";

/** Libraries that glibc itself brings; its one package is not named after any of them. */
const glibc =
  /^(?:ld(?:64)?(?:-linux.*)?\.so\.[0-9]+|lib(?:c|m|dl|pthread|rt|resolv|util|anl|nsl|mvec|BrokenLocale|thread_db|nss_(?:compat|dns|files|hesiod))\.so\.[0-9]+)$/;

/** Whether glibc itself brings a library: all of these are of one version, that of the loader. */
export function isGlibc(soname: string): boolean {
  return glibc.test(soname);
}

/**
 * What Debian names the package of a library, best guess first: after the soname, with a hyphen where
 * name and version would run together, and perhaps with the mark of the 64-bit `time_t` transition.
 * https://www.debian.org/doc/debian-policy/ch-sharedlibs.html#run-time-shared-libraries
 */
export function libraryPackageNames(soname: string): string[] {
  if (isGlibc(soname)) return ["libc6"];
  if (/^ld-musl-.+\.so\.1$/.test(soname)) return ["musl"];
  const parts = /^(.+?)(?:\.so\.(.+)|-([0-9][^-]*)\.so)$/.exec(soname);
  if (parts?.[1] === undefined) return [];
  const name = parts[1].toLowerCase().replaceAll("_", "-");
  const version = (parts[2] ?? parts[3] ?? "").toLowerCase();
  const whole = /[0-9]$/.test(name) || parts[3] !== undefined ? `${name}-${version}` : `${name}${version}`;
  return [whole, `${whole}t64`].filter((candidate) => /^[a-z0-9][a-z0-9+.-]+$/.test(candidate));
}

/**
 * A path, without leading slash, of a library in a folder where the loader looks by itself, as the
 * source of a regular expression with one group: the name of the library.
 */
export function standardLibrary(architecture: string): string {
  return `(?:usr/)?lib/(?:${libraryTriplet(architecture)}/)?([^/\\s]+\\.so(?:\\.[^/\\s]*)?)`;
}

/** Whether a path is that of a library in a folder where the loader looks by itself. */
export function isLibraryPath(place: string, architecture: string): boolean {
  return new RegExp(`^/${standardLibrary(architecture)}$`).test(place);
}

export function hasLibrary(found: DebianPackage, architecture: string, soname: string): boolean {
  const standard = new RegExp(`^/${standardLibrary(architecture)}$`);
  return found.files.some(({ path, type }) => type !== "directory" && standard.exec(path)?.[1] === soname);
}
