import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import { type DeflateJob, type DeflateResult, deflateBlock } from "./gzip-worker.js";

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
 * Compresses a stream into one gzip member. Memory stays at a few blocks per processor, however many
 * streams are compressed at once.
 * @param level 1 to 9, as zlib has them
 */
export async function* gzip(source: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array> {
  const pending: Promise<Uint8Array>[] = [];
  let crc = 0;
  let size = 0;
  pool.enter();
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
        pending.push(pool.deflate({ block: previous, dictionary, last: false, level }));
        dictionary = window;
      }
      previous = block;
      while (pending.length > pool.size) yield (await pending.shift()) as Uint8Array;
    }
    pending.push(pool.deflate({ block: previous ?? new Uint8Array(0), dictionary, last: true, level }));
    for (const deflated of pending) yield await deflated;
  } finally {
    await Promise.allSettled(pending);
    await pool.leave();
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

/** Cuts a stream into blocks of one size, each in memory of its own. */
async function* blocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = pool.memory();
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled === BLOCK) {
        yield block;
        block = pool.memory();
        filled = 0;
      }
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** The worker threads of all streams: started when there is work, ended with the last stream. */
class Pool {
  readonly size = Math.max(1, Math.min(availableParallelism(), 8));
  readonly #idle: Worker[] = [];
  #all: Worker[] = [];
  readonly #queue: (() => void)[] = [];
  /** Memory of blocks that were deflated. Used again, since garbage of this size waits long to be collected. */
  #spare: ArrayBuffer[] = [];
  #users = 0;

  enter(): void {
    this.#users += 1;
  }

  async leave(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    const ended = this.#all;
    this.#all = [];
    this.#idle.length = 0;
    this.#spare = [];
    await Promise.all(ended.map((worker) => worker.terminate()));
  }

  /** A block to fill. */
  memory(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(BLOCK));
  }

  async deflate(job: DeflateJob): Promise<Uint8Array> {
    // A layer of one block is not worth a thread.
    if (job.last && job.dictionary.length === 0) return deflateBlock(job);
    const worker = await this.#take();
    try {
      const { deflated, memory } = await new Promise<DeflateResult>((resolve, reject) => {
        worker.once("message", resolve).once("error", reject);
        // The block is moved, not copied; nobody here looks at it again.
        worker.postMessage(job, [job.block.buffer as ArrayBuffer]);
      });
      if (memory.byteLength === BLOCK && this.#spare.length < this.size) this.#spare.push(memory);
      return deflated;
    } finally {
      worker.removeAllListeners("message").removeAllListeners("error");
      this.#idle.push(worker);
      this.#queue.shift()?.();
    }
  }

  async #take(): Promise<Worker> {
    while (true) {
      const idle = this.#idle.pop();
      if (idle !== undefined) return idle;
      if (this.#all.length < this.size) {
        const script = new URL("./gzip-worker.js", import.meta.url);
        const worker = new Worker(script, { workerData: "deflate", resourceLimits });
        this.#all.push(worker);
        return worker;
      }
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
  }
}

const pool = new Pool();
