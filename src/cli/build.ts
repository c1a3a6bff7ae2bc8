import { SlimError } from "../base/error.ts";
import { writeAtomically } from "../base/files.ts";
import { type BuildCall, type BuildResult, build } from "../build.ts";
import { type EngineName, engineNames } from "../store/engine.ts";
import { type Command, grouped, valued } from "./command.ts";
import {
  defined,
  type Many,
  many,
  type ProgramArguments,
  pathPositional,
  programOf,
  programOptions,
  single,
} from "./program.ts";
import { outputLine } from "./push.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";
import { counted, formatBytes, type Terminal } from "./terminal.ts";

const anyEngine = "auto";

/** `--load` has no need of a value; only the name of an engine after it is one, for a path may follow. */
export function withEngine(args: readonly string[]): readonly string[] {
  const isEngine = (text: string | undefined) => [anyEngine, ...engineNames].some((name) => name === text);
  return args.map((arg, index) => (arg === "--load" && !isEngine(args[index + 1]) ? `--load=${anyEngine}` : arg));
}

const contentOptions = {
  bare: { type: "boolean", describe: "a binary alone, nothing around it" },
  trim: { type: "boolean", describe: "cut symbols and debug information off a binary" },
  sourcemap: { type: "boolean", describe: "ship source maps" },
  compression: { choices: ["gzip", "zstd"], requiresArg: true, describe: "of the layers" },
  "compression-level": { type: "number", requiresArg: true, describe: "1 to 9 for gzip, 1 to 19 for zstd" },
  strict: { type: "boolean", describe: "warnings fail the build" },
} as const;

const runOptions = {
  cmd: { ...valued, describe: "argument after the entrypoint, or a JSON array; repeatable" },
  env: { ...valued, describe: "NAME=VALUE; repeatable" },
  user: { ...valued, describe: "account the program runs as" },
  workdir: { ...valued, describe: "folder the program starts in" },
  expose: { ...valued, describe: "port; repeatable" },
  label: { ...valued, describe: "NAME=VALUE; repeatable" },
  annotation: { ...valued, describe: "NAME=VALUE; repeatable" },
} as const;

const outputOptions = {
  output: { alias: "o", ...valued, describe: 'a file ("-" is stdout); with --format oci-layout, a folder' },
  format: { choices: ["archive", "oci-layout"], requiresArg: true, describe: "one file, the default, or a folder" },
  tag: { alias: "t", ...valued, describe: "name of the image, for example ghcr.io/me/app:1; repeatable" },
  push: { type: "boolean", describe: "push every tag" },
  load: { choices: [anyEngine, ...engineNames], describe: "hand the image to a container engine" },
  "dry-run": { type: "boolean", describe: "plan and closure only, nothing is written" },
  json: { type: "boolean", describe: "the result as JSON on stdout" },
  "closure-file": { ...valued, describe: "why each file is there, for slim explain" },
  "metadata-file": { ...valued, describe: "the result as JSON into a file" },
} as const;

export const buildCommand: Command = ({ terminal, signal }) => ({
  command: "build [path..]",
  describe: "Build an image of a Node.js app or a binary",
  builder: (yargs) =>
    withRegistryOptions(
      yargs
        .positional("path", pathPositional)
        .options(grouped("What is built:", { ...programOptions, ...contentOptions }))
        .options(grouped("How it is run:", runOptions))
        .options(grouped("Where it goes:", outputOptions)),
      "Registries:",
    ),
  handler: async (parsed: Arguments) => {
    const toStdout = isStdout(parsed.output);
    if (toStdout && parsed.json) {
      throw new SlimError("CONFIG", "--json and -o - both want stdout", { hint: "use --metadata-file FILE" });
    }
    if (toStdout && parsed.format === "oci-layout") {
      throw new SlimError("CONFIG", "a folder cannot be written to stdout", { where: "--format oci-layout" });
    }
    const result = await build({
      ...callOf(parsed),
      registry: await registryOptions(parsed),
      signal,
      onProgress: (event) => terminal.progress(event),
    });
    terminal.done();
    terminal.diagnostics(result.diagnostics);
    const { closures: _, ...printed } = result;
    const json = `${JSON.stringify(printed, null, 2)}\n`;
    if (parsed["metadata-file"] !== undefined) {
      await writeAtomically(parsed["metadata-file"], (handle) => handle.writeFile(json));
    }
    if (parsed.json) process.stdout.write(json);
    else summarise(terminal, result, parsed);
    if (!parsed.json && !toStdout && result.digest !== undefined) process.stdout.write(`${reference(result)}\n`);
  },
});

