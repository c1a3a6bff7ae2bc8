import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The unpacked files of `name@version`, fetched by npm's own client and kept between runs. */
export async function npmPackageFolder(spec: string): Promise<string> {
  const folder = path.join(os.tmpdir(), "slim-test-packages", spec.replaceAll("/", "+"));
  if (await exists(folder)) return folder;
  await mkdir(path.dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  try {
    const { stdout } = await run("npm", ["pack", "--json", "--prefer-offline", spec], { cwd: work });
    const [packed] = JSON.parse(stdout) as [{ filename: string }];
    await run("tar", ["-xzf", packed.filename.replace("@", "").replace("/", "-")], { cwd: work });
    await rename(path.join(work, "package"), folder).catch(async (error: unknown) => {
      if (!(await exists(folder))) throw error;
    });
    return folder;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}
