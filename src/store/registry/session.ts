import { type Context, throwIfAborted } from "../../base/context.ts";
import { SlimError } from "../../base/error.ts";
import { redactUrl } from "../../base/http.ts";
import { isLoopback } from "./address.ts";
import { Backoff, isPassingStatus, isWorthTrying } from "./backoff.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { type Credentials, findCredentials } from "./credentials.ts";
import type { RegistryOptions } from "./options.ts";
import { isRecord, refusal } from "./problem.ts";
import { type Answer, type HttpRequest, Transport } from "./transport.ts";

/** `repository:name:pull,push`. https://distribution.github.io/distribution/spec/auth/scope/ */
export type Scope = string;

export interface RegistryRequest extends Omit<HttpRequest, "url" | "headers"> {
  /** A path from the registry's root, or a URL that the registry itself gave. */
  readonly to: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** The repository whose credentials are used, where they differ below one host. */
  readonly repository?: string | undefined;
  readonly scopes: readonly Scope[];
  /** Completes "cannot ...". */
  readonly doing: string;
  /** Statuses besides 2xx that are answers, not failures. */
  readonly accept?: readonly number[];
  /** Off for what must not be repeated as it is: the pieces of an upload. */
  readonly again?: boolean;
}

/** What the registry says of itself at `/v2/`. */
interface Greeting {
  readonly base: URL;
  readonly challenge: Challenge | undefined;
  readonly status: number;
}

interface Token {
  readonly value: string;
  /** By the clock that nobody sets, in milliseconds: a wrong time of day does not matter. */
  readonly expires: number;
}

/** Tokens that say nothing live this long, in seconds. https://distribution.github.io/distribution/spec/auth/token/ */
const TOKEN_LIFE = 60;
/** The part of a token's life in which it is used, so that none expires on its way. */
const TOKEN_USE = 0.9;
/** Docker Hub's API is not at its name. */
const endpoints: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** Everything one registry host remembers between requests: its scheme, its way of authentication, tokens. */
export class Session {
  readonly host: string;
  readonly transport: Transport;
  readonly #options: RegistryOptions;
  readonly #endpoint: string;
  readonly #credentials = new Map<string, Promise<Credentials | undefined>>();
  readonly #tokens = new Map<string, Promise<Token>>();
  #greeting: Promise<Greeting> | undefined;
  /** Set by the first answer that asks for it, where `/v2/` did not. */
  #challenge: Challenge | undefined;

  constructor(host: string, options: RegistryOptions) {
    this.host = host;
    this.#endpoint = endpoints[host] ?? host;
    this.#options = options;
    this.transport = new Transport(this.#endpoint, options);
  }

  /** Where the credentials come from that are sent for a repository. */
  async source(context: Context, repository?: string): Promise<string | undefined> {
    return (await this.credentials(context, repository))?.source;
  }

  /** @throws as findCredentials */
  credentials(context: Context, repository: string | undefined): Promise<Credentials | undefined> {
    return shared(context, () =>
      remember(this.#credentials, repository ?? "", () =>
        findCredentials(context, this.#options, this.host, repository),
      ),
    );
  }

  /**
   * Sends a request with the authorization it needs, again when that may help.
   * @throws SlimError `AUTH`, `NOT_FOUND`, `REGISTRY` with a RegistryProblem as cause; `NETWORK`; `ABORTED`
   */
  async request(context: Context, request: RegistryRequest): Promise<Answer> {
    if (request.again === false) return this.#checked(context, request);
    const backoff = new Backoff(this.transport.timing);
    for (;;) {
      try {
        return await this.#checked(context, request);
      } catch (error) {
        throwIfAborted(context.signal);
        if (!isWorthTrying(error)) throw error;
        await backoff.wait(context, error);
      }
    }
  }

  async #checked(context: Context, request: RegistryRequest): Promise<Answer> {
    const answer = await this.#authorized(context, request);
    const { status } = answer;
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return answer;
    throw refusal(answer, request.doing, {
      host: this.host,
      credentials: await this.source(context, request.repository),
    });
  }

  async #authorized(context: Context, request: RegistryRequest): Promise<Answer> {
    const { base } = await this.greet(context);
    const url = typeof request.to === "string" ? new URL(request.to, base) : request.to;
    const ours = url.origin === base.origin;
    const send = async (authorization: string | undefined) => {
      const headers = { ...request.headers, ...(authorization === undefined ? {} : { authorization }) };
      return this.transport.send(context, { ...request, url, headers });
    };
    const first = ours ? await this.#authorization(context, request) : undefined;
    const answer = await send(first);
    // Who is not the registry has no say in how the registry is asked.
    if (answer.status !== 401 || !ours || answer.url.origin !== base.origin) return answer;
    const asked = choose(parseChallenges(answer.headers.get("www-authenticate") ?? ""));
    if (asked === undefined) return answer;
    const second = await this.#renewed(context, request, asked, first);
    return second === undefined || second === first ? answer : send(second);
  }

