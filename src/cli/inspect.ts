import { SlimError } from "../base/error.ts";
import { imagesOf } from "../image/image.ts";
import { formatPlatform } from "../image/platform.ts";
import { type Component, componentsOf } from "../store/components.ts";
import { openStore } from "../store/open.ts";
import { type Command, contextOf } from "./command.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";
import { formatBytes } from "./terminal.ts";

export const inspectCommand: Command = (surroundings) => ({
  command: "inspect <source>",
  describe: "Show the config, layers and components of an image",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("source", {
        type: "string",
        describe: "PATH, oci:DIR, archive:FILE, docker:REF, podman:REF or a reference",
        demandOption: true,
      })
      .options({ json: { type: "boolean", describe: "as JSON on stdout" } }),
  handler: async ({ source, json, ...options }: RegistryArguments & { source: string; json?: boolean }) => {
    const context = contextOf(surroundings);
    const { store, ref } = await openStore(source, process.cwd(), await registryOptions(options));
    const artifact = await store.read(context, ref);
    const platforms = [];
    for (const image of imagesOf(artifact)) {
      const { os, architecture, variant, config, created } = image.config;
      platforms.push({
        platform: formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) }),
        digest: image.descriptor.digest,
        size: image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
        created,
        config,
        layers: image.layers.map(({ name, descriptor, diffId }) => ({ name, ...descriptor, diffId })),
        annotations: image.manifest.annotations ?? {},
        components: await componentsOf(image),
      });
    }
    const { digest, mediaType, size } = artifact.descriptor;
    const result = { digest, mediaType, size, platforms };
    process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : format(result));
  },
});

interface Inspected {
  readonly digest: string;
  readonly mediaType: string;
  readonly platforms: readonly {
    readonly platform: string;
    readonly digest: string;
    readonly size: number;
    readonly config: unknown;
    readonly layers: readonly { readonly name: string; readonly digest: string; readonly size: number }[];
    readonly components: readonly Component[];
  }[];
}

function format({ digest, mediaType, platforms }: Inspected): string {
  if (platforms.length === 0) throw new SlimError("INVALID", "the index is empty", { where: digest });
  const lines = [`${digest}  ${mediaType}`];
  for (const { platform, size, config, layers, components } of platforms) {
    lines.push("", `${platform}  ${formatBytes(size)}`);
    for (const layer of layers) {
      const name = layer.name === layer.digest ? "" : layer.name;
      lines.push(`  ${name.padEnd(6)} ${formatBytes(layer.size).padStart(9)}  ${layer.digest}`);
    }
    for (const [name, value] of Object.entries(config ?? {})) lines.push(`  ${name}: ${JSON.stringify(value)}`);
    for (const { purl } of components) lines.push(`  ${purl}`);
  }
  return `${lines.join("\n")}\n`;
}
