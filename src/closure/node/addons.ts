import path from "node:path";
import type { Limits } from "../../sources/project-lock.ts";
import type { Disk } from "../disk.ts";
import type { PackageJson, Scope } from "./packages.ts";

/** What binaries must fit. */
export interface Machine {
  /** `process.arch`. */
  readonly arch: string;
  /** `NODE_MODULE_VERSION`: https://nodejs.org/en/about/previous-releases */
  readonly abi: string | undefined;
  readonly libc: Libc;
}

/** The C library of the runtime, which addons have to share. */
export type Libc = "glibc" | "musl";

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
export function suits(json: Limits, { arch, libc }: Machine): boolean {
  return allows(json.os, "linux") && allows(json.cpu, arch) && allows(json.libc, libc);
}

/** Whether a package is made for some platforms and not for others: it is a carrier of binaries. */
export function isCarrier(json: Limits): boolean {
  return json.os !== undefined && json.cpu !== undefined;
}

/** Whether a list of `os`, `cpu` or `libc` allows one of them. */
export function allows(list: unknown, name: string): boolean {
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
  /** It has binaries, none is for the target, and this is why the one that comes nearest is not. */
  readonly foreign?: { readonly file: string; readonly why: string };
}

/** The addons that a package ships or has built, for the target. */
export function addonsOf(disk: Disk, { folder, json }: Scope, machine: Machine): Addons {
  if (!mayHave(disk, folder, json)) return { files: [] };
  const all = [...disk.below(folder)]
    .filter((file) => file.endsWith(".node") && !file.includes(`${path.sep}obj.target${path.sep}`))
    .map((file) => ({ file, why: misfit(disk, file, folder, machine) }));
  const fitting = all.filter(({ why }) => why === undefined).map(({ file }) => file);
  // node-gyp-build and bindings look into build/ first; prebuilt ones are then never opened.
  const isBuilt = (file: string) => path.relative(folder, file).startsWith(`build${path.sep}`);
  const built = fitting.filter(isBuilt);
  const files = (built.length > 0 ? built : fitting).filter((file, _, list) => !isOutdone(file, list, machine));
  const nearest =
    all.find(({ file }) => isBuilt(file)) ??
    all.find(({ file }) => systemOf(path.relative(folder, file)) === undefined) ??
    all[0];
  if (files.length > 0 || nearest?.why === undefined) return { files };
  return { files, foreign: { file: nearest.file, why: nearest.why } };
}

/**
 * Whether another one beside it is what loaders take first: that for the C library, then this ABI's before any. They go
 * by the names; an addon that works with every ABI may be named for one.
 */
function isOutdone(file: string, list: readonly string[], { libc, abi }: Machine): boolean {
  const name = path.basename(file);
  const others = list
    .filter((other) => other !== file && path.dirname(other) === path.dirname(file))
    .map((other) => path.basename(other));
  const foreign = libc === "musl" ? /glibc|gnu/ : /musl/;
  const own = libc === "musl" ? ["musl"] : ["glibc", "gnu"];
  if (foreign.test(name)) return own.some((mark) => others.includes(name.replace(foreign, mark)));
  const named = (one: string) => /abi(\d+)/.exec(one)?.[1];
  if (named(name) !== undefined && named(name) !== abi)
    return others.some((other) => !foreign.test(other) && (named(other) === undefined || named(other) === abi));
  return name.includes("napi") && others.some((other) => named(other) === abi && !foreign.test(other));
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

/** Another system that an addon's path names. */
function systemOf(name: string): string | undefined {
  return /(?:^|\/)(aix|android|darwin|freebsd|openbsd|sunos|win32)-/.exec(name)?.[1];
}

/** Why the target cannot load an addon, in words that follow the addon's name; undefined where it can. */
export function misfit(disk: Disk, file: string, folder: string, machine: Machine): string | undefined {
  const name = path.relative(folder, file);
  const system = systemOf(name);
  if (system !== undefined) return `is for ${system}`;
  if (/electron|test_extension/.test(name)) return "is for another program than Node.js";
  const bytes = disk.read(file);
  const code = machineOf(bytes);
  if (code === undefined) return "is not for Linux";
  if (code !== machines[machine.arch]) {
    const arch = Object.keys(machines).find((one) => machines[one] === code);
    return `is for ${arch ?? "another processor"}`;
  }
  if (machine.libc === "glibc" && isMusl(bytes)) return "is for musl";
  if (machine.libc === "musl" && isGlibc(bytes)) return "is for glibc";
  const abi = abiOfAddon(disk, file, name, bytes);
  if (abi === undefined || machine.abi === undefined || abi === machine.abi) return undefined;
  const line = Object.keys(abis).find((one) => abis[one] === abi);
  return `is built for ${line === undefined ? "another Node.js" : `Node.js ${line}`} (ABI ${abi}, not ${machine.abi})`;
}

/**
 * The one ABI that an addon works with; undefined for Node-API, which all have, and where it is not said.
 * https://nodejs.org/api/addons.html#context-aware-addons
 */
function abiOfAddon(disk: Disk, file: string, name: string, bytes: Buffer): string | undefined {
  if (bytes.includes("napi_register_module_v") || bytes.includes("napi_module_register")) return undefined;
  const symbol = "node_register_module_v";
  const at = bytes.indexOf(symbol);
  if (at >= 0) return /^\d+/.exec(bytes.toString("latin1", at + symbol.length, at + symbol.length + 8))?.[0];
  if (bytes.includes("node_module_register")) {
    // Older ones register when they are opened; what built them has left its notes beside.
    const notes = path.join(file.slice(0, -name.length), "build", "config.gypi");
    if (disk.isFile(notes)) return /"node_module_version":\s*(\d+)/.exec(disk.read(notes).toString("utf8"))?.[1];
  }
  return name.includes("napi") ? undefined : /(?:abi|node-v)(\d+)/.exec(name)?.[1];
}

/** `e_machine`, or undefined for what is not ELF. */
function machineOf(bytes: Buffer): number | undefined {
  if (bytes.length < 20 || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  return bytes[5] === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
}

/** What is linked on Alpine has the soname of its C library, what Rust and musl-gcc link that of musl itself. */
function isMusl(bytes: Buffer): boolean {
  return bytes.includes("libc.musl-") || (bytes.includes("\0libc.so\0") && !isGlibc(bytes));
}

function isGlibc(bytes: Buffer): boolean {
  return bytes.includes("\0libc.so.6\0");
}
