import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Response } from "node-fetch";
import { aborted, type Context, throwIfAborted } from "./context.ts";
import { SlimError } from "./error.ts";

/** A transfer that brings no byte for this long is given up, in milliseconds. */
const STALL = 30_000;
const TRIES = 4;

/** A URL that may be shown: without user name, password and query. */
export function redactUrl(url: string): string {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

/**
 * Fetches `url` and hands its body to `use`. Tried again, from the first byte, when the connection
 * fails or the server is busy; `use` must therefore be able to start over, and what it throws by
 * itself is final.
 * @throws SlimError `NOT_FOUND` for 404 and 410, `NETWORK` otherwise
 */
export async function download<T>(
  context: Context,
  url: string,
  use: (body: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { default: fetch } = await import("node-fetch");
  const agent = await agentFor(context.env);
  for (let attempt = 1; ; attempt += 1) {
    throwIfAborted(context.signal);
    const stall = new Stall(context.signal);
    let response: Response | undefined;
    try {
      response = await fetch(url, { agent, signal: stall.signal, redirect: "follow", follow: 5 });
      if (!response.ok) throw refusal(url, response);
      context.report({ type: "fetch", what: redactUrl(url), bytes: Number(response.headers.get("content-length")) });
      return await use(stall.watch(response.body as unknown as AsyncIterable<Uint8Array>));
    } catch (error) {
      if (context.signal.aborted) throw aborted(context.signal.reason);
      const failure = error instanceof SlimError ? error : isTransport(error) ? networkError(url, error) : undefined;
      if (failure === undefined) throw error;
      if (failure.code !== "NETWORK" || attempt === TRIES || failure.cause === final) throw failure;
      await sleep(200 * 2 ** attempt * (0.5 + Math.random()), undefined, { signal: context.signal }).catch(() => {});
    } finally {
      stall.stop();
      // A body that nobody has read, or not to its end, keeps its connection, and so the process.
      (response?.body as Readable | undefined)?.destroy();
    }
  }
}

/** Marks a refusal that a second try would only repeat. */
const final = Symbol("final");

function refusal(url: string, response: Response): SlimError {
  const where = redactUrl(url);
  const what = `the server answered ${response.status} ${response.statusText}`.trim();
  if (response.status === 404 || response.status === 410) return new SlimError("NOT_FOUND", what, { where });
  const passing = response.status === 408 || response.status === 429 || response.status >= 500;
  return new SlimError("NETWORK", what, { where, cause: passing ? undefined : final });
}

function isTransport(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "FetchError" || error.name === "AbortError" || "errno" in error || "code" in error;
}

function networkError(url: string, error: unknown): SlimError {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  const what =
    error instanceof Error && error.name === "AbortError"
      ? `no answer for ${STALL / 1000} seconds`
      : `cannot be reached${code === undefined ? "" : `: ${code}`}`;
  return new SlimError("NETWORK", what, {
    where: redactUrl(url),
    cause: error,
    hint: "check the network and the proxy settings; with slim.lock and a warm cache no network is needed",
  });
}

/** Aborts a request that has brought nothing for too long. */
class Stall {
  readonly #controller = new AbortController();
  readonly #onAbort = () => this.#controller.abort();
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    this.#timer = setTimeout(this.#onAbort, STALL);
    outer.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async *watch(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      // A slow consumer is not a stalled server: the clock stands still while the chunk is used.
      clearTimeout(this.#timer);
      yield chunk;
      this.#timer = setTimeout(this.#onAbort, STALL);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#onAbort);
  }
}

/** Proxies as the environment names them; the module is loaded only where one is named. */
async function agentFor(env: Context["env"]) {
  const named = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some((name) => env[name] || env[name.toLowerCase()]);
  if (!named) return undefined;
  const { ProxyAgent } = await import("proxy-agent");
  return new ProxyAgent();
}
