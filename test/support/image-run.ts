import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Context } from "../../src/base/context.ts";
import type { ClosureEntry } from "../../src/closure/types.ts";

/** What a program did, as far as a test compares it. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** The Node.js that programs run on: SLIM_TEST_NODE, or the one that runs the tests. */
export const node = process.env.SLIM_TEST_NODE ?? process.execPath;
export const nodeVersion = execFileSync(node, ["-p", "process.versions.node"], { encoding: "utf8" }).trim();

export const quiet: Context = { signal: new AbortController().signal, report: () => {}, env: process.env };

export const canIsolate =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["-n", "-m", "-p", "-f", "true"]).status === 0;

/** Writes the files of a closure below `root`. */
export async function writeEntries(root: string, entries: readonly ClosureEntry[]): Promise<void> {
  for (const { entry } of entries) {
    const file = path.join(root, entry.path);
    mkdirSync(path.dirname(file), { recursive: true });
    if (entry.type === "directory") mkdirSync(file, { recursive: true });
    if (entry.type === "symlink") symlinkSync(entry.target, file);
    if (entry.type !== "file") continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry.content.open()) chunks.push(chunk);
    writeFileSync(file, Buffer.concat(chunks));
    chmodSync(file, entry.mode);
  }
}

const isolate = `
root=$1 app=$2; shift 2
mount --bind "$root" "$root"
mount --bind "$app" "$root/app"
mount -o remount,ro,bind "$root/app"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
ip link set lo up 2>/dev/null
exec unshare --root="$root" --wd=/app --setgid 65532 --setuid 65532 "$@"`;

/**
 * Runs node in a root that holds nothing but node, the libraries it links and `app` as /app: no network but
 * loopback, nothing writable but /tmp, as nobody.
 */
export function runIsolated(app: string, args: readonly string[]): Ran {
  if (!canIsolate) throw new Error("needs root and unshare(1)");
  const { stdout, stderr, status } = spawnSync(
    "unshare",
    ["-n", "-m", "-p", "-f", "sh", "-ec", isolate, "sh", runtimeRoot(), app, "/usr/local/bin/node", ...args],
    {
      env: { PATH: process.env.PATH ?? "", HOME: "/home/nonroot", NODE_ENV: "production" },
      encoding: "utf8",
      timeout: 60_000,
      maxBuffer: 64 << 20,
    },
  );
  return { stdout, stderr, code: status };
}

let shared: string | undefined;

/** Node and what its interpreter loads, made once. */
function runtimeRoot(): string {
  if (shared !== undefined) return shared;
  const root = mkdtempSync(path.join(tmpdir(), "slim-runtime-"));
  chmodSync(root, 0o755);
  process.on("exit", () => rmSync(root, { recursive: true, force: true }));
  for (const name of ["app", "tmp", "dev", "proc", "usr/local/bin", "home/nonroot", "etc"])
    mkdirSync(path.join(root, name), { recursive: true });
  lay(node, path.join(root, "usr/local/bin/node"));
  const libraries = [...execFileSync("ldd", [node], { encoding: "utf8" }).matchAll(/(\/[^\s(]+)/g)].map(
    ([, library = ""]) => library,
  );
  const folder = path.dirname(
    libraries.find((library) => library.includes("libc.so")) ?? "/lib/x86_64-linux-gnu/libc.so.6",
  );
  // Addons' libraries are the ELF closure's business.
  const more = ["libresolv.so.2", "librt.so.1"].map((name) => path.join(folder, name));
  for (const library of new Set([...libraries, ...more])) {
    if (!existsSync(library) || library === node) continue;
    mkdirSync(path.join(root, path.dirname(library)), { recursive: true });
    copyFileSync(library, path.join(root, library));
  }
  writeFileSync(
    path.join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
  );
  writeFileSync(path.join(root, "etc/hosts"), "127.0.0.1 localhost\n");
  writeFileSync(path.join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
  shared = root;
  return root;
}

function lay(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
  chmodSync(to, 0o755);
}

/** A folder that is gone when `use` is done. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "slim-test-"));
  chmodSync(folder, 0o755);
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
