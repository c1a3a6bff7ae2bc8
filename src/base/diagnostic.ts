export type Severity = "error" | "warning" | "info";

/** Something the user should know. Nothing is left out of an image without one. */
export interface Diagnostic {
  /** Stable, lower-case and hyphenated: `unresolved-require`. */
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  /** Relative to the project, with `/` on every system. */
  readonly file?: string;
  /** Counted from 1. */
  readonly line?: number;
  /** The option or edit that settles it. */
  readonly hint?: string;
}

/** `file:line: message (hint)`, as compilers print it. */
export function diagnosticLine(diagnostic: Diagnostic): string {
  const { file, line, message, hint } = diagnostic;
  const where = file === undefined ? "" : line === undefined ? `${file}: ` : `${file}:${line}: `;
  return `${where}${message}${hint === undefined ? "" : ` (${hint})`}`;
}
