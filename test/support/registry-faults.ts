import { once } from "node:events";
import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What can go wrong with one request. */
export const faults = [
  "reset before the body",
  "reset during the body",
  "reset after the body",
  "reset after the work was done",
  "408",
  "429 with seconds",
  "429 with a date",
  "500",
  "502 with a page",
  "503",
  "503 with seconds",
  "503 with a date",
  "503 after the work was done",
  "truncated answer",
  "stalled answer",
  "stalled after the work was done",
  "wrong digest header",
  "redirect to another host",
] as const;

export type Fault = (typeof faults)[number];

export interface FaultPlan {
  readonly fault: Fault;
  /** Which request meets it, counted from 0. */
  readonly at: number;
  /** How many requests in a row meet it. */
  readonly times: number;
}

/** Numbers between 0 and 1 that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A proxy in front of a registry that asks for a login, passes requests on, and fails as planned. */
export class FaultProxy {
  readonly #plan: FaultPlan;
  readonly #registry: { readonly hostname: string; readonly port: string };
  readonly #login: string;
  readonly #otherHost: string;
  readonly #server: Server;
  /** Requests with the login, in the order they came. */
  readonly log: string[] = [];
  hits = 0;

  constructor(registry: string, login: string, otherHost: string, plan: FaultPlan) {
    const [hostname = "", port = ""] = registry.split(":");
    this.#registry = { hostname, port };
    this.#login = `Basic ${Buffer.from(login).toString("base64")}`;
    this.#otherHost = otherHost;
    this.#plan = plan;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const number = this.log.length;
    const { fault, at, times } = this.#plan;
    const strikes = number >= at && number < at + times;
    this.log.push(`${request.method} ${request.url}${strikes ? ` <- ${fault}` : ""}`);
    if (strikes) this.hits += 1;
    const planned = strikes ? fault : undefined;
    if (planned === "reset before the body") return void request.socket.resetAndDestroy();
    const length = Number(request.headers["content-length"] ?? 0);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request) {
      size += chunk.length;
      chunks.push(chunk);
      if (planned === "reset during the body" && size >= length / 2) {
        // Half of it has reached the registry, which sees the connection end as well.
        this.#half(request, Buffer.concat(chunks).subarray(0, length / 2));
        return void request.socket.resetAndDestroy();
      }
    }
    if (planned === "reset during the body" || planned === "reset after the body") {
      return void request.socket.resetAndDestroy();
    }
    const refused = planned === undefined ? undefined : this.#refuse(planned, request, response);
    if (refused === true) return;
    if (request.headers.authorization !== this.#login) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="faults"', "content-length": 0 }).end();
      return;
    }
    await this.#pass(request, Buffer.concat(chunks), response, planned);
  }

  #refuse(fault: Fault, request: IncomingMessage, response: ServerResponse): boolean {
    const end = (status: number, headers: Record<string, string> = {}, body = "") => {
      response.writeHead(status, { "content-length": String(body.length), ...headers });
      response.end(request.method === "HEAD" ? undefined : body);
      return true;
    };
    const soon = new Date(Date.now() + 1000).toUTCString();
    switch (fault) {
      case "408":
        return end(408);
      case "429 with seconds":
        return end(429, { "retry-after": "1" }, '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}');
      case "429 with a date":
        return end(429, { "retry-after": soon });
      case "500":
        return end(500, {}, '{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}');
      case "502 with a page":
        return end(502, { "content-type": "text/html" }, `<html>${"x".repeat(5000)}</html>`);
      case "503":
        return end(503);
      case "503 with seconds":
        return end(503, { "retry-after": "1" });
      case "503 with a date":
        return end(503, { "retry-after": soon });
      case "stalled answer":
        return true;
      case "redirect to another host":
        return end(307, { location: `http://${this.#otherHost}${request.url}` });
      default:
        return false;
    }
  }

  #half(request: IncomingMessage, body: Buffer): void {
    const onward = forward({ ...this.#registry, method: request.method, path: request.url, headers: request.headers });
    onward.on("error", () => {});
    onward.write(body, () => onward.destroy());
  }

  async #pass(request: IncomingMessage, body: Buffer, response: ServerResponse, fault?: Fault): Promise<void> {
    const { authorization: _, ...headers } = request.headers;
    const onward = forward({ ...this.#registry, method: request.method, path: request.url, headers });
    onward.end(body);
    const [answer] = (await once(onward, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const own = { ...answer.headers };
    switch (fault) {
      case "reset after the work was done":
        return void request.socket.resetAndDestroy();
      case "stalled after the work was done":
        return;
      case "503 after the work was done":
        response.writeHead(503, { "content-length": 0 }).end();
        return;
      case "truncated answer":
        response.writeHead(answer.statusCode ?? 500, { ...own, "content-length": bytes.length + 10 });
        response.write(bytes, () => request.socket.resetAndDestroy());
        if (bytes.length === 0) setTimeout(() => request.socket.resetAndDestroy(), 5);
        return;
      case "wrong digest header":
        own["docker-content-digest"] = `sha256:${"0".repeat(64)}`;
        break;
      default:
    }
    response.writeHead(answer.statusCode ?? 500, own);
    response.end(bytes);
  }
}
