import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { aborted, type Context } from "../../base/context.ts";
import { ioError, SlimError, systemCode } from "../../base/error.ts";
import { writeAtomically } from "../../base/files.ts";
import type { Login, RegistryOptions } from "./options.ts";
import { clean, isRecord } from "./problem.ts";

/** What proves who asks, and where it was found. Only `source` may ever be shown. */
export type Credentials = { readonly source: string } & (
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token, exchanged for others by POST: https://distribution.github.io/distribution/spec/auth/oauth/ */
  | { readonly kind: "identity"; readonly token: string }
  /** A bearer token that is sent as it is. */
  | { readonly kind: "bearer"; readonly token: string }
);

/** Docker Hub's name in every credential store: https://github.com/docker/cli/blob/master/cli/config/configfile/file.go */
const HUB = "docker.io";
const HUB_KEY = "https://index.docker.io/v1/";
/** What helpers give as the user name of an identity token. */
const IDENTITY = "<token>";
/** A helper that takes longer has opened a window that nobody sees, in milliseconds. */
const HELPER_TIME = 60_000;
const LARGEST = 1024 * 1024;

/**
 * Finds the credentials for a repository: those of the options, then file by file (the one of the
 * options alone, or Docker's, `REGISTRY_AUTH_FILE`, Podman's), and in each the host's own helper, the
 * general helper, and what is written there. The host must match exactly; Podman's files may also
 * name a path below it, of which the longest counts.
 * @throws SlimError `CONFIG` for a damaged file, or a chosen one that is missing, `AUTH` for a helper that fails
 */
export async function findCredentials(
  context: Context,
  options: Pick<RegistryOptions, "credentials" | "registryConfig">,
  host: string,
  repository?: string,
): Promise<Credentials | undefined> {
  const given = options.credentials?.[host];
  if (given !== undefined) return { kind: "password", source: "the caller's own credentials", ...given };
  for (const file of configFiles(context, options.registryConfig)) {
    const config = await readConfig(file);
    if (config === undefined && file === options.registryConfig) {
      throw new SlimError("CONFIG", "cannot read the credentials: no such file", { where: file });
    }
    if (config === undefined) continue;
    const found = await inConfig(context, config, file, host, repository);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Stores a login where Docker would: with the helper that is configured for the host, else in the
 * file, which only its owner may read. Gives back the place, to be shown.
 * @throws SlimError `IO`, `CONFIG`, `AUTH` for a helper that fails
 */
export async function storeLogin(
  context: Context,
  options: Pick<RegistryOptions, "registryConfig">,
  host: string,
  login: Login,
): Promise<string> {
  const file = configFiles(context, options.registryConfig)[0] as string;
  const config = (await readConfig(file)) ?? {};
  const helper = helperFor(config, host);
  if (helper !== undefined) {
    const secret = { ServerURL: keyOf(host), Username: login.username, Secret: login.password };
    await runHelper(context, helper, "store", JSON.stringify(secret));
    return `the credential helper ${helper}`;
  }
  const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const auths = withoutHost(config, host);
  await writeConfig(file, { ...config, auths: { ...auths, [keyOf(host)]: { auth } } });
  return shown(context, file);
}

/**
 * Forgets a login, in the helper and in the file. Gives back the places it was removed from; none
 * means that there was none.
 * @throws SlimError `IO`, `CONFIG`, `AUTH` for a helper that fails
 */
export async function eraseLogin(
  context: Context,
  options: Pick<RegistryOptions, "registryConfig">,
  host: string,
): Promise<readonly string[]> {
  const places: string[] = [];
  for (const file of configFiles(context, options.registryConfig)) {
    const config = await readConfig(file);
    if (config === undefined) continue;
    const helper = helperFor(config, host);
    if (helper !== undefined && (await askHelper(context, helper, host)) !== undefined) {
      await runHelper(context, helper, "erase", keyOf(host));
      places.push(`the credential helper ${helper}`);
    }
    const auths = withoutHost(config, host);
    if (Object.keys(auths).length === Object.keys(authsOf(config)).length) continue;
    await writeConfig(file, { ...config, auths });
    places.push(shown(context, file));
  }
  return places;
}

/**
 * The hosts that logins are configured for, and where; never what they are.
 * @throws SlimError `CONFIG` for a damaged file
 */
export async function listLogins(
  context: Context,
  options: Pick<RegistryOptions, "registryConfig"> = {},
): Promise<readonly string[]> {
  const logins: string[] = [];
  for (const file of configFiles(context, options.registryConfig)) {
    const config = (await readConfig(file)) ?? {};
    const { credHelpers, credsStore } = config;
    for (const [host, helper] of Object.entries(isRecord(credHelpers) ? credHelpers : {})) {
      logins.push(`${normalKey(host)} (docker-credential-${helper})`);
    }
    if (typeof credsStore === "string" && credsStore !== "") logins.push(`any (docker-credential-${credsStore})`);
    for (const host of Object.keys(authsOf(config))) logins.push(`${normalKey(host)} (${shown(context, file)})`);
  }
  return logins;
}

/** The files that may hold credentials, the first of which is written to. */
function configFiles({ env }: Context, chosen: string | undefined): readonly string[] {
  if (chosen !== undefined) return [chosen];
  const home = env.HOME ?? homedir();
  const docker = env.DOCKER_CONFIG || path.join(home, ".docker");
  const runtime = env.XDG_RUNTIME_DIR;
  return [
    path.join(docker, "config.json"),
    ...(env.REGISTRY_AUTH_FILE ? [env.REGISTRY_AUTH_FILE] : []),
    ...(runtime ? [path.join(runtime, "containers", "auth.json")] : []),
    path.join(env.XDG_CONFIG_HOME || path.join(home, ".config"), "containers", "auth.json"),
  ];
}

type Config = Readonly<Record<string, unknown>>;

async function readConfig(file: string): Promise<Config | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw ioError(error, file, "read the credentials");
  }
  try {
    const config: unknown = text.trim() === "" ? {} : JSON.parse(text);
    if (isRecord(config)) return config;
  } catch {
    // The parser's message would quote what may be a secret.
  }
  throw new SlimError("CONFIG", "is not a JSON object", {
    where: file,
    hint: "repair or remove it, then log in again",
  });
}

