import type { Writable } from "node:stream";
import type { Context } from "./base/context.ts";
import { type Diagnostic, diagnosticLine } from "./base/diagnostic.ts";
import { SlimError } from "./base/error.ts";
import { writeAtomically } from "./base/files.ts";
import type { ProgramClosure } from "./closure/closure.ts";
import { formatClosureRecords, recordClosure } from "./closure/explain.ts";
import { type Closure, layerNames } from "./closure/types.ts";
import { composeImage, composeIndex } from "./image/image.ts";
import { formatPlatform } from "./image/platform.ts";
import type { Artifact, Image } from "./image/types.ts";
import type { Cache } from "./layer/cache.ts";
import { type BuiltLayer, buildLayer } from "./layer/layer.ts";
import { knownPlaces, rememberPlaces } from "./layer/places.ts";
import { type Plan, plan } from "./plan/plan.ts";
import { aboutBase, checkBase, checkTimeZone, runConfig } from "./plan/run-config.ts";
import { type PlanCall, resolve, withCache } from "./resolve.ts";
import { archiveStore, writeArchive } from "./store/archive.ts";
import { type EngineName, engineStore } from "./store/engine.ts";
import { folderStore } from "./store/folder.ts";
import { RegistryClient } from "./store/registry/index.ts";
import type { Output } from "./store/types.ts";

/** What to do with a build, beside what to build. */
export interface BuildCall extends PlanCall {
  /** Where the image goes: a file, a folder with `oci-layout`, or a stream for an archive. */
  readonly output?: string | Writable;
  /** Default `archive`. */
  readonly format?: "archive" | "oci-layout";
  /** Push every tag. */
  readonly push?: boolean;
  /** Hand the image to a container engine under every tag: to this one, or to the first that answers. */
  readonly load?: boolean | EngineName;
  /** Plan and closure only: nothing is written but the cache. */
  readonly dryRun?: boolean;
  /** A file that says of every file of the image why it is there. */
  readonly closureFile?: string;
}

/** What a build made. Sizes are bytes, times milliseconds. */
export interface BuildResult {
  /** Of the manifest; undefined for a dry run. */
  readonly digest?: string;
  readonly mediaType?: string;
  readonly size?: number;
  readonly tags: readonly string[];
  readonly platforms: readonly PlatformResult[];
  readonly outputs: readonly Output[];
  readonly diagnostics: readonly Diagnostic[];
  readonly timings: Readonly<Record<string, number>>;
  /** The files of the image and why each is there, by platform. */
  readonly closures: readonly Closure[];
}

export interface PlatformResult {
  readonly platform: string;
  readonly digest?: string;
  /** Of all compressed layers together. */
  readonly size?: number;
  /** Of all files together. */
  readonly unpackedSize: number;
  /** The image under this one; its layers, named by their digests, are the first. */
  readonly base?: { readonly name: string; readonly digest: string };
  readonly layers: readonly LayerResult[];
}

export interface LayerResult {
  readonly name: string;
  readonly digest: string;
  readonly diffId: string;
  readonly size: number;
  readonly mediaType: string;
  readonly files: number;
  readonly cached: boolean;
}

/**
 * Builds an image: plan, closure, layers, image, stores. Writes nothing to the console.
 * @throws SlimError
 */
export async function build(call: BuildCall = {}): Promise<BuildResult> {
  return withCache(call, (context, cache) => buildWith(context, cache, call));
}

async function buildWith(context: Context, cache: Cache, call: BuildCall): Promise<BuildResult> {
  const timer = new Timer();
  const planned = await timer.time("plan", plan(context, call.cwd ?? process.cwd(), call, call.config));
  if ((call.push || call.load) && planned.tags.length === 0) {
    throw new SlimError("CONFIG", "there is no name for the image", {
      where: call.push ? "--push" : "--load",
      hint: "-t ghcr.io/owner/name:tag",
    });
  }
  const { sources, programs } = await timer.time(
    "closure",
    resolve(context, cache, planned, { registry: call.registry }),
  );
  const closures = programs.map(({ closure }) => closure);
  const based = await Promise.all(programs.map(({ base }) => checkBase(planned.image, base)));
  const isNode = planned.targets.some(({ program }) => program.kind === "node");
  const zones = isNode ? [] : programs.flatMap((one) => checkTimeZone(planned.image, one));
  const found = [...closures.flatMap((closure) => closure.diagnostics), ...based.flat(), ...zones];
  const diagnostics = [...planned.diagnostics, ...eachOnce(found)];
  refuseWarnings(planned, diagnostics);
  const { tags } = planned;
  if (call.dryRun) {
    const platforms = closures.map((closure) => ({
      platform: formatPlatform(closure.platform),
      unpackedSize: unpackedSize(closure),
      layers: [],
    }));
    return { tags, platforms, outputs: [], diagnostics, timings: timer.timings, closures };
  }

  await sources.checkLock(planned.lockFile);
  const built = await timer.time("layers", imagesOf(context, cache, planned, programs));
  const artifact = artifactOf(built, planned);
  const outputs = await timer.time("output", write(context, cache, call, planned, artifact));
  await sources.writeLock(planned.lockFile);
  await keepClosures(cache, call, built);
  const { digest, mediaType, size } = artifact.descriptor;
  const platforms = built.map(platformResult);
  return { digest, mediaType, size, tags, platforms, outputs, diagnostics, timings: timer.timings, closures };
}

