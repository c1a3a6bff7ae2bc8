import { SlimError } from "../base/error.ts";
import { openStore } from "../store/open.ts";
import { validate } from "../store/validate.ts";
import type { Command } from "./command.ts";
import { formatBytes } from "./terminal.ts";

export const validateCommand: Command = ({ signal, terminal }) => ({
  command: "validate <source>",
  describe: "Check every digest, size and rule of an image",
  builder: (yargs) =>
    yargs.positional("source", { type: "string", describe: "an archive or an OCI layout", demandOption: true }),
  handler: async ({ source }: { source: string }) => {
    const context = { signal, report: terminal.progress.bind(terminal), env: process.env };
    const { store, ref } = await openStore(source, process.cwd());
    const artifact = await store.read(context, ref);
    const { problems, checkedBytes } = await validate(context, artifact);
    terminal.done();
    terminal.diagnostics(problems);
    const errors = problems.filter(({ severity }) => severity === "error").length;
    if (errors > 0) throw new SlimError("INVALID", `is not valid: ${errors} errors`, { where: source });
    process.stdout.write(`${artifact.descriptor.digest} is valid: ${formatBytes(checkedBytes)} of layers checked\n`);
  },
});
