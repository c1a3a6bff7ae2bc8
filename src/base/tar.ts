import { SlimError } from "./error.ts";
import { CHUNK } from "./files.ts";

/**
 * A member to write. `path` has no slash at either end; times are seconds since the epoch.
 * Owners have numbers only: names would be looked up on whatever machine unpacks the archive.
 */
export interface TarMember {
  readonly path: string;
  readonly type: "file" | "link" | "directory" | "symlink";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  /** Bytes of a file. */
  readonly size: number;
  /** Target of a symbolic link; of a hard link the path of a member before it. */
  readonly target?: string;
  readonly open?: () => AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
const typeflags = { file: "0", link: "1", symlink: "2", directory: "5", pax: "x" } as const;

/**
 * Writes a tar in the POSIX ustar format, with a pax header only for what ustar cannot say
 * (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html). The bytes depend on the
 * members alone. Chunks are at most 64 KiB plus padding.
 * @throws SlimError `INVALID` when a file's content does not have the size it was announced with
 */
export async function* writeTar(members: Iterable<TarMember> | AsyncIterable<TarMember>): AsyncGenerator<Uint8Array> {
  for await (const member of members) {
    yield* headersOf(member);
    if (member.type !== "file" || member.size === 0) continue;
    let written = 0;
    for await (const chunk of member.open?.() ?? []) {
      written += chunk.length;
      for (let at = 0; at < chunk.length; at += CHUNK) yield chunk.subarray(at, at + CHUNK);
    }
    if (written !== member.size) {
      throw new SlimError("INVALID", `has ${written} bytes where ${member.size} were expected`, {
        where: member.path,
        hint: "a file changed while the image was built; run again",
      });
    }
    const padding = -written & (BLOCK - 1);
    if (padding > 0) yield Buffer.alloc(padding);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function* headersOf(member: TarMember): Generator<Uint8Array> {
  const name = Buffer.from(member.type === "directory" ? `${member.path}/` : member.path);
  const target = Buffer.from(member.target ?? "");
  const split = splitName(name);
  const records: string[] = [];
  if (split === undefined || !isAscii(name)) records.push(paxRecord("path", name.toString()));
  if (target.length > 100 || !isAscii(target)) records.push(paxRecord("linkpath", target.toString()));
  if (member.size > 0o77777777777) records.push(paxRecord("size", String(member.size)));
  if (records.length > 0) {
    const body = Buffer.from(records.sort().join(""));
    yield block({ name: Buffer.from("PaxHeader"), prefix: Buffer.alloc(0) }, typeflags.pax, {
      ...plain,
      size: body.length,
    });
    yield body;
    const padding = -body.length & (BLOCK - 1);
    if (padding > 0) yield Buffer.alloc(padding);
  }
  const size = member.size > 0o77777777777 ? 0 : member.size;
  yield block(split ?? { name: name.subarray(0, 100), prefix: Buffer.alloc(0) }, typeflags[member.type], {
    ...member,
    size,
    target: target.subarray(0, 100),
  });
}

const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0, target: Buffer.alloc(0) };

/** The two name fields of ustar: at most 100 bytes, after a prefix of at most 155 cut at a slash. */
function splitName(name: Buffer): { name: Buffer; prefix: Buffer } | undefined {
  if (name.length <= 100) return { name, prefix: Buffer.alloc(0) };
  for (let slash = name.indexOf(0x2f); slash >= 0 && slash <= 155; slash = name.indexOf(0x2f, slash + 1)) {
    const rest = name.subarray(slash + 1);
    if (slash > 0 && rest.length > 0 && rest.length <= 100) return { name: rest, prefix: name.subarray(0, slash) };
  }
  return undefined;
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}

/** `length key=value\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

type Fields = { mode: number; uid: number; gid: number; mtime: number; size: number; target: Buffer };

function block(names: { name: Buffer; prefix: Buffer }, typeflag: string, fields: Fields): Buffer {
  const header = Buffer.alloc(BLOCK);
  names.name.copy(header, 0);
  header.write(octal(fields.mode & 0o7777, 7), 100, "latin1");
  header.write(octal(fields.uid, 7), 108, "latin1");
  header.write(octal(fields.gid, 7), 116, "latin1");
  header.write(octal(fields.size, 11), 124, "latin1");
  header.write(octal(fields.mtime, 11), 136, "latin1");
  header.write(typeflag, 156, "latin1");
  fields.target.copy(header, 157);
  header.write("ustar\0" + "00", 257, "latin1");
  names.prefix.copy(header, 345);
  header.write(`${octal(checksum(header), 6)}\0 `, 148, "latin1");
  return header;
}

function octal(value: number, digits: number): string {
  const text = value.toString(8).padStart(digits, "0");
  if (text.length > digits || value < 0) throw new SlimError("INVALID", `${value} does not fit into a tar header`);
  return text;
}

/** Where the bytes of a regular file lie inside an uncompressed tar. */
export interface TarSpan {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/**
 * Finds the regular files of a tar by its headers, without reading what lies between them: ustar
 * names and pax `path` and `size`. Links and other members are passed over.
 * @throws SlimError `INVALID`
 */
export async function* readTarHeaders(
  read: (at: number, length: number) => Promise<Uint8Array>,
  total: number,
  where: string,
): AsyncGenerator<TarSpan> {
  const bad = (what: string) => new SlimError("INVALID", what, { where });
  let pax: ReadonlyMap<string, string> = new Map();
  for (let at = 0; at + BLOCK <= total; ) {
    const header = Buffer.from(await read(at, BLOCK));
    if (header.every((byte) => byte === 0)) return;
    if (header.toString("latin1", 257, 262) !== "ustar" || checksum(header) !== number(header, 148, 8)) {
      throw bad(at === 0 ? "is not a tar archive" : `is damaged: no tar header at byte ${at}`);
    }
    const type = String.fromCharCode(header[156] as number);
    const size = Number(pax.get("size") ?? number(header, 124, 12));
    const offset = at + BLOCK;
    if (!Number.isSafeInteger(size) || size < 0 || offset + size > total) throw bad(`is truncated at byte ${at}`);
    if (type === "x") {
      if (size > MAX_PAX) throw bad(`has a pax header of ${size} bytes`);
      pax = parsePax(Buffer.from(await read(offset, size)));
    } else {
      if (type === "0" || type === "\0") yield { path: pax.get("path") ?? nameOf(header), offset, size };
      pax = new Map();
    }
    at = offset + size + (-size & (BLOCK - 1));
  }
  throw bad(total < BLOCK ? "is not a tar archive" : "is truncated: the end of the archive is missing");
}

const MAX_PAX = 1 << 20;

function parsePax(body: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const length = Number.parseInt(body.toString("latin1", at, at + 20), 10);
    if (!(length > 0)) break;
    const record = body.toString("utf8", body.indexOf(0x20, at) + 1, at + length - 1);
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

function nameOf(header: Buffer): string {
  const name = text(header, 0, 100);
  const prefix = text(header, 345, 155);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function text(header: Buffer, at: number, length: number): string {
  const end = header.indexOf(0, at);
  return header.toString("utf8", at, end < 0 || end > at + length ? at + length : end);
}

function number(header: Buffer, at: number, length: number): number {
  // GNU's base-256 form for what octal digits cannot hold.
  if ((header[at] as number) & 0x80) return header.readUIntBE(at + length - 6, 6);
  return Number.parseInt(header.toString("latin1", at, at + length).replace(/[\0 ]+/g, "") || "0", 8);
}

function checksum(header: Buffer): number {
  let sum = 8 * 0x20;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  return sum;
}
