import { mkdtempSync } from "node:fs";
import { cp, link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestFn } from "ava";
import { cacheDir, checkout, type SlimOptions, slim } from "./slim.ts";

/** A folder for one test file, removed when its tests have ended. */
export function workFolder(test: TestFn): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "slim-test-"));
  test.after.always(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a project; package.json asks for Node.js 24 where the test has none of its own. */
export async function writeProject(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  const manifest = JSON.stringify({ name: "tested", version: "1.2.3", engines: { node: "24.x" } });
  for (const [name, text] of Object.entries({ "package.json": manifest, ...files })) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return folder;
}

/** A project with the lock that all tests share, so that its build asks nobody. */
export async function lockedProject(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  return writeProject(folder, { ...files, "slim.lock": await readFile(await sharedLock(), "utf8") });
}

/** The Express example with its packages in a folder of its own, and the shared lock. */
export async function copyExpress(folder: string): Promise<string> {
  await cp(path.join(checkout, "examples/express"), folder, { recursive: true });
  await cp(await sharedLock(), path.join(folder, "slim.lock"));
  return folder;
}

const HOUR = 60 * 60 * 1000;
let lock: Promise<string> | undefined;

/**
 * A slim.lock for Node.js 24.x and the LTS line on amd64 and arm64, with everything it names in the
 * shared cache. It is made anew after an hour, for a mirror forgets the packages that were replaced.
 */
export function sharedLock(): Promise<string> {
  lock ??= makeLock();
  return lock;
}

async function makeLock(): Promise<string> {
  const file = path.join(cacheDir, "slim.lock");
  const made = await stat(file).catch(() => undefined);
  if (made !== undefined && Date.now() - made.mtimeMs < HOUR) return file;
  await mkdir(cacheDir, { recursive: true });
  const folder = await mkdtemp(path.join(cacheDir, "lock-"));
  try {
    await writeProject(folder, { "index.js": "" });
    await succeed(["build", "--platform", "linux/amd64"], { cwd: folder });
    await succeed(["build", "--platform", "linux/arm64"], { cwd: folder });
    await succeed(["build", "--platform", "linux/amd64", "--node", "lts"], { cwd: folder });
    await cp(path.join(folder, "slim.lock"), file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return file;
}

async function succeed(args: readonly string[], options: SlimOptions): Promise<void> {
  const { code, stderr } = await slim(args, options);
  if (code !== 0) throw new Error(`slim ${args.join(" ")} ended with ${code}: ${stderr}`);
}

/** A cache of one's own with all that the shared one has, without a second copy of it. */
export async function copyCache(folder: string): Promise<string> {
  for (const entry of await readdir(cacheDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith(".tmp")) continue;
    const from = path.join(entry.parentPath, entry.name);
    const relative = path.relative(cacheDir, from);
    if (!/^(?:blobs|records)\//.test(relative)) continue;
    const to = path.join(folder, relative);
    await mkdir(path.dirname(to), { recursive: true });
    await link(from, to).catch(() => cp(from, to));
  }
  return folder;
}

/** Lets a cache forget what was made, and keep what was fetched. */
export async function forgetLayers(cache: string): Promise<void> {
  await rm(path.join(cache, "records/layer"), { recursive: true, force: true });
}

/** Every path below a folder, sorted: to see that nothing was left. */
export async function listing(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}
