import type { Context } from "../base/context.ts";
import { SlimError } from "../base/error.ts";
import { Cache, defaultCacheDir } from "../layer/cache.ts";
import { findRoots } from "../sources/debian/mirror.ts";
import { answeringEngines } from "../store/engine.ts";
import { type Diagnosis, listLogins, RegistryClient, type RegistryOptions } from "../store/registry/index.ts";
import { type Command, contextOf } from "./command.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";
import { counted, formatBytes } from "./terminal.ts";

export const doctorCommand: Command = (surroundings) => ({
  command: "doctor [ref]",
  describe: "Show what slim sees: its runtime and cache, or what a registry supports",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("ref", { type: "string", describe: "a repository to ask about" })
      .options({ json: { type: "boolean", describe: "as JSON on stdout" } }),
  handler: async (parsed: RegistryArguments & { ref?: string; json?: boolean }) => {
    const print = (value: unknown, text: string) =>
      process.stdout.write(parsed.json ? `${JSON.stringify(value, null, 2)}\n` : text);
    if (parsed.ref === undefined) {
      const machine = await describeMachine(contextOf(surroundings), await registryOptions(parsed));
      surroundings.terminal.done();
      print(machine, lines(Object.entries(machine)));
      return;
    }
    const client = new RegistryClient(await registryOptions(parsed));
    const diagnosis = await client.doctor(contextOf(surroundings), parsed.ref);
    surroundings.terminal.done();
    print(diagnosis, format(diagnosis));
    if (
      diagnosis.findings.some(
        ({ name, works }) => works === false && ["connect", "credentials", "pull", "push"].includes(name),
      )
    ) {
      process.exitCode = 1;
    }
  },
});

async function describeMachine(context: Context, options: RegistryOptions): Promise<Readonly<Record<string, string>>> {
  const cache = new Cache(defaultCacheDir(process.env));
  const { files, bytes } = await cache.usage();
  const mirror = await findRoots(undefined, process.env).then(
    (roots) => roots.main,
    () => "none found: set SLIM_DEBIAN_MIRROR",
  );
  return {
    node: `${process.version} ${process.platform}/${process.arch}`,
    cache: `${cache.dir}: ${counted(files, "file")}, ${formatBytes(bytes)}`,
    debian: mirror,
    engines: (await answeringEngines(context)).join(", ") || "none answers",
    credentials: await listLogins(context, options).then(
      (logins) => logins.join(", ") || "none found",
      (error: unknown) => (error instanceof SlimError ? error.toLine() : Promise.reject(error)),
    ),
  };
}

function format(diagnosis: Diagnosis): string {
  const { host, repository, endpoint, authentication, credentials, scopes, findings } = diagnosis;
  const about: readonly (readonly [string, string | undefined])[] = [
    ["repository", `${host}/${repository}`],
    ["endpoint", endpoint],
    ["authentication", authentication],
    ["credentials", credentials ?? "none: anonymous"],
    ["scopes", scopes?.join(" ")],
  ];
  const known = about.filter((one): one is readonly [string, string] => one[1] !== undefined);
  const marks = new Map([
    [true, "yes"],
    [false, "NO"],
  ]);
  const found = findings.map(({ name, works, detail, hint }) => {
    const mark = works === undefined ? "?" : marks.get(works);
    return `  ${name.padEnd(12)} ${mark?.padEnd(4)} ${detail}${hint === undefined ? "" : ` (${hint})`}\n`;
  });
  return lines(known) + found.join("");
}

function lines(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([name, value]) => `${name.padEnd(15)} ${value}\n`).join("");
}
