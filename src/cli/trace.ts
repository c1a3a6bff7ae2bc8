import { SlimError } from "../base/error.ts";
import { trace } from "../trace.ts";
import type { Command } from "./command.ts";
import { type ProgramArguments, pathPositional, programOf, programOptions } from "./program.ts";
import { counted } from "./terminal.ts";

const { config, entry, exclude, external, include } = programOptions;

export const traceCommand: Command = ({ terminal, signal }) => ({
  command: "trace [path]",
  describe: "Run the app or its tests (after --), and note what the code does not show in slim.trace.json",
  builder: (yargs) =>
    yargs
      .positional("path", { ...pathPositional, describe: "a folder or a JS/TS entry file" })
      .options({ config, entry, exclude, external, include })
      .example("$0 trace -- npm test", "what the tests make the app open is added to the next build"),
  handler: async (parsed: ProgramArguments & { readonly "--"?: readonly (string | number)[] }) => {
    const [file, ...args] = (parsed["--"] ?? []).map(String);
    if (file === undefined) {
      throw new SlimError("CONFIG", "there is no command to run", { hint: "slim trace -- npm test" });
    }
    const result = await trace({ ...programOf(parsed), command: [file, ...args], signal });
    terminal.diagnostics(result.diagnostics);
    for (const one of result.added) terminal.note(`+ ${one.file}  (${one.how} by ${one.from})`);
    const { length } = result.leftOut;
    if (length > 0) {
      const some = result.leftOut.slice(0, 3).join(", ");
      terminal.note(
        `${counted(length, "file")} left out, opened by what is not in the image: ${some}${length > 3 ? ", ..." : ""}`,
      );
    }
    const said = result.added.length === 0 ? "the run opened nothing that a build would not have" : result.traceFile;
    terminal.note(said);
    process.exitCode = result.exitCode;
  },
});
