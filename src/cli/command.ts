import type { Argv } from "yargs";
import type { Context } from "../base/context.ts";
import type { Terminal } from "./terminal.ts";

/** What every command is given. */
export interface Surroundings {
  readonly terminal: Terminal;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A command as yargs takes it; the handler gets what the builder describes. */
interface Module {
  readonly command: string;
  readonly describe: string;
  readonly builder: (yargs: Argv) => unknown;
  readonly handler: (parsed: never) => Promise<void>;
}

/** An option that means nothing without a value. */
export const valued = { type: "string", requiresArg: true } as const;

/** Options under a heading of their own in the help. */
export function grouped<T extends Readonly<Record<string, object>>>(group: string, options: T): T {
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, { ...option, group }])) as T;
}

/** A command, bound to its surroundings. */
export type Command = (surroundings: Surroundings) => Module;

/** What the library is told of the surroundings. */
export function contextOf({ terminal, signal }: Surroundings): Context {
  return { signal, report: (event) => terminal.progress(event), env: process.env };
}
