// The part of the recorder for ES modules where Node.js has only hooks in a thread of their own (before 22.15).
import { openSync, writeSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** @type {string} */
let folder;
/** @type {string} */
let root;
/** @type {number | undefined} */
let out;

/** @param {{ folder: string, root: string }} data */
export function initialize(data) {
  ({ folder, root } = data);
}

/** @param {string} specifier @param {any} context @param {any} next */
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  if (!context.parentURL?.startsWith("file:") || !found.url.startsWith("file:")) return found;
  const file = fileURLToPath(found.url);
  if (!file.startsWith(root + path.sep)) return found;
  const line = JSON.stringify({ how: "load", file, from: fileURLToPath(context.parentURL), specifier });
  try {
    out ??= openSync(path.join(folder, `${process.pid}-hooks-${process.hrtime.bigint()}`), "a");
    writeSync(out, `${line}\n`);
  } catch {
    // Whoever listened has gone.
  }
  return found;
}
