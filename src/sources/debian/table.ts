import { readFile } from "node:fs/promises";
import type { Digest } from "../../image/digest.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Content } from "../../layer/entry.ts";
import { decompress } from "./bytes.ts";

/** A longer line in an index is not one. Bounds what is held in memory. */
const LONGEST_LINE = 4 * 1024 * 1024;

/**
 * The few columns that are wanted of an index of Debian, all in one buffer: rows of tab-separated
 * columns, found by the first one. It takes a fifth of the memory that the index takes as text, a
 * twentieth of what it takes as objects, and a search is one pass over bytes.
 */
export class Table {
  static readonly empty = new Table(Buffer.alloc(0));

  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The columns after the first of every row that begins with `key`, in the order of the index. */
  rows(key: string): string[][] {
    const found: string[][] = [];
    const start = Buffer.from(`\n${key}\t`, "latin1");
    for (let at = this.#bytes.indexOf(start); at !== -1; at = this.#bytes.indexOf(start, at + 1)) {
      const end = this.#bytes.indexOf("\n", at + 1);
      found.push(this.#bytes.toString("latin1", at + start.length, end).split("\t"));
    }
    return found;
  }
}

/** Turns batches of lines into rows, each with its key first; an undefined in between is left out. */
export type RowReader = (line: string) => readonly string[] | undefined;

export interface IndexFile {
  /** Ends in the compression: `Packages.gz`. */
  readonly name: string;
  readonly content: Content;
  /** How large it is unpacked at most, in bytes. */
  readonly limit: number;
}

/**
 * The table of an index that lies in the cache; made once, then kept there as well.
 * `kind` names what `reader` does, and must change when that changes.
 */
export async function loadTable(cache: Cache, kind: string, index: IndexFile, reader: () => RowReader): Promise<Table> {
  const known = await cache.get<{ digest: Digest }>(kind, index.content.digest);
  const kept = known && (await cache.blob(known.digest));
  const table = kept ?? (await cache.add(rows(cache.pathOf(index.content.digest), index, reader())));
  if (kept === undefined) await cache.put(kind, index.content.digest, { digest: table.digest });
  return new Table(await readFile(cache.pathOf(table.digest)));
}

async function* rows(file: string, index: IndexFile, reader: RowReader): AsyncGenerator<Uint8Array> {
  const range = { file, start: 0, size: index.content.size };
  let rest = "";
  for await (const chunk of decompress(index.name, range, index.limit, index.name)) {
    // Keys and columns are ASCII by policy, and latin1 keeps every byte where it is.
    const lines = (rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1")).split("\n");
    rest = (lines.pop() ?? "").slice(0, LONGEST_LINE);
    yield Buffer.from(batch(lines, reader), "latin1");
  }
  yield Buffer.from(`${batch([rest, ""], reader)}\n`, "latin1");
}

function batch(lines: readonly string[], reader: RowReader): string {
  let text = "";
  for (const line of lines) {
    const row = reader(line);
    if (row !== undefined) text += `\n${row.join("\t")}`;
  }
  return text;
}
