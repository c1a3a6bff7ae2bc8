import type { ProgressEvent } from "../base/context.ts";
import { type Diagnostic, diagnosticLine } from "../base/diagnostic.ts";
import { SlimError } from "../base/error.ts";

/** Standard error: progress while something runs, diagnostics, and the one line of an error. */
export class Terminal {
  readonly #verbose: boolean;
  /** Whether a line may be drawn over. https://no-color.org */
  readonly #redraws = process.stderr.isTTY === true && !process.env.NO_COLOR;
  #drawn = false;

  constructor(verbose: boolean) {
    this.#verbose = verbose;
  }

  progress(event: ProgressEvent): void {
    const text = progressText(event);
    if (event.type === "warning") {
      this.#line(text);
    } else if (this.#redraws) {
      process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
      this.#drawn = true;
    } else if (this.#verbose) {
      this.#line(text);
    }
  }

  diagnostics(diagnostics: readonly Diagnostic[]): void {
    for (const diagnostic of diagnostics) this.#line(`${diagnostic.severity}: ${diagnosticLine(diagnostic)}`);
  }

  note(text: string): void {
    this.#line(text);
  }

  error(error: unknown): void {
    if (error instanceof SlimError) this.#line(`error: ${error.toLine()}`);
    else
      this.#line(
        `error: ${error instanceof Error ? error.message : String(error)} (a defect of slim; please report it)`,
      );
    if (this.#verbose && error instanceof Error) {
      this.#line(error.stack ?? "");
      if (error.cause instanceof Error) this.#line(`caused by ${error.cause.stack}`);
    }
  }

  /** Takes the progress line away. */
  done(): void {
    if (this.#drawn) process.stderr.write("\r\x1b[K");
    this.#drawn = false;
  }

  #line(text: string): void {
    this.done();
    process.stderr.write(`${text}\n`);
  }
}

function progressText(event: ProgressEvent): string {
  switch (event.type) {
    case "stage":
      return event.name;
    case "fetch":
      return `fetch ${event.what}`;
    case "send":
      return `send ${formatBytes(event.bytes)} to ${event.what}`;
    case "warning":
      return `warning: ${event.message}`;
  }
}

/** `1 file`, `2 files`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** Bytes for people: `43.1 MB`, by powers of 1000 as registries and disks count. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  return `${(bytes / 1000 ** step).toFixed(1)} ${units[step - 1]}`;
}
