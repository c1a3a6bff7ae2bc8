import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { answer, type Exchange } from "./registry.ts";

export interface TokenRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

export interface TokenServerOptions {
  /** Seconds; what the token says of itself, and how long it is good. */
  readonly life?: number;
  /** Who may have tokens: `user:password`. Undefined is everyone. */
  readonly login?: string;
  readonly refreshToken?: string;
  /** Answers in the server's place. */
  readonly answer?: (request: TokenRequest) => { readonly status: number; readonly body: string } | undefined;
  /** What is granted of the scopes that were asked for; all when left out. */
  readonly grant?: (scopes: readonly string[]) => readonly string[];
  readonly key?: KeyObject;
  readonly certificate?: string;
}

/** A token server as distribution specifies it: https://distribution.github.io/distribution/spec/auth/token/ */
export class TokenServer {
  readonly requests: TokenRequest[] = [];
  readonly options: TokenServerOptions;
  readonly #key: KeyObject;
  #server: Server | undefined;
  #issued = 0;

  constructor(options: TokenServerOptions) {
    this.options = options;
    this.#key = options.key ?? generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  }

  static async start(options: TokenServerOptions = {}): Promise<TokenServer> {
    const tokens = new TokenServer(options);
    tokens.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const url = new URL(request.url ?? "/", "http://x");
      const asked: TokenRequest = {
        method: request.method ?? "",
        url: request.url ?? "",
        authorization: request.headers.authorization,
        form: request.method === "POST" ? new URLSearchParams(Buffer.concat(chunks).toString()) : url.searchParams,
      };
      tokens.requests.push(asked);
      const given = options.answer?.(asked);
      if (given !== undefined)
        return answer(response, given.status, { "content-type": "application/json" }, given.body);
      if (!tokens.#isKnown(asked))
        return answer(response, 401, {}, JSON.stringify({ details: "incorrect username or password" }));
      const scopes = asked.method === "POST" ? (asked.form.get("scope") ?? "").split(" ") : asked.form.getAll("scope");
      const life = options.life ?? 300;
      const wanted = scopes.filter((scope) => scope !== "");
      const token = tokens.issue(options.grant?.(wanted) ?? wanted, asked.form.get("service") ?? "", life);
      return answer(response, 200, {}, JSON.stringify({ token, expires_in: life }));
    }).listen(0, "127.0.0.1");
    await once(tokens.#server, "listening");
    return tokens;
  }

  get realm(): string {
    return `http://127.0.0.1:${(this.#server?.address() as AddressInfo | undefined)?.port}/token`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  /** A signed JWT for the scopes. */
  issue(scopes: readonly string[], service: string, life: number): string {
    const access = scopes.map((scope) => {
      const [type, name, actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const now = Math.floor(Date.now() / 1000);
    this.#issued += 1;
    const x5c = this.options.certificate?.replace(/-----.*?-----|\s/g, "");
    const header = { typ: "JWT", alg: "RS256", ...(x5c === undefined ? {} : { x5c: [x5c] }) };
    const claims = {
      iss: "slim",
      sub: "",
      aud: service,
      exp: now + life,
      nbf: now - 5,
      iat: now,
      jti: String(this.#issued),
      access,
    };
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const content = `${encode(header)}.${encode(claims)}`;
    return `${content}.${createSign("RSA-SHA256").update(content).sign(this.#key).toString("base64url")}`;
  }

  #isKnown({ method, form, authorization }: TokenRequest): boolean {
    const { login, refreshToken } = this.options;
    if (method === "POST") return form.get("refresh_token") === refreshToken && refreshToken !== undefined;
    return login === undefined || authorization === `Basic ${Buffer.from(login).toString("base64")}`;
  }
}

/** Whether a token allows a request, as distribution decides it. */
export function allowsRequest(header: string | undefined, { method, url }: Exchange): boolean {
  if (claimsOf(header) === undefined) return false;
  const name = /^\/v2\/(.+)\/(?:blobs|manifests|referrers)\//.exec(url.pathname)?.[1];
  if (name === undefined) return true;
  const from = url.searchParams.get("from");
  const own = method === "GET" || method === "HEAD" ? "pull" : "push";
  return allows(header, name, own) && (from === null || allows(header, from, "pull"));
}

/** Whether a token allows an action, by its own claims: how a strict registry decides. */
export function allows(header: string | undefined, repository: string, action: string, now = Date.now()): boolean {
  const claims = claimsOf(header);
  if (claims === undefined || claims.exp * 1000 < now) return false;
  return claims.access.some(({ name, actions }) => name === repository && actions.includes(action));
}

export function claimsOf(
  header: string | undefined,
): { exp: number; access: { name: string; actions: string[] }[] } | undefined {
  const token = /^Bearer (.+)$/.exec(header ?? "")?.[1];
  if (token === undefined) return undefined;
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}
