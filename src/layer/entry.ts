import { type Digest, digestOf } from "../image/digest.ts";

/** Bytes of a regular file: known by digest before they are read, readable as often as needed. */
export interface Content {
  readonly digest: Digest;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
  /** Where the bytes lie in a file, for those who need only some of them. */
  readonly place?: { readonly file: string; readonly offset: number };
}

interface Common {
  /** Absolute in the image, normalised, no slash at the end: `/usr/local/bin/node`. */
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
}

/** One member of a layer. */
export type Entry =
  | (Common & {
      readonly type: "file";
      readonly mode: number;
      readonly content: Content;
      /** Files of a layer that have the same one are hard links to one file, as they are where they come from. */
      readonly inode?: string;
    })
  | (Common & { readonly type: "directory"; readonly mode: number })
  /** `target` is written as it is: absolute, or relative to the folder of the link. */
  | (Common & { readonly type: "symlink"; readonly target: string });

/** Content that is in memory. */
export function bytesContent(bytes: Uint8Array | string): Content {
  const buffer = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  return {
    digest: digestOf(buffer),
    size: buffer.length,
    open: async function* () {
      yield buffer;
    },
  };
}
