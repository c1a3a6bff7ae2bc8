// JavaScript, because a worker thread starts without the loader that lets tests run on TypeScript.
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import pako from "pako";

/**
 * @typedef {object} DeflateJob
 * @property {Uint8Array} block
 * @property {Uint8Array} dictionary The bytes before the block, which its matches may point into.
 * @property {boolean} last
 * @property {number} level
 */

/**
 * @typedef {object} DeflateResult
 * @property {Uint8Array} deflated
 * @property {ArrayBuffer} memory That of the block, to be used again.
 */

/** Enough for any block: what cannot be compressed is stored, with five bytes for each 64 KiB. */
const output = new Uint8Array((1 << 20) + 4096);

/**
 * Raw deflate of one block, ended by an empty stored block (a sync flush) or as the last one.
 *
 * @param {DeflateJob} job
 * @returns {Uint8Array<ArrayBuffer>} in memory of its own
 */
export function deflateBlock({ block, dictionary, last, level }) {
  const deflate = new pako.Deflate({
    raw: true,
    level: /** @type {6} */ (level),
    ...(dictionary.length > 0 ? { dictionary } : {}),
  });
  // Output goes to the same memory each time: garbage of this size waits long to be collected.
  Object.assign(/** @type {any} */ (deflate).strm, { output, next_out: 0, avail_out: output.length });
  /** @type {Uint8Array[]} */
  const parts = [];
  deflate.onData = (part) => {
    parts.push(/** @type {Uint8Array} */ (part));
  };
  deflate.push(block, last ? pako.constants.Z_FINISH : pako.constants.Z_SYNC_FLUSH);
  if (deflate.err !== 0) throw new Error(`deflate failed: ${deflate.msg}`);
  const deflated = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    deflated.set(part, at);
    at += part.length;
  }
  return deflated;
}

if (!isMainThread && workerData === "deflate") {
  parentPort?.on("message", (/** @type {DeflateJob} */ job) => {
    const deflated = deflateBlock(job);
    const memory = /** @type {ArrayBuffer} */ (job.block.buffer);
    parentPort?.postMessage(/** @satisfies {DeflateResult} */ ({ deflated, memory }), [deflated.buffer, memory]);
  });
}
