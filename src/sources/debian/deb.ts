import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { ioError, SlimError } from "../../base/error.ts";
import type { Digest } from "../../image/digest.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Content } from "../../layer/entry.ts";
import { decompress, type Range, readText } from "./bytes.ts";
import { cleanPath, linkStaysInside, mergedPath } from "./paths.ts";

/** What a package may be at most; the largest of Debian stay well below. */
const limits = { member: 2 ** 31, control: 2 ** 24, unpacked: 2 ** 32, ratio: 200, ratioFree: 2 ** 26, files: 200_000 };

/** A file of a package; the bytes of a regular one are a range of the pack. */
export type PackedFile =
  | {
      readonly type: "file";
      readonly path: string;
      readonly mode: number;
      readonly offset: number;
      readonly size: number;
      readonly digest: Digest;
      readonly md5: string;
    }
  | { readonly type: "directory"; readonly path: string; readonly mode: number }
  | { readonly type: "symlink"; readonly path: string; readonly mode: number; readonly target: string };

/** A `.deb` taken apart, as the cache keeps it. */
export interface Unpacked {
  readonly control: string;
  readonly hasMaintainerScripts: boolean;
  /** The script that finishes an installation. */
  readonly postinst?: string;
  readonly files: readonly PackedFile[];
  /** The bytes of all regular files, one after another: one file to write and to check, not hundreds. */
  readonly pack: Digest;
}

/**
 * Takes a `.deb` that lies in the cache apart. Nothing is kept when anything is wrong with it.
 * https://manpages.debian.org/deb.5
 * @throws SlimError `DEBIAN` when it is damaged, `ARCHIVE_UNSAFE` when a path leaves its root or a bound is passed
 */
export async function unpackDeb(cache: Cache, deb: Content, where: string): Promise<Unpacked> {
  const members = await arMembers(cache.pathOf(deb.digest), deb.size, where);
  if (members[0]?.name !== "debian-binary") throw new SlimError("DEBIAN", "is not a Debian package", { where });
  const control = await readControl(memberNamed(members, "control.tar", where), where);
  const data = memberNamed(members, "data.tar", where);
  const limit = Math.min(limits.unpacked, limits.ratioFree + limits.ratio * data.size);
  const list = new FileList(where);
  const { digest } = await cache.add(list.read(tarEntries(decompress(data.name, data, limit, where), where)));
  return { ...control, files: list.finish(), pack: digest };
}

interface Member extends Range {
  readonly name: string;
}

function memberNamed(members: readonly Member[], base: string, where: string): Member {
  const member = members.find(({ name }) => name === base || name.startsWith(`${base}.`));
  if (member === undefined) throw new SlimError("DEBIAN", `has no ${base}`, { where });
  return member;
}

