import type { Content } from "../../layer/entry.ts";
import type { LibraryFile } from "../elf/files.ts";
import { type ByteReader, bytesReader, withFile } from "../elf/reader.ts";

/** Content as a loader's view has it. */
export function contentFile(content: Content): LibraryFile {
  return { type: "file", withReader: (use) => withContent(content, use) };
}

/** Reads parts of content; what lies in a file is read from there, the rest is in memory anyway. */
export async function withContent<T>(content: Content, use: (reader: ByteReader) => Promise<T>): Promise<T> {
  const { place, size } = content;
  if (place !== undefined) {
    return withFile(place.file, ({ read }) =>
      use({
        size,
        read: (offset, length) => read(place.offset + offset, Math.min(length, Math.max(0, size - offset))),
      }),
    );
  }
  const parts: Uint8Array[] = [];
  for await (const chunk of content.open()) parts.push(chunk);
  return use(bytesReader(Buffer.concat(parts)));
}