  /**
   * What a token really allows, where tokens are used and can be read (as JWTs with an `access` claim:
   * https://distribution.github.io/distribution/spec/auth/jwt/).
   */
  async grantedScopes(
    context: Context,
    scopes: readonly Scope[],
    repository: string,
  ): Promise<readonly Scope[] | undefined> {
    const challenge = this.#challenge ?? (await this.greet(context)).challenge;
    if (challenge?.scheme !== "bearer") return undefined;
    const credentials = await this.credentials(context, repository);
    if (credentials?.kind === "bearer") return undefined;
    return scopesIn(await this.#token(context, challenge, credentials, mergeScopes(scopes)));
  }

  /** Learns once how to talk to the registry. Anonymous, so nothing can leak to a wrong address. */
  greet(context: Context): Promise<Greeting> {
    return shared(context, () => {
      this.#greeting ??= this.#greet(context).catch((error: unknown) => {
        this.#greeting = undefined;
        throw error;
      });
      return this.#greeting;
    });
  }

  async #greet(context: Context): Promise<Greeting> {
    const { transport } = this;
    const secure = new URL(`https://${this.#endpoint}/`);
    const plain = new URL(`http://${this.#endpoint}/`);
    const mayBePlain = isLoopback(plain.hostname) || transport.isInsecure(this.host);
    const backoff = new Backoff(transport.timing);
    for (;;) {
      try {
        try {
          return await this.#greetAt(context, secure);
        } catch (error) {
          // Only a server that does not speak TLS is talked to without it, never one whose certificate is bad.
          if (!mayBePlain || !(error instanceof SlimError) || error.code !== "NETWORK" || isBadCertificate(error))
            throw error;
          return await this.#greetAt(context, plain);
        }
      } catch (error) {
        throwIfAborted(context.signal);
        if (!isWorthTrying(error)) throw error;
        await backoff.wait(context, error);
      }
    }
  }

  async #greetAt(context: Context, base: URL): Promise<Greeting> {
    const answer = await this.transport.send(context, { method: "GET", url: new URL("/v2/", base), headers: {} });
    if (isPassingStatus(answer.status)) {
      throw refusal(answer, "reach the registry", { host: this.host, credentials: undefined });
    }
    const header = answer.status === 401 ? answer.headers.get("www-authenticate") : null;
    return { base, challenge: choose(parseChallenges(header ?? "")), status: answer.status };
  }

  /** The header for a request, as far as is known what the registry wants. */
  async #authorization(context: Context, request: RegistryRequest): Promise<string | undefined> {
    const challenge = this.#challenge ?? (await this.greet(context)).challenge;
    // Nobody is asked for credentials that nobody wants.
    if (challenge === undefined) return undefined;
    const credentials = await this.credentials(context, request.repository);
    if (credentials?.kind === "bearer") return `Bearer ${credentials.token}`;
    if (challenge.scheme === "basic") return basic(credentials);
    return `Bearer ${(await this.#token(context, challenge, credentials, request.scopes)).value}`;
  }

  /** The header after a 401: a new token where the old one has expired or does not reach far enough. */
  async #renewed(
    context: Context,
    request: RegistryRequest,
    asked: Challenge,
    refused: string | undefined,
  ): Promise<string | undefined> {
    const credentials = await this.credentials(context, request.repository);
    if (credentials?.kind === "bearer") return `Bearer ${credentials.token}`;
    if (asked.scheme === "basic") {
      this.#challenge = asked;
      return basic(credentials);
    }
    // A refused token can make a registry point to another realm, which serves no one
    // (https://github.com/oras-project/oras-dotnet/pull/415): what it said to a stranger counts.
    const greeted = this.#challenge ?? (await this.greet(context)).challenge;
    const challenge = greeted?.scheme === "bearer" ? greeted : asked;
    this.#challenge = challenge;
    const scopes = mergeScopes([...request.scopes, ...splitScopes(asked.parameters.scope ?? "")]);
    for (const wanted of [request.scopes, scopes]) {
      const key = tokenKey(credentials, wanted);
      const known = await this.#tokens.get(key)?.catch(() => undefined);
      if (known !== undefined && `Bearer ${known.value}` === refused) this.#tokens.delete(key);
    }
    const token = await this.#token(context, challenge, credentials, scopes);
    // The next request with these scopes begins with the token that works.
    this.#tokens.set(tokenKey(credentials, request.scopes), Promise.resolve(token));
    return `Bearer ${token.value}`;
  }

  async #token(
    context: Context,
    challenge: Challenge,
    credentials: Credentials | undefined,
    scopes: readonly Scope[],
  ): Promise<Token> {
    const key = tokenKey(credentials, scopes);
    const kept = this.#tokens.get(key);
    const known = await kept?.catch(() => undefined);
    const expired = known !== undefined && known.expires <= performance.now();
    if (expired && this.#tokens.get(key) === kept) this.#tokens.delete(key);
    return shared(context, () =>
      remember(this.#tokens, key, () => this.#fetchToken(context, challenge, credentials, scopes)),
    );
  }

  async #fetchToken(
    context: Context,
    challenge: Challenge,
    credentials: Credentials | undefined,
    scopes: readonly Scope[],
  ): Promise<Token> {
    const { base } = await this.greet(context);
    const { realm, service } = challenge.parameters;
    if (realm === undefined) {
      throw new SlimError("REGISTRY", "it asks for a token but does not say where to get one", { where: base.origin });
    }
    const url = this.transport.follow(realm, base);
    const backoff = new Backoff(this.transport.timing);
    for (;;) {
      try {
        const answer = await this.#askToken(context, url, service, credentials, scopes);
        if (answer.status === 200) return readToken(answer);
        throw refusal(answer, "get a token", { host: this.host, credentials: credentials?.source });
      } catch (error) {
        throwIfAborted(context.signal);
        if (!isWorthTrying(error)) throw error;
        await backoff.wait(context, error);
      }
    }
  }

  async #askToken(
    context: Context,
    realm: URL,
    service: string | undefined,
    credentials: Credentials | undefined,
    scopes: readonly Scope[],
  ): Promise<Answer> {
    if (credentials?.kind === "identity") {
      const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: credentials.token });
      form.set("client_id", "slim-oci");
      if (service !== undefined) form.set("service", service);
      if (scopes.length > 0) form.set("scope", scopes.join(" "));
      const bytes = Buffer.from(form.toString());
      return this.transport.send(context, {
        method: "POST",
        url: realm,
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: { size: bytes.length, open: () => once(bytes) },
      });
    }
    const query = new URLSearchParams();
    if (credentials?.kind === "password") query.set("account", credentials.username);
    if (service !== undefined && !realm.searchParams.has("service")) query.set("service", service);
    for (const scope of scopes) query.append("scope", scope);
    // What the realm brings along is kept to the letter.
    const url = new URL(realm);
    url.search = [realm.search.slice(1), query.toString()].filter((part) => part !== "").join("&");
    const authorization = basic(credentials);
    return this.transport.send(context, {
      method: "GET",
      url,
      headers: authorization === undefined ? {} : { authorization },
    });
  }
}

