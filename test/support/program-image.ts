import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { ExecutionContext } from "ava";
import { type BuildCall, type BuildResult, build } from "../../src/build.ts";
import { hasTool } from "./tools.ts";
import { Container, type Ran, type RunOptions } from "./unpacked-image.ts";

/** The cache of these tests stays from run to run: it is what a user's would be. */
export const cacheDir = process.env.SLIM_CACHE_DIR ?? path.join(os.tmpdir(), "slim-test-cache");

/** An image of a program, unpacked; everything is gone when the test ends. */
export interface ProgramImage {
  readonly result: BuildResult;
  readonly container: Container;
  /** The folder of the build, with `slim.lock`. */
  readonly folder: string;
}

/** A folder with these files, until the test ends. */
export async function folderOf(
  t: ExecutionContext,
  files: Readonly<Record<string, string | Uint8Array>>,
  parent = os.tmpdir(),
): Promise<string> {
  const folder = await mkdtemp(path.join(parent, "slim-sources-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content, { mode: 0o755 });
  }
  return folder;
}

/** Whether containers can be run here. */
export function canRun(t: ExecutionContext): boolean {
  return hasTool(t, "root", "runc");
}

export async function imageOf(t: ExecutionContext, call: BuildCall): Promise<ProgramImage> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-program-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const output = path.join(folder, "image");
  const result = await build({ cwd: folder, cacheDir, ...call, output, format: "oci-layout" });
  const container = await Container.unpack(output);
  t.teardown(() => container.remove());
  return { result, container, folder };
}

/** Builds an image and runs its program once. */
export async function runImage(t: ExecutionContext, call: BuildCall, options: RunOptions = {}): Promise<Ran> {
  return (await imageOf(t, call)).container.run(options);
}

/** Runs a program of this machine, to compare. */
export function runHere(file: string, { args = [], stdin = "", env = {} }: RunOptions = {}): Ran {
  const { stdout, stderr, status } = spawnSync(file, args, {
    input: stdin,
    encoding: "utf8",
    env: { PATH: process.env.PATH, ...env },
  });
  return { stdout, stderr, code: status };
}

/** Compiles in a folder: `["gcc", "-o", "prog", "prog.c"]`. */
export function compile(cwd: string, command: readonly [string, ...string[]]): void {
  const [file, ...args] = command;
  execFileSync(file, args, { cwd, stdio: "pipe" });
}
