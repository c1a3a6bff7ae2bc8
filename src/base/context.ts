import { SlimError } from "./error.ts";

/** What is going on, for a progress display. Nothing in an image depends on these. */
export type ProgressEvent =
  | { readonly type: "stage"; readonly name: string }
  | { readonly type: "fetch"; readonly what: string; readonly bytes?: number }
  | { readonly type: "send"; readonly what: string; readonly bytes: number }
  | { readonly type: "warning"; readonly message: string };

/** What every step with side effects is handed: how to stop, whom to tell, what the machine says. */
export interface Context {
  readonly signal: AbortSignal;
  readonly report: (event: ProgressEvent) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** @throws SlimError `ABORTED` once the caller has given up. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw aborted(signal.reason);
}

export function aborted(reason?: unknown): SlimError {
  return new SlimError("ABORTED", "stopped", { cause: reason });
}
