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

/**
 * Waits for work that cannot be stopped itself, but no longer than the caller does; what the work comes
 * to afterwards is nobody's business.
 * @throws SlimError `ABORTED`, or what the work throws
 */
export async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  throwIfAborted(signal);
  let stop = () => {};
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(aborted(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