interface Built {
  readonly program: ProgramClosure;
  readonly image: Image;
  readonly layers: readonly BuiltLayer[];
}

/** One after another: packing one uses all processors, and memory for each of them. */
async function imagesOf(
  context: Context,
  cache: Cache,
  planned: Plan,
  programs: readonly ProgramClosure[],
): Promise<readonly Built[]> {
  const built: Built[] = [];
  for (const program of programs) built.push(await imageOf(context, cache, planned, program));
  return built;
}

async function imageOf(context: Context, cache: Cache, planned: Plan, program: ProgramClosure): Promise<Built> {
  const { closure, launch, base } = program;
  const layers = await layersOf(context, cache, planned, closure);
  const image = composeImage({
    platform: closure.platform,
    created: new Date(planned.image.epoch * 1000).toISOString().replace(".000Z", "Z"),
    config: runConfig(planned.image, launch, base),
    layers,
    annotations: { ...aboutBase(base), ...planned.image.annotations },
    base,
  });
  return { program, image, layers };
}

/** One platform is an image, several are an index. */
function artifactOf(built: readonly Built[], planned: Plan): Artifact {
  const images = built.map(({ image }) => image);
  const [first] = images;
  return first !== undefined && images.length === 1
    ? first
    : composeIndex(images, { ...aboutBase(built[0]?.program.base), ...planned.image.annotations });
}

/** What is said of several platforms is said once. */
function eachOnce(all: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(all.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values()];
}

/** Layers are independent of each other, so they are packed side by side. */
async function layersOf(context: Context, cache: Cache, planned: Plan, closure: Closure): Promise<BuiltLayer[]> {
  const options = { ...planned.compression, mtime: planned.image.epoch };
  const all = [...closure.entries.values()];
  const filled = layerNames.filter((name) => all.some(({ layer }) => layer === name));
  return Promise.all(
    filled.map((name) => {
      const entries = all.filter(({ layer }) => layer === name).map(({ entry }) => entry);
      return buildLayer(context, cache, name, entries, options);
    }),
  );
}

async function write(
  context: Context,
  cache: Cache,
  call: BuildCall,
  planned: Plan,
  image: Artifact,
): Promise<readonly Output[]> {
  const { output, format = "archive", load, push, registry } = call;
  const outputs: Output[] = [];
  if (typeof output === "string") {
    const store = format === "archive" ? archiveStore(output) : folderStore(output);
    outputs.push(await store.write(context, image, planned.tags));
  } else if (output !== undefined) {
    await writeArchive(context, image, planned.tags, output);
    outputs.push({ type: "archive", path: "-" });
  }
  if (load) outputs.push(await engineStore(load === true ? undefined : load).write(context, image, planned.tags));
  if (push) {
    const mountFrom = await knownPlaces(cache, image);
    outputs.push(...(await new RegistryClient(registry).push(context, image, planned.tags, { mountFrom })));
    await rememberPlaces(cache, image, planned.tags);
  }
  return outputs;
}

/** Leaves behind why each file is there, for `slim explain`. */
async function keepClosures(cache: Cache, { closureFile }: BuildCall, built: readonly Built[]): Promise<void> {
  const records = built.map(({ program, image }) => [image.descriptor.digest, recordClosure(program.closure)] as const);
  for (const [digest, record] of records) await cache.put("closure", digest, record);
  if (closureFile === undefined) return;
  const text = formatClosureRecords(Object.fromEntries(records));
  await writeAtomically(closureFile, (handle) => handle.writeFile(text));
}

function platformResult({ program, image, layers }: Built): PlatformResult {
  const { closure, base } = program;
  const below = (base?.layers ?? []).map((layer, place) => ({
    ...layer,
    cached: true,
    files: base?.filesIn(place) ?? 0,
  }));
  return {
    platform: formatPlatform(closure.platform),
    digest: image.descriptor.digest,
    size: image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
    unpackedSize: unpackedSize(closure),
    ...(base === undefined ? {} : { base: { name: base.where, digest: base.digest } }),
    layers: [...below, ...layers].map(({ name, descriptor, diffId, files, cached }) => ({
      name,
      digest: descriptor.digest,
      diffId,
      size: descriptor.size,
      mediaType: descriptor.mediaType,
      files,
      cached,
    })),
  };
}

function unpackedSize(closure: Closure): number {
  let size = closure.base?.bytes ?? 0;
  const inodes = new Set<string>();
  for (const { entry } of closure.entries.values()) {
    if (entry.type !== "file" || (entry.inode !== undefined && inodes.has(entry.inode))) continue;
    if (entry.inode !== undefined) inodes.add(entry.inode);
    size += entry.content.size;
  }
  return size;
}

function refuseWarnings({ strict }: Plan, diagnostics: readonly Diagnostic[]): void {
  const bad = diagnostics.filter(({ severity }) => severity === "error" || (strict && severity === "warning"));
  const [first] = bad;
  if (first === undefined) return;
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : "";
  throw new SlimError("STRICT", `${diagnosticLine(first)}${more}`);
}

/** How long each stage took. */
class Timer {
  readonly #begun = performance.now();
  readonly #stages: Record<string, number> = {};

  async time<T>(stage: string, work: Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work;
    this.#stages[stage] = Math.round(performance.now() - begun);
    return result;
  }

  get timings(): Readonly<Record<string, number>> {
    return { total: Math.round(performance.now() - this.#begun), ...this.#stages };
  }
}
