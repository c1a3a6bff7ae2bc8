import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

/** One request as it arrived, and what was answered. */
export interface Recorded {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly size: number;
  status: number;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer;
}

export interface StrictOptions {
  /** Answers in the registry's place; true when it did. How the quirks of others are played. */
  readonly intercept?: (exchange: Exchange) => boolean | Promise<boolean>;
  /** 401 with this challenge unless the header is one of `authorized`. */
  readonly challenge?: string;
  readonly authorized?: (header: string | undefined, exchange: Exchange) => boolean;
  readonly referrersApi?: boolean;
  readonly mounts?: boolean;
  readonly etags?: boolean;
  readonly referrersPage?: number;
  /** What Location headers look like. */
  readonly location?: (path: string, host: string) => string;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Where it listens: 127.0.0.1 when left out. */
  readonly address?: string;
}

interface Repository {
  readonly blobs: Set<string>;
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>;
  readonly tags: Map<string, string>;
}

interface Upload {
  readonly repository: string;
  readonly parts: Buffer[];
  size: number;
  /** The only place at which it goes on: a client that keeps an old one is wrong. */
  state: string;
}

/**
 * A registry in memory that takes the distribution specification to the letter
 * (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) and refuses, with 599 and a
 * line in `violations`, whatever the specification does not allow a client to do.
 */
