import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

export const quiet: Context = { signal: new AbortController().signal, report: () => {}, env: process.env };

/** Runs a program where it lies, as a developer would. */
export function runPlain(folder: string, args: readonly string[], node = process.execPath): Ran {
  return run(node, args, { cwd: folder });
}

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

const canIsolate = process.platform === "linux" && process.getuid?.() === 0 && spawnSync("unshare", ["-n", "-m", "true"]).status === 0;

/**
 * Runs node in a root that holds nothing but the closure, node and the libraries it links: no network, nothing
 * writable but /tmp, as nobody. Where the machine does not allow that, throws.
 */
export function runIsolated(root: string, entrypoint: string, args: readonly string[] = [], node = process.execPath): Ran {
  if (!canIsolate) throw new Error("needs root and unshare");
  layRuntime(root, node);
  const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && mount -t tmpfs tmpfs "$1/tmp" && mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" && cd "$1/app" && shift && exec "$@"';
  // The entry is started with /app as working directory: chroot(8) goes to the root, so node is told by a shell-free env.
  return run("unshare", ["-n", "-m", "-p", "-f", "sh", "-c", script, "sh", root, "chroot", "--userspec=65532:65532", "--skip-chdir", root, "/usr/local/bin/node", entrypoint, ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: "/home/nonroot", NODE_ENV: "production" },
  });
}

function run(program: string, args: readonly string[], options: { cwd?: string; env?: Record<string, string> }): Ran {
  const env = options.env ?? { PATH: process.env.PATH ?? "", HOME: "/home/nonroot", NODE_ENV: "production" };
  const { stdout, stderr, status } = spawnSync(program, args, { ...options, env, encoding: "utf8", timeout: 60_000, maxBuffer: 64 << 20 });
  return { stdout, stderr, code: status };
}

/** Node and the files that its interpreter loads, by hard link or copy. */
function layRuntime(root: string, node: string): void {
  for (const name of ["tmp", "dev", "proc", "usr/local/bin", "home/nonroot", "etc"]) mkdirSync(path.join(root, name), { recursive: true });
  const target = path.join(root, "usr/local/bin/node");
  if (existsSync(target)) return;
  cpSync(node, target);
  const libraries = execFileSync("ldd", [node], { encoding: "utf8" }).matchAll(/(\/[^\s(]+)/g);
  for (const [, library = ""] of libraries) {
    const file = path.join(root, library);
    mkdirSync(path.dirname(file), { recursive: true });
    copyFileSync(library, file);
  }
  for (const extra of ["libresolv.so.2", "librt.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libanl.so.1"]) {
    const library = `/lib/x86_64-linux-gnu/${extra}`;
    if (!existsSync(library)) continue;
    mkdirSync(path.join(root, path.dirname(library)), { recursive: true });
    copyFileSync(library, path.join(root, library));
  }
  writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n");
  writeFileSync(path.join(root, "etc/hosts"), "127.0.0.1 localhost\n");
  writeFileSync(path.join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
}

/** A folder that is gone when `use` is done. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "slim-test-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
