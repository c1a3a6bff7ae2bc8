import { readFile } from "node:fs/promises";
import path from "node:path";
import { ioError, SlimError } from "../base/error.ts";
import { statOrUndefined } from "../base/files.ts";
import { type BuildOptions, optionKinds } from "./options.ts";

const names = ["slim.config.ts", "slim.config.mjs", "slim.config.js", "slim.config.json"];

/**
 * The options of a project's configuration: the file that is named, else `slim.config.*` or the
 * `slim` field of package.json in the folder; empty when there is none. Of two, neither would be what somebody thinks.
 * @throws SlimError `CONFIG`
 */
export async function readConfig(folder: string, named: string | undefined): Promise<BuildOptions> {
  if (named !== undefined) {
    if (!(await statOrUndefined(named))) throw new SlimError("CONFIG", "no such configuration file", { where: named });
    return checkOptions(await load(named), named);
  }
  const files: string[] = [];
  for (const name of names) if (await statOrUndefined(path.join(folder, name))) files.push(path.join(folder, name));
  const manifest = path.join(folder, "package.json");
  const { slim } = (((await statOrUndefined(manifest)) ? await readJson(manifest) : {}) ?? {}) as { slim?: unknown };
  const [file, other] = slim === undefined ? files : [...files, `${manifest}: slim`];
  if (other !== undefined) {
    throw new SlimError("CONFIG", `there is another configuration: ${other}`, {
      where: file,
      hint: "keep one of them",
    });
  }
  if (slim !== undefined) return checkOptions(slim, `${manifest}: slim`);
  return file === undefined ? {} : checkOptions(await load(file), file);
}

/** @throws SlimError `CONFIG`, with line and column where the parser knows them */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw ioError(error, file, "read");
  }
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SlimError("CONFIG", `is not valid JSON: ${reason}`, { where: file, cause });
  }
}

async function load(file: string): Promise<unknown> {
  if (file.endsWith(".json")) return readJson(file);
  const { build } = await import("esbuild");
  let code: string;
  try {
    const result = await build({
      entryPoints: [path.resolve(file)],
      bundle: true,
      write: false,
      platform: "node",
      format: "esm",
      target: "node20",
      logLevel: "silent",
    });
    code = result.outputFiles[0]?.text ?? "";
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n").slice(1).join(" ").trim() : String(cause);
    throw new SlimError("CONFIG", reason || "cannot be read", { where: file, cause });
  }
  try {
    const module = await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
    return module.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SlimError("CONFIG", `fails when it is loaded: ${reason}`, { where: file, cause });
  }
}

/**
 * Checks options that come from outside the type system.
 * @throws SlimError `CONFIG`
 */
export function checkOptions(value: unknown, where: string): BuildOptions {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SlimError("CONFIG", "the configuration is not an object", { where, hint: "export default { ... }" });
  }
  for (const [name, given] of Object.entries(value)) {
    if (given === undefined) continue;
    if (!(name in optionKinds)) {
      throw new SlimError("CONFIG", `unknown option "${name}"`, {
        where,
        hint: `known are ${Object.keys(optionKinds).join(", ")}`,
      });
    }
    const kind = optionKinds[name as keyof BuildOptions];
    if (!isKind(given, kind)) throw new SlimError("CONFIG", `option "${name}" is not a ${inWords(kind)}`, { where });
  }
  return value as BuildOptions;
}

function inWords(kind: string): string {
  return kind === "list" || kind === "record" ? `${kind} of strings` : kind;
}

function isKind(value: unknown, kind: string): boolean {
  const isString = (item: unknown) => typeof item === "string";
  if (kind === "list") return Array.isArray(value) && value.every(isString);
  if (kind !== "record") return typeof value === kind;
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isString);
}

/** Options given later win, and replace lists as a whole; records are joined. */
export function mergeOptions(base: BuildOptions, over: BuildOptions): BuildOptions {
  const defined = Object.fromEntries(Object.entries(over).filter(([, value]) => value !== undefined));
  const joined = (name: "env" | "labels" | "annotations") =>
    base[name] && over[name] ? { [name]: { ...base[name], ...over[name] } } : {};
  return { ...base, ...defined, ...joined("env"), ...joined("labels"), ...joined("annotations") };
}
