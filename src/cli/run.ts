import yargs, { type CommandModule } from "yargs";
import { SlimError } from "../base/error.ts";
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
  // A reader that went away, as `head` does, is no reason for a stack trace.
  process.stdout.on("error", () => process.exit(FAILED));
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
  const asksForHelp = args.includes("--help") || args.includes("-h");
  const parser = yargs([...withEngine(args)])
    .scriptName("slim")
    .usage("$0 <command>\n\nTurns a Node.js app or a binary into the smallest honest OCI image.")
    .command(commands.map((command) => command({ terminal, signal: interrupt.signal })) as unknown as CommandModule[])
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
      // yargs calls this for its own complaints (a message), and for what a command throws (an error).
      throw error ?? new UsageError(message);
    });
  try {
    await parser.parseAsync();
  } catch (error) {
    terminal.done();
    if (error instanceof UsageError) {
      process.stderr.write(`slim: ${error.message.replace(/\s*\n\s*/g, " ")}; see slim --help\n`);
      process.exitCode = USAGE;
    } else {
      terminal.error(error);
      process.exitCode = error instanceof SlimError && error.code === "ABORTED" ? interrupt.exitCode : FAILED;
    }
  }
}

class UsageError extends Error {}

/** The first Ctrl-C or SIGTERM lets everything clean up; the second ends at once. */
function interruptible() {
  const controller = new AbortController();
  const state = { signal: controller.signal, exitCode: FAILED };
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + number);
      state.exitCode = 128 + number;
      controller.abort(name);
    });
  }
  return state;
}
