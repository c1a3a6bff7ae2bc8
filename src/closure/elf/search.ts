import path from "node:path/posix";
import type { Elf } from "./parse.ts";

/** How an object was found; what comes from the `configuration` needs it in the image too. */
export type Via = "program" | "interpreter" | "path" | "rpath" | "runpath" | "configuration" | "default";

/** Where a loader looks, apart from what objects say themselves. */
export interface SearchRules {
  readonly libc: "glibc" | "musl";
  /** Folders of `/etc/ld.so.conf` and of what it includes, or of `/etc/ld-musl-ARCH.path`. */
  readonly configured: readonly string[];
  readonly defaults: readonly string[];
  /** What `$LIB` and `$PLATFORM` stand for; musl knows neither. */
  readonly lib: string;
  readonly platform: string;
  /** Names under `glibc-hwcaps/` to look into first, the best first. */
  readonly hwcaps: readonly string[];
}

/** An object as far as the search for what it needs goes. */
export interface Requester {
  readonly elf: Pick<Elf, "rpath" | "runpath" | "noDefaultFolders">;
  /** `$ORIGIN`: the folder it was opened in, links in the path not followed. */
  readonly origin: string;
  /** Who had it loaded first; none for the program. */
  readonly loader: Requester | undefined;
}

export interface Candidate {
  readonly path: string;
  readonly via: Via;
}

/** Paths to try for a name that holds no slash, in the order of the loader. */
export function* candidates(rules: SearchRules, name: string, requester: Requester): Generator<Candidate> {
  for (const { folder, via } of searchFolders(rules, requester)) {
    for (const hwcap of rules.hwcaps) yield { path: path.join(folder, "glibc-hwcaps", hwcap, name), via };
    yield { path: path.join(folder, name), via };
  }
}

/** The path that a name with a slash means, or undefined where that depends on the working directory. */
export function namedPath(rules: SearchRules, name: string, requester: Requester): string | undefined {
  const expanded = rules.libc === "glibc" ? expandTokens(rules, name, requester.origin) : name;
  return expanded.startsWith("/") ? path.normalize(expanded) : undefined;
}

function searchFolders(rules: SearchRules, requester: Requester): Iterable<{ folder: string; via: Via }> {
  return rules.libc === "musl" ? muslFolders(rules, requester) : glibcFolders(rules, requester);
}

/**
 * https://man7.org/linux/man-pages/man8/ld.so.8.html without what the environment adds. RPATH is that
 * of the object and of all that led to it, RUNPATH only the object's own; RUNPATH anywhere hides the
 * RPATH of the same object, and that of every other for what this object needs.
 */
function* glibcFolders(rules: SearchRules, requester: Requester): Generator<{ folder: string; via: Via }> {
  const { runpath, noDefaultFolders } = requester.elf;
  if (runpath === undefined) {
    for (const { elf, origin } of upwards(requester)) {
      if (elf.rpath === undefined || elf.runpath !== undefined) continue;
      for (const folder of folders(expandTokens(rules, elf.rpath, origin))) yield { folder, via: "rpath" };
    }
  } else {
    for (const folder of folders(expandTokens(rules, runpath, requester.origin))) yield { folder, via: "runpath" };
  }
  for (const folder of rules.configured) {
    if (!(noDefaultFolders && rules.defaults.includes(folder))) yield { folder, via: "configuration" };
  }
  if (noDefaultFolders) return;
  for (const folder of rules.defaults) yield { folder, via: "default" };
}

/** musl makes no difference between the two, and takes those of all that led to the object. */
function* muslFolders(rules: SearchRules, requester: Requester): Generator<{ folder: string; via: Via }> {
  for (const { elf, origin } of upwards(requester)) {
    const via = elf.runpath === undefined ? "rpath" : "runpath";
    const written = elf.runpath ?? elf.rpath ?? "";
    const expanded = written.replace(/\$(ORIGIN|\{ORIGIN\})/g, () => origin);
    // With any other token musl leaves the whole list aside.
    if (/\$(?!ORIGIN|\{ORIGIN\})/.test(written)) continue;
    for (const folder of folders(expanded)) yield { folder, via };
  }
  for (const folder of rules.configured) yield { folder, via: "configuration" };
  for (const folder of rules.defaults) yield { folder, via: "default" };
}

