import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import { type DeflateJob, deflateBlock } from "./gzip-worker.js";

/*
 * One gzip for every builder. Node's own zlib would be faster, but its bytes depend on the build:
 * distributions link another zlib, and the one inside official builds skips matches of three bytes,
 * which costs 3 % on machine code. So slim carries its deflate (pako, pinned: its output is part of
 * every digest) and gets the time back by compressing blocks side by side, as pigz does: every block
 * is primed with the 32 KiB before it and ends on a byte boundary, so the number of workers does not
 * show in the output.
 */

/** Uncompressed bytes of one block. Part of the format: another value gives other digests. */
const BLOCK = 1 << 20;
const WINDOW = 1 << 15;

/** Of a worker's heap: what it holds is a few blocks, which the default would let grow to ten times as much. */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

/** RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/**
 * Compresses a stream into one gzip member. Memory stays at a few blocks per processor.
 * @param level 1 to 9, as zlib has them
 */
export async function* gzip(source: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  const pool = new Pool(level);
  const pending: Promise<Uint8Array>[] = [];
  let crc = 0;
  let size = 0;
  try {
    yield HEADER;
    let dictionary: Uint8Array = new Uint8Array(0);
    let previous: Uint8Array | undefined;
    // One block is held back, because only the last one ends the stream.
    for await (const block of blocks(source)) {
      crc = zlib.crc32(block, crc);
      size += block.length;
      if (previous !== undefined) {
        const window = previous.slice(-WINDOW);
        pending.push(pool.deflate(previous, dictionary, false));
        dictionary = window;
      }
      previous = block;
      while (pending.length > pool.size + 1) yield (await pending.shift()) as Uint8Array;
    }
    pending.push(pool.deflate(previous ?? new Uint8Array(0), dictionary, true));
    for (const deflated of pending) yield await deflated;
  } finally {
    await Promise.allSettled(pending);
    await pool.close();
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

/** Cuts a stream into blocks of one size, each in memory of its own. */
async function* blocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = new Uint8Array(BLOCK);
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled === BLOCK) {
        yield block;
        block = new Uint8Array(BLOCK);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** Deflates in worker threads, which are started when there is work for them. */
class Pool {
  readonly size = Math.max(1, Math.min(availableParallelism(), 8));
  readonly #level: number;
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #queue: (() => void)[] = [];

  constructor(level: number) {
    this.#level = level;
  }

  async deflate(block: Uint8Array, dictionary: Uint8Array, last: boolean): Promise<Uint8Array> {
    const job: DeflateJob = { block, dictionary, last, level: this.#level };
    // A layer of one block is not worth a thread.
    if (last && dictionary.length === 0) return deflateBlock(job);
    const worker = await this.#take();
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        worker.once("message", resolve).once("error", reject);
        // Blocks are moved, not copied; nobody here looks at them again.
        worker.postMessage(job, [block.buffer as ArrayBuffer]);
      });
    } finally {
      worker.removeAllListeners("message").removeAllListeners("error");
      this.#idle.push(worker);
      this.#queue.shift()?.();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }

  async #take(): Promise<Worker> {
    while (true) {
      const idle = this.#idle.pop();
      if (idle !== undefined) return idle;
      if (this.#all.length < this.size) {
        const worker = new Worker(new URL("./gzip-worker.js", import.meta.url), {
          workerData: "deflate",
          resourceLimits,
        });
        this.#all.push(worker);
        return worker;
      }
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
  }
}
