import { open } from "node:fs/promises";
import { ioError, SlimError } from "../../base/error.ts";

/** Bytes that can be read anywhere: a file, or a piece of memory. */
export interface ByteReader {
  readonly size: number;
  /** Exactly `length` bytes, or fewer where the source ends before. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export function bytesReader(bytes: Uint8Array): ByteReader {
  return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

/**
 * Opens `file` for `use`, and closes it again whatever happens. The reader is dead afterwards.
 * @throws SlimError `IO`, or what `use` throws
 */
export async function withFile<T>(file: string, use: (reader: ByteReader) => Promise<T>): Promise<T> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const read = async (offset: number, length: number) => {
        const buffer = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
        let filled = 0;
        while (filled < buffer.length) {
          const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return buffer.subarray(0, filled);
      };
      return await use({ size, read });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError(error, file, "read");
  }
}

/** What is fetched at once: the small records of an ELF file lie close together. */
const BLOCK = 4096;

/**
 * The records of one ELF file, read through one block of memory however large the file is.
 * What lies outside the file is an error, never a short answer.
 */
export class Fields {
  readonly size: number;
  readonly #reader: ByteReader;
  readonly #name: string;
  readonly #little: boolean;
  #start = 0;
  #block: Uint8Array = new Uint8Array();

  constructor(reader: ByteReader, name: string, little: boolean) {
    this.size = reader.size;
    this.#reader = reader;
    this.#name = name;
    this.#little = little;
  }

  /** The same file through a block of its own: for a second place that is read in turn with the first. */
  another(): Fields {
    return new Fields(this.#reader, this.#name, this.#little);
  }

  error(message: string, cause?: unknown): SlimError {
    return new SlimError("ELF", message, { where: this.#name, cause });
  }

  /** @throws SlimError `ELF` unless `length` bytes from `offset` on are there. */
  check(offset: number, length: number): void {
    if (offset > this.size - length) throw this.error("truncated");
  }

  async bytes(offset: number, length: number): Promise<Uint8Array> {
    this.check(offset, length);
    const from = offset - this.#start;
    if (from >= 0 && from + length <= this.#block.length) return this.#block.subarray(from, from + length);
    const wanted = Math.max(length, Math.min(BLOCK, this.size - offset));
    this.#start = offset;
    this.#block = await this.#reader.read(offset, wanted);
    if (this.#block.length < length) throw this.error("truncated");
    return this.#block.subarray(0, length);
  }

  async record(offset: number, length: number): Promise<FieldRecord> {
    return new FieldRecord(await this.bytes(offset, length), this.#little, this);
  }
}

/** The numbers of one record. */
export class FieldRecord {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #fields: Fields;

  constructor(bytes: Uint8Array, little: boolean, fields: Fields) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = little;
    this.#fields = fields;
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.#little);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.#little);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(at, this.#little);
  }

  /** An offset, address or size of 4 or 8 bytes. @throws SlimError `ELF` beyond 2^53 */
  word(at: number, bits: 32 | 64): number {
    if (bits === 32) return this.u32(at);
    const value = this.u64(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#fields.error("damaged: a number is larger than any file");
    return Number(value);
  }
}
