import { createReadStream } from "node:fs";
import type { Diagnostic } from "../../base/diagnostic.ts";
import { SlimError } from "../../base/error.ts";
import { CHUNK, hashFile } from "../../base/files.ts";
import type { Digest } from "../../image/digest.ts";
import { readEnv } from "../../image/inherit.ts";
import { formatPlatform, type Platform } from "../../image/platform.ts";
import type { Cache } from "../../layer/cache.ts";
import type { Content } from "../../layer/entry.ts";
import type { BaseImage } from "../../sources/base/bases.ts";
import type { RegularFile } from "../../sources/base/files.ts";
import { satisfies, versionInBinary } from "../../sources/node.ts";
import type { Sources } from "../../sources/sources.ts";
import { findFile } from "../elf/files.ts";
import { parseElf } from "../elf/parse.ts";
import { withFile } from "../elf/reader.ts";
import { isMuslLoader } from "../elf/search.ts";
import type { ImageGround } from "../system/image-ground.ts";
import type { ClosurePart } from "../types.ts";

/**
 * Where the Node.js runtime comes from: npm, by a range or `lts` and in a version that all platforms
 * have; or a binary on this machine.
 */
export type RuntimeRequest =
  | {
      readonly kind: "npm";
      readonly request: string;
      readonly platforms: readonly Platform[];
      /** Whether nobody asked for this version. */
      readonly isDefault: boolean;
    }
  | { readonly kind: "file"; readonly file: string };

/** What a base's runtime has to be where nobody asks: one that bundles run on. */
const oldest = ">=18";
const nodePath = "/usr/local/bin/node";
const licensePath = "/usr/local/share/doc/node/LICENSE";

/** A runtime that is about to enter an image, or that the base has. */
export interface Runtime {
  readonly version: string;
  /** Where it is in the image. */
  readonly path: string;
  readonly libc: "glibc" | "musl";
  /** The files of the runtime itself, without the libraries it needs. */
  load(): Promise<ClosurePart>;
}

/**
 * Finds the exact version a request means; the binary is fetched when it is loaded. A base's runtime is
 * taken where it is of the version that is asked for.
 * @throws SlimError `NOT_FOUND`, `LOCK`, `NETWORK`; `PLATFORM` for a binary of another platform, or a base that
 *   runs no runtime but its own
 */
export async function findRuntime(
  sources: Sources,
  request: RuntimeRequest,
  platform: Platform,
  ground: ImageGround | undefined,
): Promise<Runtime> {
  if (request.kind === "file") return runtimeOfFile(request.file, platform);
  const based = ground === undefined ? undefined : await findInBase(sources.cache, ground);
  if (ground !== undefined && based?.version !== undefined) {
    if (satisfies(based.version, request.isDefault ? oldest : request.request)) return runtimeOfBase(ground, based);
  }
  if (ground?.libc === "musl") throw noRuntimeForMusl(ground, request.request, based);
  const version = await sources.node.resolve(request.request, request.platforms);
  const diagnostics = based === undefined ? [] : [passedOver(based, version)];
  return {
    version,
    path: nodePath,
    libc: "glibc",
    load: async () => {
      return { ...runtimePart(await sources.node.runtime(version, platform)), diagnostics };
    },
  };
}

/** A `node` of a base; of some the version cannot be told. */
interface BasedRuntime {
  /** Without links. */
  readonly path: string;
  readonly libc: "glibc" | "musl";
  readonly version: string | undefined;
}

/** Where images have it whatever their PATH is; the last is that of distroless. */
const usualFolders = ["/usr/local/bin", "/usr/bin", "/nodejs/bin"];