function* upwards(requester: Requester): Generator<Requester> {
  for (let one: Requester | undefined = requester; one !== undefined; one = one.loader) yield one;
}

/** A list as written in RPATH; relative and empty parts mean the working directory, which nobody knows. */
export function folders(list: string): string[] {
  return list
    .split(/[:\n]/)
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => path.normalize(folder));
}

/** Names that are longer than a token are no tokens: `$LIBRARY`. */
function expandTokens(rules: SearchRules, text: string, origin: string): string {
  const values: Readonly<Record<string, string>> = { ORIGIN: origin, LIB: rules.lib, PLATFORM: rules.platform };
  return text.replace(
    /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))/g,
    (whole, braced?: string, bare?: string) => values[braced ?? bare ?? ""] ?? whole,
  );
}

/** Names that musl's loader answers to by itself: they are all in it. */
export function isMuslItself(name: string): boolean {
  return /^lib(c|pthread|rt|m|dl|util|xnet)\./.test(name);
}

/** Names of an architecture: Debian's folder, whether others have `lib64`, the kernel's `AT_PLATFORM`. */
interface Machine {
  readonly triplet: string;
  readonly lib: "lib" | "lib64";
  /** On some machines the kernel says more; what it says at least. */
  readonly platform: string;
}

const machines: Readonly<Record<string, Machine>> = {
  amd64: { triplet: "x86_64-linux-gnu", lib: "lib64", platform: "x86_64" },
  arm64: { triplet: "aarch64-linux-gnu", lib: "lib64", platform: "aarch64" },
  "arm/v7": { triplet: "arm-linux-gnueabihf", lib: "lib", platform: "v7l" },
  "arm/v5": { triplet: "arm-linux-gnueabi", lib: "lib", platform: "v5l" },
  "386": { triplet: "i386-linux-gnu", lib: "lib", platform: "i686" },
  ppc64le: { triplet: "powerpc64le-linux-gnu", lib: "lib64", platform: "power8" },
  s390x: { triplet: "s390x-linux-gnu", lib: "lib64", platform: "z900" },
  riscv64: { triplet: "riscv64-linux-gnu", lib: "lib64", platform: "riscv64" },
  loong64: { triplet: "loongarch64-linux-gnu", lib: "lib64", platform: "loongarch" },
};

/**
 * The rules of glibc. Debian's and its children's are told by where their loader lies, under the
 * folder of its architecture; others have `/lib64` or `/lib`.
 * @param loader real path of the interpreter, if there is one
 */
export function glibcRules(
  { platform, bits }: Elf,
  loader: string | undefined,
  configured: readonly string[],
  hwcaps: readonly string[],
): SearchRules {
  const key = platform?.variant === undefined ? platform?.architecture : `${platform.architecture}/${platform.variant}`;
  const machine = key === undefined ? undefined : machines[key];
  const triplet = machine?.triplet ?? "";
  const lib = machine?.lib ?? (bits === 64 ? "lib64" : "lib");
  const debian = machine !== undefined && (loader === undefined || loader.includes(`/${triplet}/`));
  const own = debian ? `lib/${triplet}` : lib;
  const defaults = [`/${own}`, `/usr/${own}`, ...(debian ? ["/lib", "/usr/lib"] : [])];
  return { libc: "glibc", configured, defaults, lib: own, platform: machine?.platform ?? "", hwcaps };
}

/** The rules of musl. @param configured the folders of its path file, which replaces the defaults */
export function muslRules(configured: readonly string[] | undefined): SearchRules {
  const defaults = configured === undefined ? ["/lib", "/usr/local/lib", "/usr/lib"] : [];
  return { libc: "musl", configured: configured ?? [], defaults, lib: "", platform: "", hwcaps: [] };
}

const muslLoader = /^(.*?)\/?[^/]*\/(ld-musl-[^/]+)\.so\.1$/;

export function isMuslLoader(interpreter: string | undefined): boolean {
  return interpreter !== undefined && muslLoader.test(interpreter);
}

/** `/etc/ld-musl-x86_64.path` for `/lib/ld-musl-x86_64.so.1`: beside the folder that the loader is in. */
export function muslPathFile(interpreter: string): string {
  const [, prefix = "", name = ""] = muslLoader.exec(interpreter) ?? [];
  return `${prefix}/etc/${name}.path`;
}
