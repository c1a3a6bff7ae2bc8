import { readFile } from "node:fs/promises";
import path from "node:path";
import semver from "semver";
import { ioError, SlimError, systemCode } from "../base/error.ts";
import { statOrUndefined } from "../base/files.ts";
import type { RuntimeRequest } from "../closure/node/runtime.ts";
import type { Platform } from "../image/platform.ts";
import type { Manifest } from "./project.ts";

/** Code names of the lines with long-term support, as `lts/NAME` in .nvmrc says them. https://github.com/nodejs/Release */
const codenames: Readonly<Record<string, string>> = { iron: "20", jod: "22", krypton: "24" };

/**
 * The Node.js a project wants: what was asked for, else `.node-version`, `.nvmrc` or `engines.node`,
 * the more exact first, else the line with long-term support.
 * @throws SlimError `CONFIG`
 */
export async function planRuntime(
  folder: string,
  manifest: Manifest,
  asked: string | undefined,
  platforms: readonly Platform[],
  cwd: string,
): Promise<RuntimeRequest> {
  const request = (text: string, where: string, isDefault = false) =>
    ({ kind: "npm", request: rangeOf(text, where), platforms, isDefault }) as const;
  if (asked === "host") return { kind: "file", file: process.execPath };
  if (asked !== undefined) {
    if (semver.validRange(normalise(asked)) !== null || asked.startsWith("lts")) return request(asked, "--node");
    const file = path.resolve(cwd, asked);
    if ((await statOrUndefined(file))?.isFile()) return { kind: "file", file };
    throw new SlimError("CONFIG", `"${asked}" is neither a version nor a file`, {
      where: "--node",
      hint: "for example 24, 24.21.0, lts, host or the path of a node executable",
    });
  }
  for (const name of [".node-version", ".nvmrc"]) {
    const text = await readIfThere(path.join(folder, name));
    const line = text?.split("\n").find((one) => one.trim() !== "" && !one.startsWith("#"));
    if (line !== undefined) return request(line.trim(), path.join(folder, name));
  }
  const engines = manifest.engines?.node;
  if (engines !== undefined) return request(engines, `${path.join(folder, "package.json")}: engines.node`);
  return request("lts", "default", true);
}

function rangeOf(text: string, where: string): string {
  if (["lts", "lts/*", "--lts"].includes(text)) return "lts";
  const wanted = text.startsWith("lts/") ? codenames[text.slice(4).toLowerCase()] : normalise(text);
  const range = wanted === undefined ? null : semver.validRange(wanted);
  if (range === null) {
    throw new SlimError("CONFIG", `"${text}" is not a version of Node.js`, {
      where,
      hint: "for example 24, 24.21.0 or lts",
    });
  }
  return wanted as string;
}

/** One spelling for one request, so that the lock has it once: `v24`, `24` and `24.x` are the same. */
function normalise(text: string): string {
  if (text === "node" || text === "latest") return "*";
  const version = text.replace(/^v(?=\d)/, "");
  return /^\d+$/.test(version) ? `${version}.x` : version;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw ioError(error, file, "read");
  }
}
