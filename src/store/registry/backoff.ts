import { setTimeout as sleep } from "node:timers/promises";
import { aborted, type Context } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import type { Timing } from "./options.ts";
import { problemOf } from "./problem.ts";
import { isPassing, triesFor } from "./transport.ts";

/** Statuses that another try may not meet. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524]);

export function isPassingStatus(status: number): boolean {
  return passing.has(status);
}

/** Failures that were tried to the end: whoever called for the sake of another request need not begin anew. */
const exhausted = new WeakSet<object>();

/** Whether a failure may pass by itself. */
export function isWorthTrying(error: unknown): boolean {
  if (typeof error === "object" && error !== null && exhausted.has(error)) return false;
  const problem = problemOf(error);
  return problem === undefined ? isPassing(error) : isPassingStatus(problem.status);
}

/** Counts the tries of one request and waits between them. */
export class Backoff {
  readonly #timing: Timing;
  #tries = 1;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Begins to count anew, after something was achieved. */
  reset(): void {
    this.#tries = 1;
  }

  /**
   * Waits as long as the registry asks, else ever longer with jitter, so that many clients do not
   * come back at once.
   * @throws `error` when this was the last try, or the registry asks for more patience than there is
   */
  async wait(context: Context, error: unknown): Promise<void> {
    const { tries, pause, patience } = this.#timing;
    if (this.#tries >= Math.min(tries, triesFor(error))) {
      if (typeof error === "object" && error !== null) exhausted.add(error);
      throw error;
    }
    const asked = this.#asked(error);
    if (asked !== undefined && asked > patience) throw tooLong(error, asked);
    const usual = pause * 2 ** (this.#tries - 1) * (0.5 + Math.random());
    this.#tries += 1;
    // Whoever was told the same second should not come back in the same millisecond.
    const delay = asked === undefined ? usual : asked + pause * Math.random();
    await sleep(delay, undefined, { signal: context.signal }).catch(() => {
      throw aborted(context.signal.reason);
    });
  }

  #asked(error: unknown): number | undefined {
    const header = problemOf(error)?.retryAfter?.trim();
    if (header === undefined) return undefined;
    if (/^[0-9]+$/.test(header)) return Number(header) * this.#timing.second;
    const date = Date.parse(header);
    return Number.isNaN(date) ? undefined : (Math.max(0, date - Date.now()) / 1000) * this.#timing.second;
  }
}

function tooLong(error: unknown, asked: number): unknown {
  if (!(error instanceof SlimError)) return error;
  const { message, where, cause } = error;
  return new SlimError(error.code, message, {
    where,
    cause,
    hint: `the registry asks to wait ${Math.ceil(asked / 1000)} seconds: run again then`,
  });
}