export class StrictRegistry {
  readonly requests: Recorded[] = [];
  readonly violations: string[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly repositories = new Map<string, Repository>();
  readonly uploads = new Map<string, Upload>();
  readonly options: StrictOptions;
  /** Connections that were made to it. */
  connections = 0;
  #server: Server | undefined;

  constructor(options: StrictOptions = {}) {
    this.options = options;
  }

  static async start(options: StrictOptions = {}): Promise<StrictRegistry> {
    const registry = new StrictRegistry(options);
    const listener: RequestListener = (request, response) => {
      registry.#handle(request, response).catch((error: unknown) => {
        registry.violations.push(String(error));
        response.destroy();
      });
    };
    const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
    registry.#server = server;
    server.on("connection", () => {
      registry.connections += 1;
    });
    server.listen(0, options.address ?? "127.0.0.1");
    await once(server, "listening");
    return registry;
  }

  get port(): number {
    const address = this.#server?.address() as AddressInfo;
    return address.port;
  }

  get host(): string {
    const { address = "127.0.0.1" } = this.options;
    return `${address.includes(":") ? `[${address}]` : address}:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  repository(name: string): Repository {
    const known = this.repositories.get(name) ?? { blobs: new Set(), manifests: new Map(), tags: new Map() };
    this.repositories.set(name, known);
    return known;
  }

  /** `METHOD path status` of every request, digests and sessions shortened to what they are. */
  log(names: ReadonlyMap<string, string> = new Map()): string[] {
    return this.requests.map(({ method, url, status }) => {
      const readable = decodeURIComponent(url)
        .replace(/sha256:[a-f0-9]{64}/g, (digest) => names.get(digest) ?? digest)
        .replace(/uploads\/[a-f0-9-]{36}/g, "uploads/SESSION")
        .replace(/state=[a-f0-9-]{36}/g, "STATE");
      return `${method} ${readable} ${status}`;
    });
  }

  /** Whether everything below a tag is there and has its digest. */
  isWhole(name: string, reference: string): boolean {
    const repository = this.repository(name);
    const digest = repository.tags.get(reference) ?? reference;
    const manifest = repository.manifests.get(digest);
    if (manifest === undefined || digestOf(manifest.bytes) !== digest) return false;
    const content = JSON.parse(manifest.bytes.toString());
    const blobs = [...(content.layers ?? []), ...(content.config ? [content.config] : [])];
    const fits = (one: { digest: string; size: number }) => {
      const bytes = this.blobs.get(one.digest);
      return repository.blobs.has(one.digest) && bytes?.length === one.size && digestOf(bytes) === one.digest;
    };
    return (
      blobs.every(fits) && (content.manifests ?? []).every((one: { digest: string }) => this.isWhole(name, one.digest))
    );
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const method = request.method ?? "";
    const url = new URL(request.url ?? "/", `http://${this.host}`);
    const recorded: Recorded = {
      method,
      url: request.url ?? "",
      headers: request.headers,
      size: body.length,
      status: 0,
    };
    this.requests.push(recorded);
    response.once("close", () => {
      recorded.status = response.statusCode;
    });
    response.once("finish", () => {
      recorded.status = response.statusCode;
    });
    const exchange = { request, response, method, url, body };
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    const { challenge, authorized } = this.options;
    if (challenge !== undefined && authorized?.(request.headers.authorization, exchange) !== true) {
      response.setHeader("www-authenticate", challenge);
      return refuse(response, 401, "UNAUTHORIZED", "authentication required");
    }
    return (await this.options.intercept?.(exchange)) || this.#route(exchange);
  }

  #route(exchange: Exchange): ServerResponse {
    const { method, url, response } = exchange;
    if (url.pathname === "/v2/") {
      return method === "GET" ? answer(response, 200, {}, "{}") : this.#violation(exchange, "/v2/ is only read");
    }
    const path = /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests|referrers)\/([^/]*)$/.exec(url.pathname);
    if (path === null) return this.#violation(exchange, "a path that the specification does not have");
    const [, name = "", kind, last = ""] = path;
    if (!/^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/.test(name)) {
      return this.#violation(exchange, "not a repository name");
    }
    switch (kind) {
      case "blobs/uploads":
        return last === "" ? this.#begin(exchange, name) : this.#upload(exchange, name, last);
      case "blobs":
        return this.#blob(exchange, name, last);
      case "manifests":
        return this.#manifest(exchange, name, last);
      default:
        return this.#referrers(exchange, name, last);
    }
  }

  #begin(exchange: Exchange, name: string): ServerResponse {
    const { method, url, response, body } = exchange;
    if (method !== "POST") return this.#violation(exchange, "uploads are begun by POST");
    if (exchange.request.headers["content-length"] !== "0" || body.length > 0) {
      return this.#violation(exchange, "a POST without Content-Length: 0");
    }
    const [mount, from] = [url.searchParams.get("mount"), url.searchParams.get("from")];
    if (mount !== null && from === null) return this.#violation(exchange, "a mount without from");
    if (mount !== null && from !== null && this.options.mounts !== false && this.repository(from).blobs.has(mount)) {
      this.repository(name).blobs.add(mount);
      return answer(response, 201, { location: `/v2/${name}/blobs/${mount}`, "docker-content-digest": mount });
    }
    const id = randomUUID();
    const upload: Upload = { repository: name, parts: [], size: 0, state: randomUUID() };
    this.uploads.set(id, upload);
    return answer(response, 202, { location: this.#location(name, id, upload), range: "0-0" });
  }

  #upload(exchange: Exchange, name: string, id: string): ServerResponse {
    const { method, url, request, response, body } = exchange;
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.repository !== name) {
      return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    }
    if (method === "DELETE") {
      this.uploads.delete(id);
      return answer(response, 204);
    }
    if (url.searchParams.get("state") !== upload.state) return this.#violation(exchange, "an old Location");
    if (method === "GET") {
      return answer(response, 204, { location: this.#location(name, id, upload), range: `0-${upload.size - 1}` });
    }
    if (method !== "PATCH" && method !== "PUT") return this.#violation(exchange, "a method that uploads do not have");
    if (request.headers["content-length"] === undefined) return this.#violation(exchange, "no Content-Length");
    const type = request.headers["content-type"];
    if (body.length > 0 && type !== "application/octet-stream") return this.#violation(exchange, `the type ${type}`);
    const range = request.headers["content-range"];
    if (range !== undefined && range !== `${upload.size}-${upload.size + body.length - 1}`) {
      return refuse(response, 416, "BLOB_UPLOAD_INVALID", "out of order");
    }
    upload.parts.push(body);
    upload.size += body.length;
    upload.state = randomUUID();
    if (method === "PATCH") {
      return answer(response, 202, { location: this.#location(name, id, upload), range: `0-${upload.size - 1}` });
    }
    const digests = url.searchParams.getAll("digest");
    if (digests.length !== 1) return this.#violation(exchange, "a PUT without one digest");
    this.uploads.delete(id);
    const bytes = Buffer.concat(upload.parts);
    const digest = digests[0] ?? "";
    if (digestOf(bytes) !== digest) return refuse(response, 400, "DIGEST_INVALID", "digest does not match");
    if (this.repository(name).blobs.has(digest)) this.violations.push(`${digest} was sent although it is there`);
    this.blobs.set(digest, bytes);
    this.repository(name).blobs.add(digest);
    return answer(response, 201, { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest });
  }

  #location(name: string, id: string, { state }: Upload): string {
    const path = `/v2/${name}/blobs/uploads/${id}?state=${state}`;
    return this.options.location?.(path, this.host) ?? path;
  }

  #blob({ method, request, response, ...rest }: Exchange, name: string, digest: string): ServerResponse {
    const exchange = { method, request, response, ...rest };
    if (!/^sha256:[a-f0-9]{64}$/.test(digest)) return this.#violation(exchange, "not a digest");
    if (method !== "GET" && method !== "HEAD") return this.#violation(exchange, "blobs are only read");
    const bytes = this.repository(name).blobs.has(digest) ? this.blobs.get(digest) : undefined;
    if (bytes === undefined) return refuse(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    const headers = { "docker-content-digest": digest, "content-type": "application/octet-stream" };
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? Number.NaN);
    if (request.headers.range === undefined) return answer(response, 200, headers, bytes);
    if (!(start < bytes.length)) return refuse(response, 416, "RANGE_INVALID", "no such range");
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    return answer(response, 206, { ...headers, "content-range": range }, bytes.subarray(start));
  }

  #manifest(exchange: Exchange, name: string, reference: string): ServerResponse {
    const { method, request, response, body } = exchange;
    const repository = this.repository(name);
    const isDigest = /^sha256:[a-f0-9]{64}$/.test(reference);
    if (!isDigest && !/^\w[\w.-]{0,127}$/.test(reference)) return this.#violation(exchange, "not a reference");
    const digest = isDigest ? reference : repository.tags.get(reference);
    const known = digest === undefined ? undefined : repository.manifests.get(digest);
    if (method === "DELETE") {
      if (digest !== undefined) repository.manifests.delete(digest);
      return answer(response, known === undefined ? 404 : 202);
    }
    if (method === "PUT") return this.#putManifest(exchange, name, reference, isDigest);
    if (method !== "GET" && method !== "HEAD") return this.#violation(exchange, "a method that manifests do not have");
    if (body.length > 0) return this.#violation(exchange, "a body where something is read");
    if (known === undefined || digest === undefined)
      return refuse(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    if (!(request.headers.accept ?? "").includes(known.type)) {
      return this.#violation(exchange, `${known.type} is not accepted`);
    }
    const etag = this.options.etags === true ? { etag: `"${digest}"` } : {};
    return answer(response, 200, { "content-type": known.type, "docker-content-digest": digest, ...etag }, known.bytes);
  }

  #putManifest(exchange: Exchange, name: string, reference: string, isDigest: boolean): ServerResponse {
    const { request, response, body } = exchange;
    const repository = this.repository(name);
    const digest = digestOf(body);
    if (isDigest && digest !== reference) return refuse(response, 400, "DIGEST_INVALID", "digest does not match");
    const expected = request.headers["if-match"];
    if (expected !== undefined && this.options.etags === true && expected !== `"${repository.tags.get(reference)}"`) {
      return refuse(response, 412, "PRECONDITION", "it has changed");
    }
    const content = JSON.parse(body.toString());
    const type = request.headers["content-type"] ?? "";
    if (content.mediaType !== type) return this.#violation(exchange, `the type ${type} for a ${content.mediaType}`);
    const missing = [...(content.layers ?? []), ...(content.config ? [content.config] : [])].filter(
      (one: { digest: string }) => !repository.blobs.has(one.digest),
    );
    if (missing.length > 0) {
      return refuse(response, 400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", { digest: missing[0].digest });
    }
    const absent = (content.manifests ?? []).find((one: { digest: string }) => !repository.manifests.has(one.digest));
    // Fallback tags may list what was deleted since.
    if (absent !== undefined && !/^sha256-/.test(reference)) {
      return refuse(response, 400, "MANIFEST_UNKNOWN", "manifest unknown", { digest: absent.digest });
    }
    repository.manifests.set(digest, { type, bytes: body });
    if (!isDigest) repository.tags.set(reference, digest);
    const subject =
      this.options.referrersApi === true && content.subject ? { "oci-subject": content.subject.digest } : {};
    return answer(response, 201, {
      location: `/v2/${name}/manifests/${digest}`,
      "docker-content-digest": digest,
      ...subject,
    });
  }

  #referrers(exchange: Exchange, name: string, subject: string): ServerResponse {
    const { method, url, response } = exchange;
    if (method !== "GET") return this.#violation(exchange, "referrers are only read");
    if (this.options.referrersApi !== true) return refuse(response, 404, "NOT_FOUND", "page not found");
    const all = [...this.repository(name).manifests].flatMap(([digest, { type, bytes }]) => {
      const content = JSON.parse(bytes.toString());
      if (content.subject?.digest !== subject) return [];
      const artifactType = content.artifactType ?? content.config?.mediaType;
      return [{ mediaType: type, digest, size: bytes.length, artifactType, annotations: content.annotations }];
    });
    const from = Number(url.searchParams.get("from") ?? 0);
    const size = this.options.referrersPage ?? 100;
    const manifests = all.slice(from, from + size);
    const next = from + size < all.length ? { link: `<${url.pathname}?from=${from + size}>; rel="next"` } : {};
    const type = "application/vnd.oci.image.index.v1+json";
    return answer(
      response,
      200,
      { "content-type": type, ...next },
      JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }),
    );
  }

  #violation({ method, url, response }: Exchange, what: string): ServerResponse {
    this.violations.push(`${method} ${url.pathname}: ${what}`);
    return refuse(response, 599, "VIOLATION", what);
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function answer(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Buffer = "",
): ServerResponse {
  response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers });
  return response.end(response.req.method === "HEAD" ? undefined : body);
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  detail?: unknown,
): ServerResponse {
  return answer(
    response,
    status,
    { "content-type": "application/json" },
    JSON.stringify({ errors: [{ code, message, detail }] }),
  );
}
