import { createReadStream } from "node:fs";
import { SlimError } from "../../base/error.ts";
import { CHUNK, hashFile } from "../../base/files.ts";
import type { Digest } from "../../image/digest.ts";
import { type ElfHeader, parseElf, readHeader } from "./parse.ts";
import { type ByteReader, type Fields, withFile } from "./reader.ts";

/** What is left of an ELF file when all that no loader reads is cut off. */
export interface Trim {
  /** Bytes of the trimmed file. */
  readonly size: number;
  /** Its first bytes, with the place of the section headers zeroed. */
  readonly header: Uint8Array;
  /**
   * Bytes after the segments and after every section: somebody put them there for the program to
   * read (self-extracting archives, AppImage, runtimes with the application behind them). A file
   * where this is not 0 must not be trimmed.
   */
  readonly appendedBytes: number;
}

/**
 * How to cut a file after the last byte that a program header speaks of. Symbols, debug information
 * and the section headers go; nothing that is loaded does, so Go's build information stays.
 * @throws SlimError `ELF`, or what the reader throws
 */
export async function planTrim(reader: ByteReader, name: string): Promise<Trim> {
  const { linkage, segmentsEnd } = await parseElf(reader, name);
  const found = await readHeader(reader, name);
  if (linkage === "other") throw found.fields.error("neither a program nor a library");
  const header = Uint8Array.from(await found.fields.bytes(0, found.bits === 32 ? 52 : 64));
  // e_shoff, then e_shnum and e_shstrndx, which are the last two.
  if (found.bits === 32) header.fill(0, 32, 36);
  else header.fill(0, 40, 48);
  header.fill(0, header.length - 4);
  return { size: segmentsEnd, header, appendedBytes: reader.size - Math.max(segmentsEnd, await sectionsEnd(found)) };
}

/** The bytes of the trimmed file. @throws SlimError `IO`, or what the reader throws */
export async function* trimmed(reader: ByteReader, { size, header }: Trim): AsyncGenerator<Uint8Array> {
  yield header;
  for (let offset = header.length; offset < size; ) {
    const chunk = await reader.read(offset, Math.min(CHUNK, size - offset));
    if (chunk.length === 0) throw new SlimError("IO", "became shorter while it was read");
    yield chunk;
    offset += chunk.length;
  }
}

const SHT_NOBITS = 8;
/** Many times what any known program has. */
const MAX_SECTIONS = 1_000_000;

/** Where sections and their headers end; 0 where there are none that can be believed. */
async function sectionsEnd({ fields, bits, sections }: ElfHeader): Promise<number> {
  const entrySize = bits === 32 ? 40 : 64;
  const { offset } = sections;
  if (offset === 0 || sections.entrySize !== entrySize || offset + entrySize > fields.size) return 0;
  // More than fit 16 bits are counted in the size of the first, which stands for no section.
  const count = sections.count || (await section(fields, bits, offset)).size;
  let end = offset + count * entrySize;
  if (end > fields.size || count > MAX_SECTIONS) return 0;
  for (let at = offset; at < offset + count * entrySize; at += entrySize) {
    const one = await section(fields, bits, at);
    if (at === offset || one.type === SHT_NOBITS) continue;
    if (one.offset + one.size > fields.size) return 0;
    end = Math.max(end, one.offset + one.size);
  }
  return end;
}

async function section(fields: Fields, bits: 32 | 64, at: number) {
  const record = await fields.record(at, bits === 32 ? 40 : 64);
  const number = (at32: number, at64: number) => (bits === 32 ? record.u32(at32) : Number(record.u64(at64)));
  return { type: record.u32(4), offset: number(16, 24), size: number(20, 32) };
}

/**
 * A program file without what no loader reads, or whole when something was put behind it on purpose.
 * The bytes are read from `file` while they are asked for.
 * @throws SlimError `ELF`, `IO`
 */
export async function trimFile(
  file: string,
): Promise<{ digest: Digest; bytes: AsyncIterable<Uint8Array>; appendedBytes: number }> {
  const { digest } = await hashFile(file);
  const trim = await withFile(file, (reader) => planTrim(reader, file));
  const { appendedBytes } = trim;
  if (appendedBytes > 0) return { digest, bytes: createReadStream(file, { highWaterMark: CHUNK }), appendedBytes };
  const rest = createReadStream(file, { start: trim.header.length, end: trim.size - 1, highWaterMark: CHUNK });
  async function* bytes() {
    yield trim.header;
    yield* rest;
  }
  return { digest, bytes: bytes(), appendedBytes };
}
