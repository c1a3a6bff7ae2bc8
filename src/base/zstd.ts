import type { Zstd } from "@hpcc-js/wasm-zstd";
import { SlimError } from "./error.ts";

/*
 * Zstandard, https://www.rfc-editor.org/rfc/rfc8878, by one build of the reference implementation for
 * WebAssembly, pinned: its output is part of digests. Node.js has zstd only since 22.15, and each
 * version of it has another library inside.
 */

/** Uncompressed bytes that are handed over at once. Part of the format: another value may give other digests. */
const BLOCK = 1 << 17;

let turn: Promise<unknown> = Promise.resolve();

/** The module has one state and, at high levels, needs 100 MB of memory: streams take turns. */
async function* alone(work: (zstd: Zstd) => AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const before = turn;
  let done = () => {};
  turn = new Promise<void>((resolve) => {
    done = resolve;
  });
  await before;
  try {
    const { Zstd } = await import("@hpcc-js/wasm-zstd");
    const zstd = await Zstd.load();
    zstd.reset();
    yield* work(zstd);
  } finally {
    done();
  }
}

/**
 * Compresses a stream into one frame.
 * @param level 1 to 19; higher ones need windows that not every reader has
 */
export function zstd(source: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  return alone(async function* (module) {
    module.setCompressionLevel(level);
    for await (const block of blocks(source)) {
      const chunk = module.compressChunk(block);
      if (chunk.length > 0) yield chunk;
    }
    yield module.compressEnd();
  });
}

/** Cuts a stream into blocks of one size; a block is valid until the next one is asked for. */
async function* blocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const block = new Uint8Array(BLOCK);
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < BLOCK) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/**
 * Unpacks frames, block by block: each gives at most 128 KiB, so that memory does not grow with what
 * a hostile stream unpacks to.
 * @throws SlimError `INVALID` when the stream is damaged
 */
export function unzstd(source: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<Uint8Array> {
  return alone(async function* (module) {
    for await (const part of parts(new Bytes(source, where))) {
      let chunk: Uint8Array;
      try {
        chunk = module.decompressChunk(part, 2 * BLOCK);
      } catch (cause) {
        throw new SlimError("INVALID", "is not a whole zstd stream", { where, cause });
      }
      if (chunk.length > 0) yield chunk;
    }
  });
}

const FRAME = 0xfd2fb528;
/** Sixteen magic numbers of frames that hold no data. */
const SKIPPABLE = 0x184d2a50;

/** Headers and blocks of a stream, one after another. */
async function* parts(bytes: Bytes): AsyncGenerator<Uint8Array> {
  for (let start = await bytes.takeOrEnd(4); start !== undefined; start = await bytes.takeOrEnd(4)) {
    const magic = start.readUInt32LE();
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      await bytes.skip((await bytes.take(4)).readUInt32LE());
      continue;
    }
    if (magic !== FRAME) throw bytes.error();
    const descriptor = await bytes.take(1);
    const flags = descriptor[0] as number;
    const isSingle = (flags >> 5) & 1;
    const sizeBytes = [isSingle, 2, 4, 8][flags >> 6] as number;
    const dictionaryBytes = [0, 1, 2, 4][flags & 3] as number;
    yield Buffer.concat([start, descriptor, await bytes.take(1 - isSingle + dictionaryBytes + sizeBytes)]);
    for (let last = false; !last; ) {
      const head = await bytes.take(3);
      const block = head.readUIntLE(0, 3);
      last = (block & 1) === 1;
      const isRepeated = ((block >> 1) & 3) === 1;
      if (block >> 3 > BLOCK) throw bytes.error();
      yield Buffer.concat([head, await bytes.take(isRepeated ? 1 : block >> 3)]);
    }
    if (flags & 4) yield await bytes.take(4);
  }
}

/** A stream from which exact numbers of bytes are taken. */
class Bytes {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #where: string;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>, where: string) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#where = where;
  }

  error(): SlimError {
    return new SlimError("INVALID", "is not a whole zstd stream", { where: this.#where });
  }

  /** Undefined where the stream has ended. */
  async takeOrEnd(length: number): Promise<Buffer | undefined> {
    while (this.#rest.length < length) {
      const { value, done } = await this.#chunks.next();
      if (done && this.#rest.length === 0) return undefined;
      if (done) throw this.error();
      this.#rest = Buffer.concat([this.#rest, value]);
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  async take(length: number): Promise<Buffer> {
    const taken = length === 0 ? Buffer.alloc(0) : await this.takeOrEnd(length);
    if (taken === undefined) throw this.error();
    return taken;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; left -= BLOCK) await this.take(Math.min(left, BLOCK));
  }
}