/** https://manpages.debian.org/deb.5: a header of 60 bytes, the content, filled up to an even length. */
async function arMembers(file: string, size: number, where: string): Promise<Member[]> {
  const members: Member[] = [];
  const handle = await open(file).catch((error: unknown) => {
    throw ioError(error, file, "read the cache");
  });
  try {
    const read = async (position: number, length: number) =>
      (await handle.read(Buffer.alloc(length), 0, length, position)).buffer.toString("latin1");
    if ((await read(0, 8)) !== "!<arch>\n") throw new SlimError("DEBIAN", "is not an ar archive", { where });
    for (let at = 8; at < size; ) {
      const header = /^(.{16}).{32}([0-9]{1,10}) *`\n$/s.exec(await read(at, 60));
      if (header?.[1] === undefined) throw new SlimError("DEBIAN", "has a damaged ar header", { where });
      const member = { name: header[1].trim().replace(/\/$/, ""), file, start: at + 60, size: Number(header[2]) };
      if (member.size > limits.member || member.start + member.size > size || members.length === 16) {
        throw new SlimError("ARCHIVE_UNSAFE", `member ${member.name} leaves the archive or its bounds`, { where });
      }
      members.push(member);
      at = member.start + member.size + (member.size % 2);
    }
  } finally {
    await handle.close();
  }
  return members;
}

const scripts = new Set(["preinst", "postinst", "prerm", "postrm", "config"]);

async function readControl(member: Member, where: string): Promise<Omit<Unpacked, "files" | "pack">> {
  let control: string | undefined;
  let postinst: string | undefined;
  let hasMaintainerScripts = false;
  for await (const { header, body } of tarEntries(decompress(member.name, member, limits.control, where), where)) {
    const name = cleanPath(header.name, where);
    if (scripts.has(name)) hasMaintainerScripts = true;
    if (name === "control") control = await readText(body, limits.control, where);
    if (name === "postinst") postinst = await readText(body, limits.control, where);
  }
  if (control === undefined) throw new SlimError("DEBIAN", "has no control file", { where });
  return { control, hasMaintainerScripts, ...(postinst === undefined ? {} : { postinst }) };
}

interface TarEntry {
  readonly header: {
    readonly name: string;
    readonly type?: string | null | undefined;
    readonly mode?: number | undefined;
    readonly linkname?: string | null | undefined;
  };
  readonly body: AsyncIterable<Uint8Array>;
}

async function* tarEntries(source: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<TarEntry> {
  const { extract: newExtract } = await import("tar-stream");
  const extract = newExtract();
  let failure: unknown;
  const written = pipeline(source, extract).catch((error: unknown) => {
    failure = error;
  });
  try {
    for await (const entry of extract) {
      yield { header: entry.header, body: entry as AsyncIterable<Uint8Array> };
      // What was not read is passed over.
      entry.resume();
    }
  } catch (error) {
    await written;
    if (failure instanceof SlimError) throw failure;
    throw new SlimError("DEBIAN", "holds a damaged tar archive", { where, cause: failure ?? error });
  } finally {
    extract.destroy();
    await written;
  }
}

/** Collects what is in `data.tar`, and passes on the bytes of its files. */
class FileList {
  readonly #where: string;
  readonly #files = new Map<string, PackedFile>();
  #offset = 0;

  constructor(where: string) {
    this.#where = where;
  }

  async *read(entries: AsyncIterable<TarEntry>): AsyncGenerator<Uint8Array> {
    for await (const { header, body } of entries) {
      const name = cleanPath(header.name, this.#where);
      if (name === "") continue;
      const common = { path: mergedPath(`/${name}`, header.type === "directory"), mode: (header.mode ?? 0) & 0o7777 };
      switch (header.type) {
        case "file":
          yield* this.#readFile(common, body);
          break;
        case "directory":
          this.#add({ type: "directory", ...common });
          break;
        case "symlink":
          this.#add({ type: "symlink", ...common, target: this.#linkTarget(common.path, header.linkname) });
          break;
        case "link":
          this.#add({ ...this.#linkedFile(common.path, header.linkname), ...common });
          break;
        default:
          throw this.#unsafe(`${common.path} is a ${header.type}`);
      }
    }
    for (const file of this.#files.values()) this.#checkParents(file.path);
  }

  finish(): PackedFile[] {
    return [...this.#files.values()];
  }

  async *#readFile(
    common: { path: string; mode: number },
    body: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const [sha256, md5] = [createHash("sha256"), createHash("md5")];
    const offset = this.#offset;
    for await (const chunk of body) {
      sha256.update(chunk);
      md5.update(chunk);
      this.#offset += chunk.length;
      yield chunk;
    }
    const digest: Digest = `sha256:${sha256.digest("hex")}`;
    this.#add({ type: "file", ...common, offset, size: this.#offset - offset, digest, md5: md5.digest("hex") });
  }

  #add(file: PackedFile): void {
    const before = this.#files.get(file.path);
    if (before !== undefined && !(before.type === "directory" && file.type === "directory")) {
      throw this.#unsafe(`${file.path} is there twice`);
    }
    if (this.#files.size === limits.files) throw this.#unsafe(`has more than ${limits.files} files`);
    this.#files.set(file.path, before ?? file);
  }

  #linkTarget(path: string, target: string | null | undefined): string {
    if (!target || !linkStaysInside(path, target)) throw this.#unsafe(`${path} links to ${target}, out of the root`);
    return target;
  }

  #linkedFile(path: string, target: string | null | undefined): PackedFile & { type: "file" } {
    const linked = this.#files.get(mergedPath(`/${cleanPath(target ?? "", this.#where)}`, false));
    if (linked?.type !== "file") throw this.#unsafe(`${path} is a hard link to ${target}, which is no file before it`);
    return linked;
  }

  #checkParents(path: string): void {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const parent = this.#files.get(path.slice(0, end));
      if (parent !== undefined && parent.type !== "directory") {
        throw this.#unsafe(`${path} is below ${parent.path}, which is a ${parent.type}`);
      }
    }
  }

  #unsafe(what: string): SlimError {
    return new SlimError("ARCHIVE_UNSAFE", what, { where: this.#where });
  }
}
