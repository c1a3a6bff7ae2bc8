import { readFile } from "node:fs/promises";
import { SlimError } from "../../base/error.ts";
import type { Digest } from "../../image/digest.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Content } from "../../layer/entry.ts";
import { decompress } from "./bytes.ts";

/** A longer line in an index is not one. Bounds what is held in memory. */
const LONGEST_LINE = 1024 * 1024;

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

/** Finds the rows in the next whole lines of an index (the last without its line break), each with its key first. */
export type RowReader = (lines: string) => Iterable<readonly string[]>;

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
    const text = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    if (rest.length > LONGEST_LINE) throw new SlimError("DEBIAN", "has a line without end", { where: index.name });
    // No lines at all are not the same as one empty line, which ends a stanza.
    if (end > 0) yield rowText(reader(text.slice(0, end - 1)));
  }
  // The last stanza may lack the empty line after it.
  yield rowText(reader(`${rest}\n`));
  yield Buffer.from("\n");
}

function rowText(rows: Iterable<readonly string[]>): Buffer {
  let text = "";
  for (const row of rows) text += `\n${row.join("\t")}`;
  return Buffer.from(text, "latin1");
}
