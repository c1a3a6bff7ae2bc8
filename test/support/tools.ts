import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ExecutionContext, Implementation } from "ava";

const installer = fileURLToPath(new URL("install-tools.js", import.meta.url));
const run = promisify(execFile);

/** Registers a test: `test`, or `test.serial` for what should run alone. */
interface Register {
  (title: string, implementation: Implementation<[]>): void;
  skip(title: string, implementation: Implementation<[]>): void;
}

/**
 * Registers tests that need real tools: commands, which are installed where they can be, or `root` on
 * Linux. Where one is missing the tests are skipped under a title that says so; with CI=true they fail.
 */
export function testWith(register: Register, ...tools: string[]): (...test: Parameters<Register>) => void {
  const missing = missingOf(tools);
  if (missing.length === 0) return register;
  const what = `${missing.join(", ")} missing`;
  if (process.env.CI === "true") return (title) => register(title, (t) => t.fail(what));
  return (title, implementation) => register.skip(`${title} [skipped: ${what}]`, implementation);
}

/** Whether tools are there, for a part of a test: where one is not, the test says so; with CI=true it fails. */
export function hasTool(t: ExecutionContext, ...tools: string[]): boolean {
  const missing = missingOf(tools);
  return missing.length === 0 || skip(t, missing.join(", "));
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

function missingOf(tools: readonly string[]): string[] {
  const missing = tools.filter(isMissing);
  const commands = missing.filter((tool) => tool !== "root");
  if (commands.length === 0 || process.getuid?.() !== 0) return missing;
  spawnSync(process.execPath, [installer, ...commands], { stdio: "ignore" });
  return tools.filter(isMissing);
}

function isMissing(tool: string): boolean {
  if (tool === "root") return process.platform !== "linux" || process.getuid?.() !== 0;
  return spawnSync("sh", ["-c", 'command -v "$0"', tool]).status !== 0;
}

/** Ends a test, or a part of it, for want of something; with CI=true it fails, unless it may be missing there too. */
export function skip(t: ExecutionContext, what: string, { optional = false } = {}): false {
  if (process.env.CI === "true" && !optional) t.fail(`${what} is missing`);
  else {
    t.log(`skipped: ${what} is missing`);
    t.pass();
  }
  return false;
}
