import { lock } from "../lock.ts";
import { formatChange } from "../sources/lock.ts";
import type { Command } from "./command.ts";
import { type Many, many, type ProgramArguments, pathPositional, programOf, programOptions } from "./program.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";

export const lockCommand: Command = ({ terminal, signal }) => ({
  command: "lock [path..]",
  describe: "Resolve what a build takes from outside, and write slim.lock",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("path", pathPositional)
      .options({
        ...programOptions,
        update: { type: "string", describe: "resolve all anew, or only this package, node or base; repeatable" },
      }),
  handler: async (parsed: ProgramArguments & RegistryArguments & { readonly update?: Many }) => {
    const names = parsed.update === undefined ? [] : many(parsed.update);
    const update = names.includes("") ? true : names;
    const onProgress = terminal.progress.bind(terminal);
    const registry = await registryOptions(parsed);
    const { lockFile, changes } = await lock({ ...programOf(parsed), registry, update, signal, onProgress });
    terminal.done();
    for (const change of changes) process.stdout.write(`${formatChange(change)}\n`);
    if (changes.length === 0) terminal.note(`${lockFile} is up to date`);
  },
});
