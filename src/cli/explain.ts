import { readFile } from "node:fs/promises";
import { ioError, SlimError } from "../base/error.ts";
import { type ClosureRecord, explainPath, explainSizes, parseClosureRecords, type Step } from "../closure/explain.ts";
import { imagesOf } from "../image/image.ts";
import { parsePlatform } from "../image/platform.ts";
import { Cache, defaultCacheDir } from "../layer/cache.ts";
import { openStore } from "../store/open.ts";
import { chooseImage } from "../store/registry/index.ts";
import { type Command, contextOf, type Surroundings, valued } from "./command.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";
import { formatBytes } from "./terminal.ts";

export const explainCommand: Command = (surroundings) => ({
  command: "explain <source> [path]",
  describe: "Why is this file in the image? Without a path: what takes how much",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("source", {
        type: "string",
        describe: "PATH, oci:DIR, archive:FILE or a reference",
        demandOption: true,
      })
      .positional("path", { type: "string", describe: "absolute, in the image" })
      .options({
        platform: { ...valued, describe: "of several, the image for this platform" },
        "closure-file": { ...valued, describe: "what slim build --closure-file wrote, for images built elsewhere" },
        json: { type: "boolean", describe: "as JSON on stdout" },
      }),
  handler: async (parsed: Arguments) => {
    const record = await findRecord(surroundings, parsed);
    const result = parsed.path === undefined ? explainSizes(record) : explainPath(record, parsed.path);
    if (parsed.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    else if (parsed.path === undefined) process.stdout.write(formatSizes(explainSizes(record)));
    else process.stdout.write(formatChain(record, explainPath(record, parsed.path)));
  },
});

interface Arguments extends RegistryArguments {
  readonly source: string;
  readonly path?: string;
  readonly platform?: string;
  readonly "closure-file"?: string;
  readonly json?: boolean;
}

/** The closure of the very image: from the file that is given, else from the cache of the machine that built it. */
async function findRecord(surroundings: Surroundings, parsed: Arguments): Promise<ClosureRecord> {
  const { store, ref } = await openStore(parsed.source, process.cwd(), await registryOptions(parsed));
  const artifact = await store.read(contextOf(surroundings), ref);
  const platform = parsed.platform === undefined ? undefined : parsePlatform(parsed.platform);
  const [image] = imagesOf(chooseImage(artifact, platform, parsed.source));
  if (image === undefined) throw new SlimError("NOT_FOUND", "holds no image", { where: parsed.source });
  const { digest } = image.descriptor;
  const file = parsed["closure-file"];
  if (file !== undefined) {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      throw ioError(error, file, "read");
    });
    return parseClosureRecords(text, file, digest);
  }
  const cached = await new Cache(defaultCacheDir(process.env)).get<ClosureRecord>("closure", digest);
  if (cached !== undefined) return cached;
  throw new SlimError("NOT_FOUND", "was not built on this machine", {
    where: parsed.source,
    hint: "give --closure-file FILE, which slim build --closure-file FILE writes beside an image",
  });
}

function formatChain({ base, files }: ClosureRecord, steps: readonly Step[]): string {
  const based = new Set(files.flatMap(({ layer, path }) => (layer === "base" ? path : [])));
  return steps
    .map(({ path, reason }, depth) => {
      const { kind, what, file, line } = reason;
      const place = file === undefined ? "" : `  ${file}${line === undefined ? "" : `:${line}`}`;
      const owner = based.has(path) ? `  (of the base ${base?.name})` : "";
      return `${"  ".repeat(depth)}${path}  ${kind}${what === undefined ? "" : ` ${what}`}${place}${owner}\n`;
    })
    .join("");
}

function formatSizes(shares: ReturnType<typeof explainSizes>): string {
  return shares
    .map(
      ({ layer, bytes, files, purl }) =>
        `${layer.padEnd(5)} ${formatBytes(bytes).padStart(9)} ${String(files).padStart(5)}  ${purl}\n`,
    )
    .join("");
}
