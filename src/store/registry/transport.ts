import type { LookupAddress } from "node:dns";
import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import type { Headers } from "node-fetch";
import { aborted, type Context, throwIfAborted } from "../../base/context.ts";
import { SlimError, systemCode } from "../../base/error.ts";
import { redactUrl } from "../../base/http.ts";
import { isLoopback } from "./address.ts";
import { tlsOptions } from "./certificates.ts";
import { type Network, type RegistryOptions, type Timing, usualNetwork, usualTiming } from "./options.ts";
import { clean } from "./problem.ts";
import { type Body, Watch } from "./watch.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  /** The most bytes the answer may have. */
  readonly limit?: number | undefined;
  /** The body of a good answer is left to the caller, who must read it to its end or stop its iterator. */
  readonly stream?: boolean | undefined;
}

export interface Answer {
  readonly status: number;
  /** Where the answer came from in the end: after redirects. */
  readonly url: URL;
  readonly headers: Headers;
  /** Empty where the body is streamed. */
  readonly bytes: Uint8Array;
  readonly stream?: AsyncIterable<Uint8Array>;
}

const LIMIT = 1024 * 1024;
const HOPS = 10;
/** On this host nobody else is on the way: what does not listen now was, as a rule, not started. */
const REFUSED_HERE = 3;

/** Marks, as the cause of an error, a failure that another try may not meet. */
class Passing extends Error {
  /** The most tries that it is worth. */
  readonly tries: number;

  constructor(message: string, cause: unknown, tries = Number.POSITIVE_INFINITY) {
    super(message, { cause });
    this.tries = tries;
  }
}

/** Whether a failure of the network is worth another try. */
export function isPassing(error: unknown): boolean {
  return error instanceof SlimError && error.cause instanceof Passing;
}

/** How many tries a failure is worth at most. */
export function triesFor(error: unknown): number {
  const cause = error instanceof SlimError ? error.cause : undefined;
  return cause instanceof Passing ? cause.tries : Number.POSITIVE_INFINITY;
}

/** Loaded with the first request, and asked for once: an import is not free, also of what is loaded. */
let nodeFetch: Promise<typeof import("node-fetch")> | undefined;

/**
 * HTTP for one registry host: redirects by hand, proxies, certificates, timeouts. Knows nothing of
 * tokens; `Authorization` it sends to the host of the request and to no other.
 */
export class Transport {
  readonly timing: Timing;
  readonly #options: RegistryOptions;
  readonly #network: Network;
  /** The registry's host name as the user gave it, with its port. */
  readonly #host: string;
  readonly #agents = new Map<string, Promise<http.Agent>>();
  readonly #warned = new Set<string>();
  #inside: Promise<boolean> | undefined;

  constructor(host: string, options: RegistryOptions) {
    this.#host = host;
    this.#options = options;
    this.timing = { ...usualTiming, ...options.timing };
    this.#network = { ...usualNetwork, ...options.network };
  }

  isInsecure(host: string): boolean {
    const { insecure } = this.#options;
    return typeof insecure === "object" ? insecure.includes(host) : insecure === true;
  }

  /**
   * Sends a request and follows redirects, which keep method and body (but for 303).
   * @throws SlimError `NETWORK` (see isPassing), `REGISTRY` for a redirect that is not followed,
   * `ABORTED`, or what opening the body throws
   */
  async send(context: Context, request: HttpRequest): Promise<Answer> {
    let current = request;
    for (let hop = 0; ; hop += 1) {
      const answer = await this.#exchange(context, current);
      const location = [301, 302, 303, 307, 308].includes(answer.status) ? answer.headers.get("location") : null;
      if (location === null) return answer;
      if (hop === HOPS) throw refusedAddress(current.url, `more than ${HOPS} redirects`);
      const url = this.follow(location, current.url);
      const { authorization, ...rest } = current.headers;
      const sameHost = url.origin === current.url.origin && authorization !== undefined;
      const headers = sameHost ? { ...rest, authorization } : rest;
      const bodiless = answer.status === 303 && current.method !== "HEAD";
      current = bodiless ? { ...current, url, headers, method: "GET", body: undefined } : { ...current, url, headers };
    }
  }