async function findInBase(cache: Cache, { base, files }: ImageGround): Promise<BasedRuntime | undefined> {
  const named = (readEnv(base.config.config?.Env).PATH ?? "").split(":").filter((folder) => folder.startsWith("/"));
  for (const folder of [...named, ...usualFolders]) {
    const file = base.files.find(`${folder}/node`);
    if (file?.type !== "file" || (file.mode & 0o111) === 0) continue;
    const found = await findFile(files, file.path);
    const elf = await found?.withReader((reader) => parseElf(reader, file.path)).catch(() => undefined);
    // A script may be anything.
    if (elf === undefined) continue;
    const libc = isMuslLoader(elf.interpreter) ? "musl" : "glibc";
    return { path: `${folder}/node`, libc, version: await versionInBase(cache, base, file, elf.needed) };
  }
  return undefined;
}

/** The version that is in the program, or in the library that some distributions put all of it into. */
async function versionInBase(
  cache: Cache,
  { files, content }: BaseImage,
  program: RegularFile,
  needed: readonly string[],
): Promise<string | undefined> {
  const library = needed.find((name) => name.startsWith("libnode."));
  const place = library && files.paths().find((one) => one.endsWith(`/${library}`));
  const file = place === undefined ? undefined : files.find(place);
  for (const one of [program, ...(file?.type === "file" ? [file] : [])]) {
    const known = await cache.get<{ version?: string }>("node-version", one.digest);
    const version = known === undefined ? await versionInBinary((await content(one)).open()) : known.version;
    if (known === undefined) await cache.put("node-version", one.digest, { version });
    if (version !== undefined) return version;
  }
  return undefined;
}

function runtimeOfBase(ground: ImageGround, { path, libc, version = "" }: BasedRuntime): Runtime {
  const load = async () => {
    const real = ground.base.files.find(path)?.path ?? path;
    await ground.take(real, { kind: "preset", what: "runtime" });
    return { entries: [], components: [], diagnostics: [] };
  };
  return { version, path, libc, load };
}

function inBase({ path, version }: BasedRuntime): string {
  return version === undefined ? `${path}, whose version cannot be told` : `Node.js ${version} at ${path}`;
}

function passedOver(based: BasedRuntime, version: string): Diagnostic {
  return {
    code: "base-runtime",
    severity: "info",
    message: `the base has ${inBase(based)}, which is not what is asked for: Node.js ${version} is added`,
    hint: "ask for the base's with --node, or take a base without",
  };
}

function noRuntimeForMusl({ base }: ImageGround, request: string, based: BasedRuntime | undefined): SlimError {
  const has = based === undefined ? "no Node.js" : inBase(based);
  return new SlimError("PLATFORM", `the base has musl, for which no Node.js ${request} is published, and ${has}`, {
    where: base.where,
    hint: "take a base with musl that has this Node.js, or one with glibc",
  });
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
  const open = () => createReadStream(file, { highWaterMark: CHUNK });
  const version = await versionInBinary(open());
  if (version === undefined) {
    throw new SlimError("CONFIG", "is not a Node.js binary: no version inside", {
      where: file,
      hint: "give --node a version such as 24, or the path of a node executable",
    });
  }
  return {
    version,
    path: nodePath,
    libc: isMuslLoader(elf.interpreter) ? "musl" : "glibc",
    load: async () => {
      const binary: Content = { ...(await hashFile(file)), open, place: { file, offset: 0 } };
      return runtimePart({ purl: `pkg:generic/node@${version}`, version, binary });
    },
  };
}

/** @param runtime `publishedDigest` as long as it was cut */
function runtimePart(runtime: {
  readonly purl: string;
  readonly version: string;
  readonly binary: Content;
  readonly license?: Content;
  readonly publishedDigest?: Digest;
}): ClosurePart {
  const { purl, version, binary, license, publishedDigest } = runtime;
  const cut = publishedDigest === undefined ? "" : `, published as ${publishedDigest} and cut to ${binary.digest}`;
  const common = { type: "file", uid: 0, gid: 0 } as const;
  const about = { layer: "node", purl } as const;
  const entries: ClosurePart["entries"] = [
    {
      entry: { ...common, path: nodePath, mode: 0o755, content: binary },
      ...about,
      reasons: [{ kind: "preset", what: `runtime${cut}` }],
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
