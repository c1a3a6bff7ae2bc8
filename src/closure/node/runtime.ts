import { createReadStream } from "node:fs";
import { SlimError } from "../../base/error.ts";
import { CHUNK, hashFile } from "../../base/files.ts";
import { formatPlatform, type Platform } from "../../image/platform.ts";
import type { Content } from "../../layer/entry.ts";
import { versionInBinary } from "../../sources/node.ts";
import type { Sources } from "../../sources/sources.ts";
import { parseElf } from "../elf/parse.ts";
import { withFile } from "../elf/reader.ts";
import type { ClosurePart } from "../types.ts";

/**
 * Where the Node.js runtime comes from: npm, by a range or `lts` and in a version that all platforms
 * have; or a binary on this machine.
 */
export type RuntimeRequest =
  | { readonly kind: "npm"; readonly request: string; readonly platforms: readonly Platform[] }
  | { readonly kind: "file"; readonly file: string };

export const nodePath = "/usr/local/bin/node";
const licensePath = "/usr/local/share/doc/node/LICENSE";

/** A runtime that is about to enter an image. */
export interface Runtime {
  readonly version: string;
  /** The files of the runtime itself, without the libraries it needs. */
  load(): Promise<{ readonly binary: Content; readonly part: ClosurePart }>;
}

/**
 * Finds the exact version a request means; the binary is fetched when it is loaded.
 * @throws SlimError `NOT_FOUND`, `LOCK`, `NETWORK`; `PLATFORM` for a binary of another platform
 */
export async function findRuntime(sources: Sources, request: RuntimeRequest, platform: Platform): Promise<Runtime> {
  if (request.kind === "file") return runtimeOfFile(request.file, platform);
  const version = await sources.node.resolve(request.request, request.platforms);
  return {
    version,
    load: async () => {
      const { binary, license, purl } = await sources.node.runtime(version, platform);
      return { binary, part: runtimePart({ purl, version, binary, license }) };
    },
  };
}

async function runtimeOfFile(file: string, platform: Platform): Promise<Runtime> {
  const elf = await withFile(file, (reader) => parseElf(reader, file));
  if (elf.platform === undefined || formatPlatform(elf.platform) !== formatPlatform(platform)) {
    const actual = elf.platform === undefined ? "another machine" : formatPlatform(elf.platform);
    throw new SlimError("PLATFORM", `is for ${actual}, not ${formatPlatform(platform)}`, {
      where: file,
      hint: "give --node a version, and the runtime of the right platform is fetched",
    });
  }
  const version = await versionInBinary(file);
  return {
    version,
    load: async () => {
      const open = () => createReadStream(file, { highWaterMark: CHUNK });
      const binary: Content = { ...(await hashFile(file)), open, place: { file, offset: 0 } };
      return { binary, part: runtimePart({ purl: `pkg:generic/node@${version}`, version, binary }) };
    },
  };
}

function runtimePart(runtime: { purl: string; version: string; binary: Content; license?: Content }): ClosurePart {
  const { purl, version, binary, license } = runtime;
  const common = { type: "file", uid: 0, gid: 0 } as const;
  const about = { layer: "node", purl } as const;
  const entries: ClosurePart["entries"] = [
    {
      entry: { ...common, path: nodePath, mode: 0o755, content: binary },
      ...about,
      reasons: [{ kind: "preset", what: "runtime" }],
    },
  ];
  const licensed: ClosurePart["entries"] = license
    ? [
        {
          entry: { ...common, path: licensePath, mode: 0o644, content: license },
          ...about,
          reasons: [{ kind: "metadata", from: nodePath, what: "copyright" }],
        },
      ]
    : [];
  return {
    entries: [...entries, ...licensed],
    components: [{ purl, name: "node", version, license: "MIT" }],
    diagnostics: [],
  };
}
