import { CHUNK } from "../../base/files.ts";
import type { ByteReader } from "./reader.ts";

/** A longer match may be missed where two chunks meet. */
const OVERLAP = 4096;

/**
 * Every text of a file that a pattern matches, each once, in the order of the file.
 * @param pattern global; must need a byte before and after what it matches, by lookaround, so that nothing is cut
 */
export async function findTexts(reader: ByteReader, pattern: RegExp): Promise<string[]> {
  const found = new Set<string>();
  let rest = "";
  for (let at = 0; at < reader.size; at += CHUNK) {
    const text = rest + Buffer.from(await reader.read(at, CHUNK)).toString("latin1");
    for (const [match] of text.matchAll(pattern)) found.add(match);
    rest = text.slice(-OVERLAP);
  }
  return [...found];
}