  /**
   * The URL an answer points to. A path is relative to where the answer came from. Where TLS ends at
   * a proxy, registries answer with `http:` for their own host; that is read as `https:`
   * (https://github.com/distribution/distribution/issues/996).
   * @throws SlimError `REGISTRY` when it is no URL, or would leave TLS
   */
  follow(location: string, from: URL): URL {
    if (!URL.canParse(location, from.href))
      throw refusedAddress(from, `leads to an invalid address "${clean(location)}"`);
    const url = new URL(location, from);
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw refusedAddress(from, `leads to an address of the scheme "${url.protocol}"`);
    }
    url.username = "";
    url.password = "";
    if (url.protocol === "http:" && from.protocol === "https:") {
      const own = url.hostname === from.hostname && (url.port === "" || url.port === from.port);
      if (own) return new URL(`https://${from.host}${url.pathname}${url.search}`);
      if (!this.isInsecure(url.host)) throw refusedAddress(from, `leads out of TLS to ${redactUrl(url.href)}`);
    }
    return url;
  }

  async #exchange(context: Context, request: HttpRequest): Promise<Answer> {
    throwIfAborted(context.signal);
    nodeFetch ??= import("node-fetch");
    const { default: fetch } = await nodeFetch;
    const agent = await this.#agentFor(context, request.url);
    const watch = new Watch(context.signal, this.timing, request.body);
    let streaming = false;
    try {
      const response = await fetch(request.url.href, {
        method: request.method,
        headers: {
          "user-agent": "slim-oci",
          accept: "*/*",
          ...request.headers,
          ...(request.body === undefined ? {} : { "content-length": String(request.body.size) }),
        },
        body: request.body === undefined ? null : Readable.from(watch.outgoing(), { objectMode: false }),
        agent,
        signal: watch.signal,
        redirect: "manual",
        compress: false,
      });
      // A body that is given up half-way may still report its end, when nobody listens any more.
      response.body?.on("error", () => {});
      watch.answered();
      this.#warn(context, response.headers.get("warning"));
      const { status, headers } = response;
      const body = watch.incoming(response.body as unknown as AsyncIterable<Uint8Array> | null, (error) =>
        this.#failure(context, request, watch, error),
      );
      const head = { status, headers, url: request.url };
      if (request.stream === true && (status === 200 || status === 206)) {
        streaming = true;
        return { ...head, bytes: new Uint8Array(), stream: body };
      }
      const bytes = await readBounded(body, request.limit ?? LIMIT, status < 300, request.url);
      return { ...head, bytes };
    } catch (error) {
      throw this.#failure(context, request, watch, error);
    } finally {
      if (!streaming) watch.stop();
    }
  }

  /** RFC 7234 warnings, which the specification tells clients to show. Each is shown once. */
  #warn(context: Context, header: string | null): void {
    for (const [, text = ""] of header?.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g) ?? []) {
      const message = `${this.#host} says: ${clean(text.replace(/\\(.)/g, "$1"))}`;
      if (this.#warned.has(message)) continue;
      this.#warned.add(message);
      context.report({ type: "warning", message });
    }
  }

  #failure(context: Context, request: HttpRequest, watch: Watch, error: unknown): unknown {
    if (context.signal.aborted) return aborted(context.signal.reason);
    if (watch.sourceError !== undefined) return watch.sourceError;
    if (error instanceof SlimError) return error;
    const where = redactUrl(request.url.href);
    if (watch.stalled !== undefined) {
      const cause = new Passing("stalled", error);
      return new SlimError("NETWORK", `nothing came or went for ${watch.stalled / 1000} seconds`, { where, cause });
    }
    const code = codeIn(error);
    if (code === undefined) return error;
    if (code === INTERNAL) return refusedAddress(request.url, "leads into an internal network");
    const refused = code === "ECONNREFUSED" ? nothingListens : undefined;
    const final =
      finalCodes[code] ??
      (/^(CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS)/.test(code) ? badCertificate : undefined);
    const known = final ?? refused;
    const message = `${known?.message ?? "the connection failed"}: ${code}`;
    const tries = refused !== undefined && isLoopback(request.url.hostname) ? REFUSED_HERE : undefined;
    return new SlimError("NETWORK", message, {
      where,
      hint: known?.hint ?? "check the network and the proxy settings",
      cause: final === undefined ? new Passing(message, error, tries) : error,
    });
  }

  /** One agent for each host and trust: connections are kept, client certificates stay at their host. */
  async #agentFor(context: Context, url: URL): Promise<http.Agent> {
    const guarded = hostnameOf(url.host) !== hostnameOf(this.#host) && !(await this.#isInside());
    if (guarded && (isLoopback(url.hostname) || this.#network.isInternal(url.hostname))) {
      throw refusedAddress(url, "leads into an internal network");
    }
    const key = `${url.protocol} ${url.host} ${guarded}`;
    const made = this.#agents.get(key) ?? this.#makeAgent(context, url, guarded);
    this.#agents.set(key, made);
    return made;
  }

  /** Whether the registry itself is of this host or an internal network, and may point there. */
  #isInside(): Promise<boolean> {
    const hostname = hostnameOf(this.#host);
    this.#inside ??= this.#network
      .lookup(hostname)
      .then((addresses) => addresses.some(({ address }) => this.#network.isInternal(address)))
      .catch(() => isLoopback(hostname) || this.#network.isInternal(hostname));
    return this.#inside;
  }

  async #makeAgent(context: Context, url: URL, guarded: boolean): Promise<http.Agent> {
    const secure = url.protocol === "https:";
    const options: https.AgentOptions = {
      keepAlive: true,
      // Node's 250 ms lose slow but working networks: https://github.com/nodejs/node/issues/54359
      autoSelectFamilyAttemptTimeout: 2500,
      lookup: this.#lookup(guarded),
      ...(secure ? await tlsOptions(context, url.host, this.#options.ca ?? [], this.isInsecure(url.host)) : {}),
    };
    const { connect } = this.timing;
    const direct = secure ? new https.Agent(options) : new http.Agent(options);
    limitConnect(direct, secure ? "secureConnect" : "connect", connect);
    const named = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].some(
      (name) => context.env[name] || context.env[name.toLowerCase()],
    );
    if (!named) return direct;
    const { ProxyAgent } = await import("proxy-agent");
    // The proxy's own address is the user's, so it is not guarded.
    return new ProxyAgent({ ...options, lookup: this.#lookup(false), httpAgent: direct, httpsAgent: direct });
  }

  #lookup(guarded: boolean): NonNullable<https.AgentOptions["lookup"]> {
    return (hostname, options, done) => {
      const family = options.family === "IPv4" ? 4 : options.family === "IPv6" ? 6 : options.family;
      const fits = (entry: LookupAddress) => !family || entry.family === family;
      this.#network.lookup(hostname).then(
        (all) => {
          if (guarded && all.some(({ address }) => this.#network.isInternal(address))) {
            done(Object.assign(new Error("internal address"), { code: INTERNAL }), [], 0);
            return;
          }
          const addresses = all.filter(fits);
          const first = addresses[0];
          if (first === undefined) done(Object.assign(new Error("no address"), { code: "ENOTFOUND" }), [], 0);
          else if (options.all) done(null, addresses);
          else done(null, first.address, first.family);
        },
        (error: NodeJS.ErrnoException) => done(error, [], 0),
      );
    };
  }
}

/** The code by which a refused address comes back through sockets and node-fetch. */
const INTERNAL = "EINTERNAL_ADDRESS";

const badCertificate = {
  message: "its certificate is not trusted",
  hint: "name its CA with --ca, NODE_EXTRA_CA_CERTS or certs.d/HOST/ca.crt",
};

const nothingListens = {
  message: "nothing listens there",
  hint: "check the host and the port, and whether the registry runs",
};

/** Failures that another try would only repeat. */
const finalCodes: Readonly<Record<string, { readonly message: string; readonly hint: string }>> = {
  ENOTFOUND: { message: "the host name is not known", hint: "check its spelling and the network" },
  EPROTO: { message: "it does not speak TLS", hint: "for plain HTTP use --insecure" },
  ERR_SSL_WRONG_VERSION_NUMBER: { message: "it does not speak TLS", hint: "for plain HTTP use --insecure" },
};

function refusedAddress(from: URL, message: string): SlimError {
  return new SlimError("REGISTRY", `a redirect is not followed: ${message}`, { where: redactUrl(from.href) });
}

/** The system's code of a failure, which node-fetch keeps, also where several addresses were tried. */
function codeIn(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeIn(error.errors[0]);
  return systemCode(error) ?? (error instanceof Error && error.name === "FetchError" ? "FETCH" : undefined);
}

function hostnameOf(host: string): string {
  return new URL(`http://${host}/`).hostname.replace(/^\[(.*)\]$/, "$1");
}

/** Gives up a connection that is not there within `limit` milliseconds. */
function limitConnect(agent: http.Agent, ready: "connect" | "secureConnect", limit: number): void {
  const connectable = agent as unknown as { createConnection(...args: unknown[]): import("node:net").Socket };
  const create = connectable.createConnection.bind(agent);
  connectable.createConnection = (...args) => {
    const socket = create(...args);
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error("connect timeout"), { code: "ETIMEDOUT" }));
    }, limit);
    socket.once(ready, () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
    return socket;
  };
}

async function readBounded(
  body: AsyncIterable<Uint8Array>,
  limit: number,
  good: boolean,
  url: URL,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Of an error page the beginning is enough.
    if (size > limit && !good) break;
    if (size > limit) {
      throw new SlimError("REGISTRY", `the answer is larger than ${limit} bytes`, { where: redactUrl(url.href) });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
