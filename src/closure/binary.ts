import { createReadStream } from "node:fs";
import path from "node:path";
import { CHUNK, hashFile } from "../base/files.ts";
import type { ClosurePart, Component } from "./types.ts";

/** A program that needs nothing but itself. */
export async function binaryClosure(file: string): Promise<ClosurePart & { readonly entrypoint: string }> {
  const name = path.basename(file);
  const component: Component = { purl: `pkg:generic/${encodeURIComponent(name)}`, name };
  const place = `/app/${name}`;
  const open = () => createReadStream(file, { highWaterMark: CHUNK });
  const content = { ...(await hashFile(file)), open, place: { file, offset: 0 } };
  return {
    entrypoint: place,
    entries: [
      {
        entry: { type: "file", path: place, mode: 0o755, uid: 0, gid: 0, content },
        layer: "app",
        purl: component.purl,
        reasons: [{ kind: "entry", file: name }],
      },
    ],
    components: [component],
    diagnostics: [],
  };
}
