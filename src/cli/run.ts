import yargs, { type CommandModule } from "yargs";
import { ioError, SlimError, systemCode } from "../base/error.ts";
import { buildCommand, withEngine } from "./build.ts";
import { cacheCommand } from "./cache.ts";
import { copyCommand } from "./copy.ts";
import { doctorCommand } from "./doctor.ts";
import { explainCommand } from "./explain.ts";
import { initCommand } from "./init.ts";
import { inspectCommand } from "./inspect.ts";
import { lockCommand } from "./lock.ts";
import { loginCommand, logoutCommand } from "./login.ts";
import { pushCommand } from "./push.ts";
import { Terminal } from "./terminal.ts";
import { traceCommand } from "./trace.ts";
import { validateCommand } from "./validate.ts";

/** Exit codes: 1 for what a person can act on, 2 for a command line that means nothing. */
const FAILED = 1;
const USAGE = 2;

/** Runs one command line and sets the exit code. */
export async function run(args: readonly string[], version: string): Promise<void> {
  const terminal = new Terminal(args.includes("--verbose"));
  const interrupt = interruptible();
  process.stdout.on("error", (error) => {
    // A reader that went away, as `head` does, needs no word.
    if (systemCode(error) !== "EPIPE") terminal.error(ioError(error, "stdout", "write"));
    process.exit(FAILED);
  });
  const commands = [
    buildCommand,
    pushCommand,
    copyCommand,
    lockCommand,
    traceCommand,
    inspectCommand,
    validateCommand,
    explainCommand,
    initCommand,
    doctorCommand,
    cacheCommand,
    loginCommand,
    logoutCommand,
  ];
  const modules = commands.map((command) => command({ terminal, signal: interrupt.signal }));
  const word = args.find((arg) => !arg.startsWith("-"));
  const asksForHelp = args.includes("--help") || args.includes("-h");
  const parser = yargs([...withEngine(args)])
    .scriptName("slim")
    .usage("$0 <command>\n\nTurns a Node.js app or a binary into the smallest honest OCI image.")
    .command(modules as unknown as CommandModule[])
    .option("verbose", { type: "boolean", describe: "show where an error comes from", global: true })
    .demandCommand(1, "a command is needed")
    .recommendCommands()
    .strict()
    .version(version)
    .alias("help", "h")
    .parserConfiguration({ "duplicate-arguments-array": true, "camel-case-expansion": false, "populate--": true })
    // Without a width yargs is quick with the help that it lays out after every command.
    .wrap(asksForHelp ? Math.min(100, process.stdout.columns ?? 100) : null)
    .exitProcess(false)
    .fail((message, error) => {
      // yargs calls this for its own complaints (a message, or an error of its own), and for what a command throws.
      throw error === undefined || error.name === "YError" ? new UsageError(message ?? error?.message) : error;
    });
  try {
    // yargs would take no notice of it.
    if (word !== "trace" && args.includes("--")) throw new UsageError("only slim trace has something behind --");
    await parser.parseAsync();
  } catch (error) {
    terminal.done();
    if (error instanceof UsageError) {
      const named = modules.some(({ command }) => command.split(" ")[0] === word) ? ` ${word}` : "";
      process.stderr.write(`slim: ${complaint(error.message, word)}; see slim${named} --help\n`);
      process.exitCode = USAGE;
    } else {
      terminal.error(error);
      process.exitCode = error instanceof SlimError && error.code === "ABORTED" ? interrupt.exitCode : FAILED;
    }
  }
}

class UsageError extends Error {}

/** What yargs says, in a line; where it only guesses, also what was wrong. */
function complaint(message: string, word: string | undefined): string {
  const line = message.replace(/\s*\n\s*/g, " ");
  const guess = /^Did you mean (.+)\?$/.exec(line)?.[1];
  return guess === undefined ? line : `there is no command ${word}, did you mean ${guess}?`;
}

/** Whoever hands a signal on, as npm does, sends what the terminal has sent already. */
const ONCE_MS = 500;

/** The first Ctrl-C or SIGTERM lets everything clean up; a later one ends at once. */
function interruptible() {
  const controller = new AbortController();
  const state = { signal: controller.signal, exitCode: FAILED };
  let first = 0;
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (performance.now() - first > ONCE_MS) process.exit(128 + number);
        return;
      }
      first = performance.now();
      state.exitCode = 128 + number;
      controller.abort(name);
    });
  }
  return state;
}
