import { setMaxListeners } from "node:events";
import { SlimError } from "../../base/error.ts";
import type { Timing } from "./options.ts";

/** A body that can be sent again: each `open` starts at the first byte. */
export interface Body {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

/** Watches one exchange: stops it when the caller does, or when nothing moves for too long. */
export class Watch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #timing: Timing;
  readonly #body: Body | undefined;
  readonly #onAbort = () => this.#controller.abort();
  #timer: NodeJS.Timeout | undefined;
  #sent: boolean;
  #over = false;
  /** What the source of the body threw. */
  sourceError: unknown;
  /** The time without movement after which the exchange was stopped. */
  stalled: number | undefined;

  constructor(outer: AbortSignal, timing: Timing, body: Body | undefined) {
    this.#outer = outer;
    this.#timing = timing;
    this.#body = body;
    this.#sent = body === undefined;
    // Many transfers share a caller's signal, each for its own time: that is no leak.
    setMaxListeners(0, outer);
    outer.addEventListener("abort", this.#onAbort, { once: true });
    this.#moved(timing.stall);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The body on its way out. Time that its source takes is not the registry's. */
  async *outgoing(): AsyncGenerator<Uint8Array> {
    const body = this.#body;
    if (body === undefined) return;
    let size = 0;
    const check = (ok: boolean) => {
      if (!ok) throw new SlimError("INTEGRITY", `the content does not have the ${body.size} bytes that were promised`);
    };
    try {
      clearTimeout(this.#timer);
      for await (const chunk of body.open()) {
        size += chunk.length;
        check(size <= body.size);
        this.#moved(this.#timing.stall);
        yield chunk;
        clearTimeout(this.#timer);
      }
      check(size === body.size);
    } catch (error) {
      this.sourceError = error;
      throw error;
    }
    this.#sent = true;
    this.#moved(body.size === 0 ? this.#timing.stall : this.#timing.answer);
  }

  answered(): void {
    this.#moved(this.#timing.stall);
  }

  /** The answer's body; the exchange ends with it. A body that was not wholly sent by then is given up. */
  async *incoming(
    body: AsyncIterable<Uint8Array> | null,
    explain: (error: unknown) => unknown,
  ): AsyncGenerator<Uint8Array> {
    let whole = false;
    try {
      for await (const chunk of body ?? []) {
        clearTimeout(this.#timer);
        yield chunk;
        this.#moved(this.#timing.stall);
      }
      whole = this.#sent;
    } catch (error) {
      throw explain(error);
    } finally {
      this.stop();
      if (!whole) this.#controller.abort();
    }
  }

  stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#onAbort);
  }

  #moved(patience: number): void {
    clearTimeout(this.#timer);
    // A registry may answer before the end of the body is asked for; a timer then would keep the process alive.
    if (this.#over) return;
    this.#timer = setTimeout(() => {
      this.stalled = patience;
      this.#controller.abort();
    }, patience);
  }
}
