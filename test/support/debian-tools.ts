import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";

const run = promisify(execFile);

/**
 * Whether `command` is there, installed from the Debian package when we are root. Where it is not, the
 * test says so and ends; with CI=true it fails.
 */
export async function hasTool(t: ExecutionContext, command: string, debianPackage: string): Promise<boolean> {
  if (await isOnPath(command)) return true;
  if (process.getuid?.() === 0) {
    const install = ["install", "-y", "--no-install-recommends", debianPackage];
    await run("apt-get", install, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } }).catch(() => {});
    if (await isOnPath(command)) return true;
  }
  return skip(t, `${command} (Debian package ${debianPackage})`);
}

/** The unpacked files of a Debian package that needs no installation, kept between runs; undefined as above. */
export async function unpackedPackage(t: ExecutionContext, name: string): Promise<string | undefined> {
  const folder = path.join(os.tmpdir(), "slim-test-packages", name);
  if ((await readdir(folder).catch(() => [])).length > 0) return folder;
  await mkdir(path.dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    await run("apt-get", ["download", name], { cwd: work });
    const file = (await readdir(work)).find((entry) => entry.endsWith(".deb")) ?? "";
    await run("dpkg-deb", ["-x", file, "root"], { cwd: work });
    await rename(path.join(work, "root"), folder).catch(() => {});
    return folder;
  } catch {
    skip(t, `Debian package ${name}`);
    return undefined;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function isOnPath(command: string): Promise<boolean> {
  return await run("sh", ["-c", 'command -v "$0"', command]).then(
    () => true,
    () => false,
  );
}

function skip(t: ExecutionContext, what: string): false {
  if (process.env.CI === "true") t.fail(`${what} is missing`);
  else {
    t.log(`skipped: ${what} is missing`);
    t.pass();
  }
  return false;
}
