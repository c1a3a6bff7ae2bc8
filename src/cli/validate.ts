import { SlimError } from "../base/error.ts";
import { openStore } from "../store/open.ts";
import { validate } from "../store/validate.ts";
import { type Command, contextOf } from "./command.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";
import { formatBytes } from "./terminal.ts";

export const validateCommand: Command = (surroundings) => ({
  command: "validate <source>",
  describe: "Check every digest, size and rule of an image",
  builder: (yargs) =>
    withRegistryOptions(yargs).positional("source", {
      type: "string",
      describe: "PATH, oci:DIR, archive:FILE, docker:REF, podman:REF or a reference",
      demandOption: true,
    }),
  handler: async ({ source, ...options }: RegistryArguments & { source: string }) => {
    const context = contextOf(surroundings);
    const { store, ref } = await openStore(source, process.cwd(), await registryOptions(options));
    const artifact = await store.read(context, ref);
    const { problems, checkedBytes } = await validate(context, artifact);
    surroundings.terminal.done();
    surroundings.terminal.diagnostics(problems);
    const errors = problems.filter(({ severity }) => severity === "error").length;
    if (errors > 0) throw new SlimError("INVALID", `is not valid: ${errors} errors`, { where: source });
    process.stdout.write(`${artifact.descriptor.digest} is valid: ${formatBytes(checkedBytes)} of layers checked\n`);
  },
});
