import path from "node:path";
import type { Disk } from "./disk.ts";
import type { PackageJson, Scope } from "./packages.ts";

/** What binaries must fit. */
export interface Machine {
  /** `process.arch`. */
  readonly arch: string;
  /** `NODE_MODULE_VERSION`: https://nodejs.org/en/about/previous-releases */
  readonly abi: string | undefined;
}

/** `e_machine` of ELF: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html */
const machines: Readonly<Record<string, number>> = {
  ia32: 3,
  arm: 40,
  x64: 62,
  arm64: 183,
  ppc64: 21,
  s390x: 22,
  riscv64: 243,
  loong64: 258,
};

/** https://github.com/nodejs/node/blob/main/doc/abi_version_registry.json */
const abis: Readonly<Record<string, string>> = {
  18: "108",
  20: "115",
  22: "127",
  23: "131",
  24: "137",
  25: "141",
  26: "147",
};

export function abiOf(node: string): string | undefined {
  return abis[node.split(".")[0] ?? ""];
}

/** Whether `os`, `cpu` and `libc` of a package.json allow the target; `!name` forbids. */
export function suits(json: PackageJson, arch: string): boolean {
  return allows(json.os, "linux") && allows(json.cpu, arch) && allows(json.libc, "glibc");
}

/** Whether a package is made for some platforms and not for others: it is a carrier of binaries. */
export function isCarrier(json: PackageJson): boolean {
  return json.os !== undefined && json.cpu !== undefined;
}

function allows(list: unknown, name: string): boolean {
  const items = (Array.isArray(list) ? list : list === undefined ? [] : [list]).filter(
    (item) => typeof item === "string",
  );
  if (items.includes(`!${name}`)) return false;
  const wanted = items.filter((item) => !item.startsWith("!"));
  return wanted.length === 0 || wanted.includes(name) || wanted.includes("any");
}

export interface Addons {
  /** Those of the package that fit, one where several are for the same. */
  readonly files: readonly string[];
  /** It has binaries, and none is for the target. */
  readonly foreign: boolean;
}

/** The addons that a package ships or has built, for the target. */
export function addonsOf(disk: Disk, { folder, json }: Scope, machine: Machine): Addons {
  if (!mayHave(disk, folder, json)) return { files: [], foreign: false };
  const all = [...disk.below(folder)].filter(
    (file) => file.endsWith(".node") && !file.includes(`${path.sep}obj.target${path.sep}`),
  );
  const fitting = all.filter((file) => fits(disk, file, path.relative(folder, file), machine));
  // node-gyp-build and bindings look into build/ first; prebuilt ones are then never opened.
  const built = fitting.filter((file) => path.relative(folder, file).startsWith(`build${path.sep}`));
  const files = (built.length > 0 ? built : fitting).filter((file, _, list) => !isOutdone(file, list));
  return { files, foreign: all.length > 0 && fitting.length === 0 };
}

/** Whether another one beside it is what loaders take first: glibc's before musl's, this ABI's before any. */
function isOutdone(file: string, list: readonly string[]): boolean {
  const name = path.basename(file);
  const others = list
    .filter((other) => other !== file && path.dirname(other) === path.dirname(file))
    .map((other) => path.basename(other));
  if (name.includes("musl"))
    return others.some((other) => other === name.replace("musl", "glibc") || other === name.replace("musl", "gnu"));
  return name.includes("napi") && others.some((other) => /abi\d+/.test(other) && !other.includes("musl"));
}

function mayHave(
  disk: Disk,
  folder: string,
  json: PackageJson & {
    readonly gypfile?: unknown;
    readonly binary?: unknown;
    readonly napi?: unknown;
    readonly scripts?: unknown;
  },
): boolean {
  if (isCarrier(json) || json.gypfile !== undefined || json.binary !== undefined || json.napi !== undefined)
    return true;
  const scripts = typeof json.scripts === "object" && json.scripts !== null ? Object.keys(json.scripts) : [];
  if (scripts.includes("install")) return true;
  if (disk.isFile(path.join(folder, "binding.gyp")) || disk.isFolder(path.join(folder, "prebuilds"))) return true;
  return (
    disk.isFolder(path.join(folder, "build", "Release")) || disk.names(folder).some((name) => name.endsWith(".node"))
  );
}

/** Whether an addon, by a name that says something of it and by its bytes, is one for the target. */
export function fits(disk: Disk, file: string, name: string, { arch, abi }: Machine): boolean {
  if (/electron|test_extension|(?:^|\/)(?:aix|android|darwin|freebsd|openbsd|sunos|win32)-/.test(name)) return false;
  const wanted = /(?:abi|node-v)(\d+)/.exec(name)?.[1];
  if (wanted !== undefined && abi !== undefined && wanted !== abi && !name.includes("napi")) return false;
  const bytes = disk.read(file);
  return machineOf(bytes) === machines[arch] && !isMusl(bytes);
}

/** `e_machine`, or undefined for what is not ELF. */
function machineOf(bytes: Buffer): number | undefined {
  if (bytes.length < 20 || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  return bytes[5] === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
}

/** musl's C library has its own soname. */
function isMusl(bytes: Buffer): boolean {
  return bytes.includes("libc.musl-");
}
