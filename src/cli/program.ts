import { SlimError } from "../base/error.ts";
import type { PlanCall } from "../resolve.ts";
import { valued } from "./command.ts";

/** What commands that look at a project are told about it. */
export interface ProgramArguments {
  readonly path?: Many;
  readonly platform?: string;
  readonly base?: string;
  readonly sysroot?: string;
  readonly package?: Many;
  readonly node?: string;
  readonly entry?: string;
  readonly mode?: "bundle" | "files";
  readonly include?: Many;
  readonly exclude?: Many;
  readonly external?: Many;
  readonly config?: string;
  readonly frozen?: boolean;
}

/** yargs makes a list of an option that is given more than once. */
export type Many = string | readonly string[];

export const pathPositional = {
  type: "string",
  describe: "a folder, a JS/TS entry file, or an ELF file; several as PLATFORM=FILE",
  defaultDescription: ".",
} as const;

export const programOptions = {
  platform: { ...valued, describe: "for example linux/amd64,linux/arm64" },
  base: { ...valued, describe: "an image to build on; or debian, host or scratch for libraries alone" },
  sysroot: { ...valued, describe: "a folder to take libraries from" },
  package: { ...valued, describe: "a Debian package to add; repeatable" },
  node: { ...valued, describe: 'a version, the path of a node binary, or "host"' },
  entry: { ...valued, describe: "the app's first file, or a program of a package" },
  mode: { choices: ["bundle", "files"], requiresArg: true, describe: "one artifact, or the traced files" },
  include: { ...valued, describe: "glob of files to add; repeatable" },
  exclude: { ...valued, describe: "glob of files, or a package, to leave out; repeatable" },
  external: { ...valued, describe: "package that stays as files; repeatable" },
  config: { ...valued, describe: "configuration file" },
  frozen: { type: "boolean", describe: "fail rather than change slim.lock" },
} as const;

export function programOf(parsed: ProgramArguments): PlanCall {
  return defined({
    ...places(parsed.path === undefined ? [] : many(parsed.path)),
    platform: single("--platform", parsed.platform),
    base: single("--base", parsed.base),
    sysroot: single("--sysroot", parsed.sysroot),
    packages: parsed.package === undefined ? undefined : many(parsed.package),
    node: single("--node", parsed.node),
    entry: single("--entry", parsed.entry),
    mode: single("--mode", parsed.mode),
    include: parsed.include === undefined ? undefined : many(parsed.include),
    exclude: parsed.exclude === undefined ? undefined : many(parsed.exclude),
    external: parsed.external === undefined ? undefined : many(parsed.external),
    config: single("--config", parsed.config),
    frozen: parsed.frozen,
  });
}

/** What to build: one path, or a program for each platform. */
function places(given: readonly string[]): Pick<PlanCall, "path" | "binaries"> {
  const [first] = given;
  if (first === undefined) return {};
  return given.length > 1 || /^[a-z0-9]+\/[a-z0-9_/]+=/.test(first) ? { binaries: given } : { path: first };
}

/** Only what has a value: a missing option leaves the configuration's alone. */
export function defined<T extends object>(given: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}

/** An option that has one value, although yargs makes a list of it when it is given twice. */
export function single<T extends string>(name: string, value: T | undefined): T | undefined {
  if (!Array.isArray(value)) return value;
  throw new SlimError("CONFIG", "is given twice", { where: name });
}

export function many(value: Many): readonly string[] {
  return typeof value === "string" ? [value] : value;
}
