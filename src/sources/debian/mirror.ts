import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "../../base/context.ts";
import { ioError, SlimError, systemCode } from "../../base/error.ts";
import { compareStrings, statOrUndefined } from "../../base/files.ts";
import { download, redactUrl } from "../../base/http.ts";
import type { Archive } from "./lock.ts";
import { stanza } from "./package.ts";

/** How many files are fetched at a time, so that a mirror is not flooded. */
const CONNECTIONS = 6;

/** Where the trees of the two archives are, without slash at the end. */
export type Roots = Readonly<Record<Archive, string>>;

/** Debian's files, wherever the machine gets them from. */
export class Mirror {
  readonly #context: Context;
  readonly #configured: string | undefined;
  #roots: Promise<Roots> | undefined;
  #free = CONNECTIONS;
  readonly #waiting: (() => void)[] = [];

  constructor(context: Context, configured: string | undefined) {
    this.#context = context;
    this.#configured = configured;
  }

  /**
   * Hands the bytes of a file, and its URL for messages, to `use`, which may be called again when the
   * connection breaks.
   * @throws SlimError `NOT_FOUND`, `NETWORK`, or `CONFIG` when there is no mirror
   */
  async fetch<T>(
    archive: Archive,
    file: string,
    use: (body: AsyncIterable<Uint8Array>, url: string) => Promise<T>,
  ): Promise<T> {
    this.#roots ??= findRoots(this.#configured, this.#context.env);
    const root = (await this.#roots)[archive];
    // Escaped as apt does it: some servers take a bare + for a space.
    const url = `${root}/${file.split("/").map(encodeURIComponent).join("/")}`;
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      if (url.startsWith("file:")) return await readLocal(url, use);
      return await download(this.#context, url, (body) => use(body, redactUrl(url)));
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

async function readLocal<T>(
  url: string,
  use: (body: AsyncIterable<Uint8Array>, url: string) => Promise<T>,
): Promise<T> {
  const file = fileURLToPath(url);
  if ((await statOrUndefined(file)) === undefined)
    throw new SlimError("NOT_FOUND", "there is no such file", { where: url });
  return await use(createReadStream(file), url);
}

/**
 * The mirror to use: what is configured, else `SLIM_DEBIAN_MIRROR`, else the first of apt's sources
 * that is one of Debian itself. The security archive is `SLIM_DEBIAN_SECURITY_MIRROR`, else beside the
 * configured one, else apt's.
 * @throws SlimError `CONFIG`
 */
export async function findRoots(
  configured: string | undefined,
  env: Context["env"],
  aptFolder = "/etc/apt",
): Promise<Roots> {
  const main = configured ?? (env.SLIM_DEBIAN_MIRROR || undefined);
  const security = env.SLIM_DEBIAN_SECURITY_MIRROR || undefined;
  if (main !== undefined) return roots(main, security);
  const sources = await aptSources(aptFolder);
  const first = sources.find(({ archive }) => archive === "main");
  if (first === undefined) {
    throw new SlimError("CONFIG", "no mirror of Debian is known", {
      hint: "set SLIM_DEBIAN_MIRROR to the URL of one (it ends in /debian)",
    });
  }
  return roots(first.url, security ?? sources.find(({ archive }) => archive === "security")?.url);
}

function roots(main: string, security: string | undefined): Roots {
  const url = mirrorUrl(main);
  return { main: url, security: security === undefined ? sibling(url) : mirrorUrl(security) };
}

/** `.../debian` has `.../debian-security` beside it, also in a dated snapshot. */
function sibling(main: string): string {
  return main.replace(/^(.*?)((?:\/[0-9]{8}T[0-9]{6}Z)?)$/, "$1-security$2");
}

function mirrorUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:", "file:"].includes(url.protocol)) {
    throw new SlimError("CONFIG", "the mirror of Debian is not an http, https or file URL");
  }
  if (url.username !== "" || url.password !== "") {
    throw new SlimError("CONFIG", "the URL of a mirror of Debian cannot hold credentials", { where: redactUrl(text) });
  }
  return `${url.origin === "null" ? "file://" : url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

interface AptSource {
  readonly url: string;
  readonly archive: Archive;
}

const suite =
  /^(?:buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)(-security|\/updates|-updates)?$/;
/** Others also name their suites `stable` and `bookworm`; Debian's own tree is a folder called after it. */
const tree = /\/debian[^/]*(?:\/[0-9]{8}T[0-9]{6}Z)?\/*$/;

/** The entries of apt's sources that are Debian's own, in apt's order. https://manpages.debian.org/sources.list.5 */
async function aptSources(folder: string): Promise<AptSource[]> {
  const parts = path.join(folder, "sources.list.d");
  const files = [path.join(folder, "sources.list"), ...(await names(parts)).map((name) => path.join(parts, name))];
  const found: AptSource[] = [];
  for (const file of files) {
    const text = await readOrUndefined(file);
    if (text === undefined) continue;
    const entries = file.endsWith(".sources") ? deb822Entries(text) : oneLineEntries(text);
    for (const { uri, suites, components } of entries) {
      const kind = suites.map((name) => suite.exec(name)).find((match) => match !== null);
      if (kind === undefined || !components.includes("main") || !tree.test(uri) || !/^(?:https?|file):/.test(uri))
        continue;
      found.push({ url: uri, archive: kind[1] === "-security" || kind[1] === "/updates" ? "security" : "main" });
    }
  }
  return found;
}

interface AptEntry {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

function oneLineEntries(text: string): AptEntry[] {
  return text.split("\n").flatMap((line) => {
    const entry = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (entry?.[1] === undefined || entry[2] === undefined || entry[3] === undefined) return [];
    return [{ uri: entry[1], suites: [entry[2]], components: words(entry[3]) }];
  });
}

function deb822Entries(text: string): AptEntry[] {
  const stanzas = text.replace(/^#.*\n?/gm, "").split(/\n\s*\n/);
  return stanzas.flatMap((one) => {
    const fields = new Map([...stanza(one)].map(([name, value]) => [name.toLowerCase(), value]));
    if (!words(fields.get("types")).includes("deb") || /^(?:no|false|0|off)$/i.test(fields.get("enabled") ?? ""))
      return [];
    const [suites, components] = [words(fields.get("suites")), words(fields.get("components"))];
    return words(fields.get("uris")).map((uri) => ({ uri, suites, components }));
  });
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /\.(?:list|sources)$/.test(name)).sort(compareStrings);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw ioError(error, folder, "read");
  }
}

async function readOrUndefined(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw ioError(error, file, "read");
  }
}
