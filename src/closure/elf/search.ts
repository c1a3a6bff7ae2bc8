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

/** The folders that an object itself names. */
export interface OwnFolders {
  /** Empty where RUNPATH hides it. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[] | undefined;
}

/** An object as far as the search for what it needs goes. */
export interface Requester {
  readonly elf: Pick<Elf, "noDefaultFolders">;
  /** `$ORIGIN`: the folder it was opened in, links in the path not followed. */
  readonly origin: string;
  /** Who had it loaded first; none for the program. */
  readonly loader: Requester | undefined;
  own(rules: SearchRules): OwnFolders;
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
  const { runpath } = requester.own(rules);
  if (runpath === undefined) {
    for (const one of upwards(requester)) for (const folder of one.own(rules).rpath) yield { folder, via: "rpath" };
  }
  for (const folder of runpath ?? []) yield { folder, via: "runpath" };
  const { noDefaultFolders } = requester.elf;
  for (const folder of rules.configured) {
    if (!(noDefaultFolders && rules.defaults.includes(folder))) yield { folder, via: "configuration" };
  }
  if (noDefaultFolders) return;
  for (const folder of rules.defaults) yield { folder, via: "default" };
}

/** musl makes no difference between the two, and takes those of all that led to the object. */
function* muslFolders(rules: SearchRules, requester: Requester): Generator<{ folder: string; via: Via }> {
  for (const one of upwards(requester)) {
    const { rpath, runpath } = one.own(rules);
    for (const folder of runpath ?? rpath) yield { folder, via: runpath === undefined ? "rpath" : "runpath" };
  }
  for (const folder of rules.configured) yield { folder, via: "configuration" };
  for (const folder of rules.defaults) yield { folder, via: "default" };
}

function* upwards(requester: Requester): Generator<Requester> {
  for (let one: Requester | undefined = requester; one !== undefined; one = one.loader) yield one;
}

/** What an object's RPATH and RUNPATH come to. */
export function ownFolders(rules: SearchRules, elf: Pick<Elf, "rpath" | "runpath">, origin: string): OwnFolders {
  const expand = (list: string) => {
    // With any token but $ORIGIN musl leaves the whole list aside.
    if (rules.libc === "musl" && /\$(?!ORIGIN|\{ORIGIN\})/.test(list)) return [];
    return folders(list, (folder) => expandTokens(rules, folder, origin));
  };
  if (elf.runpath !== undefined) return { rpath: [], runpath: expand(elf.runpath) };
  return { rpath: expand(elf.rpath ?? ""), runpath: undefined };
}

/** Longer paths than these the kernel refuses. */
const PATH_MAX = 4096;

/**
 * A list as written in RPATH or in musl's path file, each folder once. Relative and empty parts mean
 * the working directory, which nobody knows, and are left out.
 */
export function folders(list: string, expand = (folder: string) => folder): string[] {
  const parts = list.split(/[:\n]/).filter((part) => part.length < PATH_MAX);
  const absolute = parts.map(expand).filter((folder) => folder.startsWith("/") && folder.length < PATH_MAX);
  return [...new Set(absolute.map((folder) => path.normalize(folder)))];
}

function expandTokens(rules: SearchRules, text: string, origin: string): string {
  // musl takes $ORIGIN for a token whatever follows, glibc only a whole word.
  if (rules.libc === "musl") return text.replace(/\$(ORIGIN|\{ORIGIN\})/g, () => origin);
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
  // Beside lib64 only Debian's looks into lib, but elsewhere that holds nothing, or all there is.
  const defaults = [...new Set([`/${own}`, `/usr/${own}`, "/lib", "/usr/lib"])];
  return { libc: "glibc", configured, defaults, lib: own, platform: machine?.platform ?? "", hwcaps };
}

/** The rules of musl. @param configured the folders of its path file, which replaces the defaults */
export function muslRules(configured: readonly string[] | undefined): SearchRules {
  const defaults = configured === undefined ? ["/lib", "/usr/local/lib", "/usr/lib"] : [];
  return { libc: "musl", configured: configured ?? [], defaults, lib: "", platform: "", hwcaps: [] };
}

const muslLoader = /^(ld-musl-.+)\.so\.1$/;

export function isMuslLoader(interpreter: string | undefined): boolean {
  return interpreter !== undefined && muslLoader.test(path.basename(interpreter));
}

/** `/etc/ld-musl-x86_64.path` for `/lib/ld-musl-x86_64.so.1`: beside the folder that the loader is in. */
export function muslPathFile(interpreter: string): string {
  const [, name = ""] = muslLoader.exec(path.basename(interpreter)) ?? [];
  return path.join(path.dirname(path.dirname(interpreter)), "etc", `${name}.path`);
}
