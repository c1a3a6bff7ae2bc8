import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import * as openpgp from "openpgp";
import { pack } from "tar-stream";

/** A member of a tar archive, as tar-stream takes it. */
export interface Member {
  readonly name: string;
  readonly type?: "file" | "directory" | "symlink" | "link" | "character-device" | "fifo";
  readonly linkname?: string;
  readonly mode?: number;
  readonly content?: string | Buffer;
}

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture?: string;
  readonly members?: readonly Member[];
  readonly deb?: Buffer;
}

const date = new Date(0);

async function tar(members: readonly Member[]): Promise<Buffer> {
  const packing = pack();
  for (const { content = "", ...header } of members) packing.entry({ mtime: date, mode: 0o644, ...header }, content);
  packing.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packing) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** An ar archive as dpkg writes it. */
export function ar(members: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(members).flatMap(([name, content]) => {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
    return [
      Buffer.from(`${header}${String(content.length).padEnd(10)}\`\n`),
      content,
      Buffer.alloc(content.length % 2, "\n"),
    ];
  });
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}

/** A `.deb` with the control file alone, or more members of its control archive. */
export async function deb(one: Package, control: readonly Member[] = []): Promise<Buffer> {
  const { name, version, architecture = "amd64", members = [] } = one;
  const text = `Package: ${name}\nSource: ${name}-source (1)\nVersion: ${version}\nArchitecture: ${architecture}\n`;
  return ar({
    "debian-binary": Buffer.from("2.0\n"),
    "control.tar.gz": gzipSync(await tar([{ name: "./control", content: text }, ...control])),
    "data.tar.gz": gzipSync(await tar(members)),
  });
}

export function sha256(bytes: Buffer | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export interface Key {
  readonly armored: string;
  readonly secret: openpgp.PrivateKey;
}

export async function newKey(options: { date?: Date; expires?: number } = {}): Promise<Key> {
  const { privateKey, publicKey } = await openpgp.generateKey({
    userIDs: [{ name: "A test" }],
    format: "object",
    date: options.date ?? new Date("2026-01-01"),
    keyExpirationTime: options.expires ?? 0,
  });
  return { armored: publicKey.armor(), secret: privateKey };
}

export async function clearSign(text: string, keys: readonly Key[], date = new Date("2026-06-01")): Promise<string> {
  const message = await openpgp.createCleartextMessage({ text });
  return (await openpgp.sign({ message, signingKeys: keys.map(({ secret }) => secret), date })) as string;
}

export interface Suite {
  readonly archive?: "debian" | "debian-security";
  readonly name?: string;
  readonly packages?: readonly Package[];
  readonly contents?: string;
  readonly date?: string;
  readonly validUntil?: string;
}

/** An archive like Debian's, signed with a key of its own, on a local server. */
export class DebianArchive {
  readonly key: Key;
  /** By path on the server; to be damaged by tests. */
  readonly files = new Map<string, Buffer>();
  readonly requests: string[] = [];
  /** Paths whose connection breaks in the middle of the next answer. */
  readonly breaks = new Set<string>();
  readonly #server: http.Server;

  private constructor(key: Key, server: http.Server) {
    this.key = key;
    this.#server = server;
  }

  static async start(): Promise<DebianArchive> {
    const server = http.createServer();
    const archive = new DebianArchive(await newKey(), server);
    server.on("request", (request, response) => {
      const path = decodeURIComponent(request.url ?? "");
      archive.requests.push(path);
      const file = archive.files.get(path);
      response.writeHead(file === undefined ? 404 : 200, file && { "content-length": file.length });
      if (file !== undefined && archive.breaks.delete(path)) {
        response.write(file.subarray(0, file.length / 2), () => response.destroy());
      } else {
        response.end(file);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await archive.publish({});
    await archive.publish({ archive: "debian-security", name: "trixie-security" });
    return archive;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/debian`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Puts a suite there, in the place of what was of it. */
  async publish(suite: Suite): Promise<void> {
    const { archive = "debian", name = "trixie", packages = [], contents = "" } = suite;
    const dists = `/${archive}/dists/${name}`;
    const hashes: string[] = [];
    const add = (file: string, text: string) => {
      const packed = gzipSync(text);
      hashes.push(` ${sha256(text)} ${text.length} ${file}`, ` ${sha256(packed)} ${packed.length} ${file}.gz`);
      this.files.set(`${dists}/${file.replace(/[^/]*$/, "")}by-hash/SHA256/${sha256(packed)}`, packed);
    };
    add("main/binary-amd64/Packages", (await Promise.all(packages.map((one) => this.#add(archive, one)))).join("\n"));
    add("main/Contents-amd64", contents);
    const fields = [
      "Origin: Test",
      `Codename: ${name}`,
      `Date: ${suite.date ?? "Mon, 01 Jun 2026 00:00:00 UTC"}`,
      ...(suite.validUntil === undefined ? [] : [`Valid-Until: ${suite.validUntil}`]),
      "Acquire-By-Hash: yes",
      "SHA256:",
      ...hashes,
    ];
    this.files.set(`${dists}/InRelease`, Buffer.from(await clearSign(`${fields.join("\n")}\n`, [this.key])));
  }

  async #add(archive: string, one: Package): Promise<string> {
    const bytes = one.deb ?? (await deb(one));
    const filename = `pool/main/${one.name}_${one.version.replace(/^.*:/, "")}.deb`;
    this.files.set(`/${archive}/${filename}`, bytes);
    const { name, version, architecture = "amd64" } = one;
    return `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nDescription: a test\n of Size: 7\nFilename: ${filename}\nSize: ${bytes.length}\nSHA256: ${sha256(bytes)}\n`;
  }
}
