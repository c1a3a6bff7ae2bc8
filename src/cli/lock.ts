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
        "allow-older": { type: "boolean", describe: "let versions and dates go back" },
      }),
  handler: async (parsed: Arguments) => {
    const names = parsed.update === undefined ? [] : many(parsed.update);
    const update = names.includes("") ? true : names;
    const onProgress = terminal.progress.bind(terminal);
    const registry = await registryOptions(parsed);
    const allowOlder = parsed["allow-older"] ?? false;
    const call = { ...programOf(parsed), registry, update, allowOlder, signal, onProgress };
    const { lockFile, changes } = await lock(call);
    terminal.done();
    for (const change of changes) process.stdout.write(`${formatChange(change)}\n`);
    if (changes.length === 0) terminal.note(`${lockFile} is up to date`);
  },
});

interface Arguments extends ProgramArguments, RegistryArguments {
  readonly update?: Many;
  readonly "allow-older"?: boolean;
}
