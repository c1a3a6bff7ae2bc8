import { parsePlatform } from "../image/platform.ts";
import { openDestination, openStore } from "../store/open.ts";
import { copy } from "../store/registry/index.ts";
import { type Command, contextOf, valued } from "./command.ts";
import { printOutputs } from "./push.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";

export const copyCommand: Command = (surroundings) => ({
  command: "copy <source> <destination>",
  describe: "Copy an image between stores without changing its digest",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("source", {
        type: "string",
        describe: "PATH, oci:DIR, archive:FILE, docker:REF, podman:REF or a reference",
        demandOption: true,
      })
      .positional("destination", { type: "string", describe: "the same", demandOption: true })
      .options({
        platform: { ...valued, describe: "only the image for this platform" },
        referrers: {
          type: "boolean",
          describe: "signatures and attestations must come along; --no-referrers leaves them",
        },
        json: { type: "boolean", describe: "what was done, as JSON on stdout" },
      }),
  handler: async (parsed: Arguments) => {
    const options = await registryOptions(parsed);
    const outputs = await copy(
      contextOf(surroundings),
      await openStore(parsed.source, process.cwd(), options),
      openDestination(parsed.destination, process.cwd(), options),
      {
        ...(parsed.platform === undefined ? {} : { platform: parsePlatform(parsed.platform) }),
        ...(parsed.referrers === undefined ? {} : { referrers: parsed.referrers }),
      },
    );
    printOutputs(surroundings.terminal, outputs, parsed.json);
  },
});

interface Arguments extends RegistryArguments {
  readonly source: string;
  readonly destination: string;
  readonly platform?: string;
  readonly referrers?: boolean;
  readonly json?: boolean;
}