interface Arguments extends ProgramArguments, RegistryArguments {
  readonly output?: string;
  readonly format?: "archive" | "oci-layout";
  readonly tag?: Many;
  readonly push?: boolean;
  readonly load?: typeof anyEngine | EngineName;
  readonly cmd?: Many;
  readonly env?: Many;
  readonly user?: string;
  readonly workdir?: string;
  readonly expose?: Many;
  readonly label?: Many;
  readonly annotation?: Many;
  readonly bare?: boolean;
  readonly trim?: boolean;
  readonly sourcemap?: boolean;
  readonly compression?: string;
  readonly "compression-level"?: number;
  readonly strict?: boolean;
  readonly "dry-run"?: boolean;
  readonly json?: boolean;
  readonly "closure-file"?: string;
  readonly "metadata-file"?: string;
}

function callOf(parsed: Arguments): BuildCall {
  const { user, workdir, bare, trim, sourcemap, strict, format } = parsed;
  const given = {
    user: single("--user", user),
    workdir: single("--workdir", workdir),
    bare,
    trim,
    sourcemap,
    strict,
    format,
    push: parsed.push,
    load: parsed.load === anyEngine ? true : single("--load", parsed.load),
    output: isStdout(parsed.output) ? process.stdout : single("--output", parsed.output),
    compression: single("--compression", parsed.compression),
    compressionLevel: parsed["compression-level"],
    dryRun: parsed["dry-run"],
    closureFile: parsed["closure-file"],
    tags: parsed.tag === undefined ? undefined : many(parsed.tag),
    expose: parsed.expose === undefined ? undefined : many(parsed.expose),
    cmd: parsed.cmd === undefined ? undefined : many(parsed.cmd).flatMap(words),
    env: pairs("--env", parsed.env),
    labels: pairs("--label", parsed.label),
    annotations: pairs("--annotation", parsed.annotation),
  };
  return { ...programOf(parsed), ...defined(given) };
}

function isStdout(output: string | undefined): boolean {
  return output === "-" || output === "/dev/stdout";
}

/** `["a", "b"]` as several arguments, anything else as one. */
function words(text: string): readonly string[] {
  if (!text.startsWith("[")) return [text];
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
  } catch {
    // It only looks like JSON.
  }
  return [text];
}

function pairs(name: string, value: Many | undefined): Readonly<Record<string, string>> | undefined {
  if (value === undefined) return undefined;
  return Object.fromEntries(
    many(value).map((pair) => {
      const equals = pair.indexOf("=");
      if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)];
      throw new SlimError("CONFIG", `"${pair}" is not NAME=VALUE`, { where: name });
    }),
  );
}

/** What names the image exactly. */
function reference({ digest, tags }: BuildResult): string {
  const [tag] = tags;
  return tag === undefined ? `${digest}` : `${tag.replace(/:[^/:]*$/, "")}@${digest}`;
}

function summarise(terminal: Terminal, { platforms, timings, outputs }: BuildResult, parsed: Arguments): void {
  for (const { platform, layers, size, unpackedSize, base } of platforms) {
    const below = layers.filter(({ name, digest }) => name === digest);
    if (base !== undefined && below.length > 0) {
      const bytes = below.reduce((sum, layer) => sum + layer.size, 0);
      terminal.note(
        `base  ${formatBytes(bytes).padStart(9)}  ${counted(below.length, "layer")} of ${base.name}@${base.digest}`,
      );
    }
    for (const layer of layers.filter((one) => !below.includes(one))) {
      const cached = layer.cached ? ", cached" : "";
      terminal.note(
        `${layer.name.padEnd(5)} ${formatBytes(layer.size).padStart(9)}  ${counted(layer.files, "file")}${cached}`,
      );
    }
    const packed = size === undefined ? "" : `${formatBytes(size)} packed, `;
    const time = platform === platforms.at(-1)?.platform ? `, ${timings.total} ms` : "";
    terminal.note(`${platform}  ${packed}${formatBytes(unpackedSize)} unpacked${time}`);
  }
  for (const output of outputs) {
    if (output.type === "registry" || output.type === "engine") terminal.note(outputLine(output));
  }
  if (outputs.length === 0 && !parsed["dry-run"])
    terminal.note("nothing written: give -o FILE to keep the image, or -t NAME with --push or --load");
}