/** Whether TLS itself worked and only its certificate is not trusted. */
function isBadCertificate(error: SlimError): boolean {
  return error.message.startsWith("its certificate");
}

/** Bearer before Basic, which would send the password with every request. Others are not for clients like this one. */
function choose(challenges: readonly Challenge[]): Challenge | undefined {
  const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.realm !== undefined);
  return bearer ?? challenges.find(({ scheme }) => scheme === "basic");
}

function basic(credentials: Credentials | undefined): string | undefined {
  if (credentials?.kind !== "password") return undefined;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
}

/** One entry for each name, with the actions of all: some token servers read only the first of several. */
export function mergeScopes(scopes: readonly Scope[]): readonly Scope[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const colon = scope.lastIndexOf(":");
    const name = scope.slice(0, Math.max(colon, 0));
    const set = actions.get(name) ?? new Set();
    for (const action of scope.slice(colon + 1).split(",")) set.add(action);
    actions.set(name, set);
  }
  return [...actions].map(([name, set]) => (name === "" ? [...set].join(",") : `${name}:${[...set].sort().join(",")}`));
}

/** Scopes of a challenge are divided by spaces; Gitea's is `*`: https://github.com/go-gitea/gitea/issues/25846 */
function splitScopes(text: string): readonly Scope[] {
  return text.split(" ").filter((scope) => scope !== "");
}

function tokenKey(credentials: Credentials | undefined, scopes: readonly Scope[]): string {
  return [credentials?.source ?? "", ...mergeScopes(scopes)].join("\n");
}

function scopesIn(token: Token): readonly Scope[] | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.value.split(".")[1] ?? "", "base64url").toString());
    if (!isRecord(claims) || !Array.isArray(claims.access)) return undefined;
    return claims.access.filter(isRecord).map(({ type, name, actions }) => `${type}:${name}:${String(actions)}`);
  } catch {
    return undefined;
  }
}

function readToken(answer: Answer): Token {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(answer.bytes));
  } catch {
    // The parser's message would quote the token.
  }
  const text = isRecord(body)
    ? [body.token, body.access_token].find((value) => typeof value === "string" && value !== "")
    : undefined;
  if (typeof text !== "string" || /[^\x21-\x7e]/.test(text)) {
    throw new SlimError("REGISTRY", "the token server gave no token", { where: redactUrl(answer.url.href) });
  }
  const given = isRecord(body) ? Number(body.expires_in) : Number.NaN;
  const life = Number.isFinite(given) && given > 0 ? given : TOKEN_LIFE;
  return { value: text, expires: performance.now() + life * 1000 * TOKEN_USE };
}

/** Waits for work that another caller may have begun; when that one gave up, begins it anew. */
async function shared<T>(context: Context, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const othersEnd = error instanceof SlimError && error.code === "ABORTED" && !context.signal.aborted;
      if (!othersEnd) throw error;
    }
  }
}

/** Work that several callers wait for is done once; what failed is forgotten. */
function remember<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const there = known.get(key);
  if (there !== undefined) return there;
  const made = make();
  known.set(key, made);
  made.catch(() => {
    if (known.get(key) === made) known.delete(key);
  });
  return made;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
