import { lock } from "../lock.ts";
import { formatChange } from "../sources/lock.ts";
import type { Command } from "./command.ts";
import { type Many, many, type ProgramArguments, pathPositional, programOf, programOptions } from "./program.ts";

export const lockCommand: Command = ({ terminal, signal }) => ({
  command: "lock [path..]",
  describe: "Resolve what a build takes from outside, and write slim.lock",
  builder: (yargs) =>
    yargs.positional("path", pathPositional).options({
      ...programOptions,
      update: { type: "string", describe: "resolve all anew, or only this package, or node; repeatable" },
    }),
  handler: async (parsed: ProgramArguments & { readonly update?: Many }) => {
    const names = parsed.update === undefined ? [] : many(parsed.update);
    const update = names.includes("") ? true : names;
    const onProgress = terminal.progress.bind(terminal);
    const { lockFile, changes } = await lock({ ...programOf(parsed), update, signal, onProgress });
    terminal.done();
    for (const change of changes) process.stdout.write(`${formatChange(change)}\n`);
    if (changes.length === 0) terminal.note(`${lockFile} is up to date`);
  },
});
