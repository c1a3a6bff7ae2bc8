import { chmod, cp, mkdir, rename, stat } from "node:fs/promises";
import path from "node:path";
import { trimFile } from "../../src/closure/elf/trim.ts";
import { platformOfArch } from "../../src/image/platform.ts";
import { Cache } from "../../src/layer/cache.ts";
import { NodeRuntimes } from "../../src/sources/node.ts";
import { Npm } from "../../src/sources/npm.ts";
import { cacheDir, checkout } from "./slim.ts";

/** The path of a real Node.js of a line (`20`, `22`, ...), fetched from npm as slim does it, and kept. */
export async function nodeBinary(line: string): Promise<string> {
  const file = path.join(cacheDir, "node", line, "node");
  if (await stat(file).catch(() => undefined)) return file;
  const context = { signal: new AbortController().signal, report: () => {}, env: process.env };
  const cache = new Cache(cacheDir);
  const npm = new Npm(context, checkout);
  const runtimes = new NodeRuntimes({ context, cache, npm, frozen: false, prepare: trimFile });
  const platform = platformOfArch(process.arch);
  const { binary } = await runtimes.runtime(await runtimes.resolve(line, [platform]), platform);
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  await cp(cache.pathOf(binary.digest), temporary);
  await chmod(temporary, 0o755);
  await rename(temporary, file);
  return file;
}
