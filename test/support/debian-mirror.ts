import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { hashFile } from "../../src/base/files.ts";
import { findRoots } from "../../src/sources/debian/mirror.ts";

const run = promisify(execFile);

export interface DebianMirror {
  /** Of the main archive; the security archive is beside it. */
  readonly url: string;
  readonly folder: string;
  remove(): Promise<void>;
}

/**
 * The part of Debian trixie (amd64) that a test needs, as a mirror in a folder, fetched by apt with
 * all its checks: real indices with real signatures, and the packages asked for. Undefined where there
 * is no apt, or it reaches no mirror.
 */
export async function debianMirror(packages: readonly string[]): Promise<DebianMirror | undefined> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-debian-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const roots = await findRoots(undefined, process.env);
    const apt = await Apt.prepare(folder, roots);
    await apt.fetchIndices();
    await apt.fetchPackages(packages);
    return { url: pathToFileURL(path.join(folder, "debian")).href, folder, remove };
  } catch {
    await remove();
    return undefined;
  }
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

class Apt {
  readonly #folder: string;
  readonly #roots: { readonly main: string; readonly security: string };

  private constructor(folder: string, roots: { main: string; security: string }) {
    this.#folder = folder;
    this.#roots = roots;
  }

  static async prepare(folder: string, roots: { main: string; security: string }): Promise<Apt> {
    for (const name of ["lists/partial", "archives/partial", "etc/preferences.d", "etc/trusted.gpg.d"]) {
      await mkdir(path.join(folder, "apt", name), { recursive: true });
    }
    const source = (root: string, suite: string) => `deb [arch=amd64 signed-by=${keyring}] ${root} ${suite} main\n`;
    const sources = {
      gz: source(roots.main, "trixie"),
      xz: source(roots.main, "trixie-updates") + source(roots.security, "trixie-security"),
    };
    await writeFile(path.join(folder, "apt/gz.list"), sources.gz);
    await writeFile(path.join(folder, "apt/xz.list"), sources.xz);
    await writeFile(path.join(folder, "apt/all.list"), sources.gz + sources.xz);
    await writeFile(path.join(folder, "apt/status"), "");
    return new Apt(folder, roots);
  }

  /** The compressed files as they are on the mirror, laid out as there. */
  async fetchIndices(): Promise<void> {
    // Only trixie itself has gzip. apt keeps what it fetched as it was in the format it is told to prefer.
    await this.#run("gz", ["update"]);
    await this.#run("xz", ["update"]);
    const lists = path.join(this.#folder, "apt/lists");
    for (const name of await readdir(lists)) {
      const [, suite, file] = /_(trixie(?:-updates|-security)?)_(InRelease|main_.*\.[gx]z)$/.exec(name) ?? [];
      if (suite === undefined || file === undefined) continue;
      const archive = suite === "trixie-security" ? "debian-security" : "debian";
      const listed = path.join(lists, name);
      await this.#place(listed, `${archive}/dists/${suite}/${await hashedPath(listed, file)}`);
    }
  }

  async fetchPackages(packages: readonly string[]): Promise<void> {
    const { stdout } = await this.#run("all", ["download", "--print-uris", ...packages]);
    await this.#run("all", ["download", ...packages]);
    for (const [, url = "", name = ""] of stdout.matchAll(/^'([^']+)' (\S+)/gm)) {
      const archive = url.startsWith(`${this.#roots.security}/`) ? "debian-security" : "debian";
      await this.#place(
        path.join(this.#folder, "apt", name),
        `${archive}/${decodeURIComponent(url.slice(url.indexOf("/pool/") + 1))}`,
      );
    }
  }

  async #place(from: string, to: string): Promise<void> {
    const target = path.join(this.#folder, to);
    await mkdir(path.dirname(target), { recursive: true });
    await copyFile(from, target);
  }

  async #run(sources: "gz" | "xz" | "all", command: readonly string[]): Promise<{ stdout: string }> {
    const at = (name: string) => path.join(this.#folder, "apt", name);
    const format = sources === "xz" ? "xz" : "gz";
    const contents = "Acquire::IndexTargets::deb::Contents";
    const options = {
      "Dir::Etc": at("etc"),
      "Dir::Etc::SourceList": at(`${sources}.list`),
      "Dir::Etc::SourceParts": "-",
      "Dir::State::Lists": at("lists"),
      "Dir::State::Status": at("status"),
      "Dir::Cache": at("."),
      "Dir::Cache::Archives": at("archives"),
      "APT::Architecture": "amd64",
      "APT::Architectures": "amd64",
      "APT::Sandbox::User": "root",
      "APT::Get::List-Cleanup": "false",
      "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
      "Acquire::Languages": "none",
      "Acquire::GzipIndexes": "true",
      "Acquire::CompressionTypes::Order": format,
      "Acquire::IndexTargets::deb::Packages::KeepCompressedAs": format,
      ...(sources === "gz" && {
        [`${contents}::MetaKey`]: "main/Contents-amd64",
        [`${contents}::ShortDescription`]: "Contents",
        [`${contents}::Description`]: "Contents",
        [`${contents}::KeepCompressed`]: "true",
        [`${contents}::KeepCompressedAs`]: format,
      }),
    };
    const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    return await run("apt-get", [...flags, "-q", ...command], { cwd: at("."), maxBuffer: 2 ** 24 });
  }
}

/** `main_binary-amd64_Packages.gz` as apt names it, by hash as a mirror names it. */
async function hashedPath(file: string, name: string): Promise<string> {
  if (name === "InRelease") return name;
  const { digest } = await hashFile(file);
  return `${name.replaceAll("_", "/").replace(/[^/]*$/, "")}by-hash/SHA256/${digest.slice(7)}`;
}