async function inConfig(
  context: Context,
  config: Config,
  file: string,
  host: string,
  repository: string | undefined,
): Promise<Credentials | undefined> {
  const helper = helperFor(config, host);
  const stored = helper === undefined ? undefined : await askHelper(context, helper, host);
  if (stored !== undefined) return stored;
  const place = `credentials from ${shown(context, file)}`;
  for (const key of keysFor(host, repository)) {
    const entries = Object.entries(authsOf(config)).filter(([name]) => normalKey(name) === key);
    const best = entries.find(([name]) => name === keyOf(host)) ?? entries[0];
    const found = best === undefined || !isRecord(best[1]) ? undefined : fromEntry(best[1], place, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** From the most to the least specific: `host/a/b`, `host/a`, `host`. containers-auth.json(5) */
function keysFor(host: string, repository: string | undefined): readonly string[] {
  const parts = repository?.split("/") ?? [];
  return [...parts.keys(), parts.length].map((count) => [host, ...parts.slice(0, count)].join("/")).reverse();
}

/** Keys are hosts, hosts with a path, or URLs from the days of the first registry protocol. */
function normalKey(key: string): string {
  const [, scheme, rest = ""] = /^(https?:\/\/)?(.*?)\/*$/.exec(key) ?? [];
  // Only of a URL is the path no part of the name.
  const name = scheme === undefined ? rest.replace(/\/v[12]$/, "") : rest.replace(/\/.*$/, "");
  const host = name.replace(/\/.*$/, "").toLowerCase();
  const hub = host === "index.docker.io" || host === "registry-1.docker.io";
  return (hub ? HUB : host) + name.slice(host.length);
}

function fromEntry(entry: Record<string, unknown>, source: string, file: string): Credentials | undefined {
  const text = (name: string) => (typeof entry[name] === "string" && entry[name] !== "" ? entry[name] : undefined);
  const bearer = text("registrytoken");
  if (bearer !== undefined) return { kind: "bearer", source, token: bearer };
  const identity = text("identitytoken");
  if (identity !== undefined) return { kind: "identity", source, token: identity };
  const auth = text("auth");
  if (auth === undefined) {
    const [username, password] = [text("username"), text("password")];
    return username === undefined || password === undefined ? undefined : fromLogin(username, password, source);
  }
  const decoded = Buffer.from(auth, "base64").toString();
  const colon = decoded.indexOf(":");
  if (colon < 0) throw new SlimError("CONFIG", 'an "auth" is not the base64 of user:password', { where: file });
  // Docker writes a NUL after passwords that came from old versions.
  return fromLogin(decoded.slice(0, colon), decoded.slice(colon + 1).replace(/\0+$/, ""), source);
}

function fromLogin(username: string, password: string, source: string): Credentials {
  if (username === IDENTITY) return { kind: "identity", source, token: password };
  return { kind: "password", source, username, password };
}

function authsOf(config: Config): Readonly<Record<string, unknown>> {
  return isRecord(config.auths) ? config.auths : {};
}

function withoutHost(config: Config, host: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(authsOf(config)).filter(([key]) => normalKey(key) !== host));
}

function keyOf(host: string): string {
  return host === HUB ? HUB_KEY : host;
}

/** The helper of the host, else the general one. An empty name switches the general one off. */
function helperFor(config: Config, host: string): string | undefined {
  const own = isRecord(config.credHelpers) ? (config.credHelpers[keyOf(host)] ?? config.credHelpers[host]) : undefined;
  const helper = own ?? config.credsStore;
  return typeof helper === "string" && /^[\w.-]+$/.test(helper) ? helper : undefined;
}

/** https://github.com/docker/docker-credential-helpers#development */
async function askHelper(context: Context, helper: string, host: string): Promise<Credentials | undefined> {
  const answer = await runHelper(context, helper, "get", keyOf(host));
  if (answer === undefined) return undefined;
  const source = `credentials from the helper docker-credential-${helper}`;
  try {
    const { Username, Secret } = JSON.parse(answer);
    if (typeof Username === "string" && typeof Secret === "string") {
      return Secret === "" ? undefined : fromLogin(Username, Secret, source);
    }
  } catch {
    // The parser's message would quote the secret.
  }
  throw new SlimError("AUTH", "the credential helper gave no user name and secret", {
    where: `docker-credential-${helper}`,
  });
}

/** What a helper prints, or undefined when it has nothing for the host. */
function runHelper(
  context: Context,
  helper: string,
  verb: "get" | "store" | "erase",
  input: string,
): Promise<string | undefined> {
  const command = `docker-credential-${helper}`;
  const hint = "run it by hand, or take it out of the configuration";
  return new Promise((resolve, reject) => {
    const fail = (message: string) => reject(new SlimError("AUTH", message, { where: command, hint }));
    // Not spawn's own timeout: its timer keeps Node.js alive when there is no such program.
    const late = AbortSignal.timeout(HELPER_TIME);
    const child = spawn(command, [verb], {
      env: context.env,
      signal: AbortSignal.any([context.signal, late]),
      stdio: ["pipe", "pipe", "ignore"],
      shell: false,
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < LARGEST) output += text;
    });
    // A helper that fails at once closes its input before it has read it.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", (error) => {
      if (context.signal.aborted) return reject(aborted(context.signal.reason));
      if (late.aborted) return fail("the credential helper does not answer");
      const missing = systemCode(error) === "ENOENT";
      if (!missing || verb !== "get") {
        fail(missing ? "the configured credential helper is not installed" : "the credential helper cannot be run");
        return;
      }
      // Configurations move between machines, and what is public can be read without.
      context.report({ type: "warning", message: `the configured credential helper ${command} is not installed` });
      resolve(undefined);
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(output);
      // Helpers say so on stdout, in these words: credentials/error.go of docker-credential-helpers.
      if (/credentials not found|no credentials (?:server|username)|could not be found in/i.test(output)) {
        return resolve(undefined);
      }
      const how = signal === null ? `exit code ${code}` : signal;
      fail(
        verb === "get"
          ? `the credential helper failed (${how}): ${clean(output)}`
          : `the credential helper failed (${how})`,
      );
    });
  });
}

/** Readable by its owner only, whatever it was before. */
async function writeConfig(file: string, config: Config): Promise<void> {
  await writeAtomically(
    file,
    async (handle) => {
      await handle.chmod(0o600);
      await handle.writeFile(`${JSON.stringify(config, undefined, "\t")}\n`);
    },
    "write the credentials",
  );
}

/** `~/.docker/config.json` rather than the full path, which names the user. */
function shown({ env }: Context, file: string): string {
  const home = env.HOME ?? homedir();
  return file.startsWith(`${home}${path.sep}`) ? `~${file.slice(home.length)}` : file;
}
