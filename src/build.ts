import type { Writable } from "node:stream";
import type { Context } from "./base/context.ts";
import { type Diagnostic, diagnosticLine } from "./base/diagnostic.ts";
import { SlimError } from "./base/error.ts";
import type { Launch, ProgramClosure } from "./closure/closure.ts";
import { type Closure, layerNames } from "./closure/types.ts";
import { composeImage, composeIndex } from "./image/image.ts";
import { formatPlatform } from "./image/platform.ts";
import type { Artifact, Image } from "./image/types.ts";
import { Cache, defaultCacheDir } from "./layer/cache.ts";
import { type BuiltLayer, buildLayer } from "./layer/layer.ts";
import { type Plan, plan } from "./plan/plan.ts";
import { contextOf, type PlanCall, resolve } from "./resolve.ts";
import { archiveStore, writeArchive } from "./store/archive.ts";
import { folderStore } from "./store/folder.ts";
import type { Output } from "./store/types.ts";

/** What to do with a build, beside what to build. */
export interface BuildCall extends PlanCall {
  /** Where the image goes: a file, a folder with `oci-layout`, or a stream for an archive. */
  readonly output?: string | Writable;
  /** Default `archive`. */
  readonly format?: "archive" | "oci-layout";
  /** Plan and closure only: nothing is written but the cache. */
  readonly dryRun?: boolean;
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
  const timer = new Timer();
  const context = contextOf(call);
  const cache = new Cache(call.cacheDir ?? defaultCacheDir(context.env));

  const planned = await timer.time("plan", plan(context, call.cwd ?? process.cwd(), call, call.config));
  const { sources, programs } = await timer.time("closure", resolve(context, cache, planned));
  const closures = programs.map(({ closure }) => closure);
  const diagnostics = [...planned.diagnostics, ...diagnosticsOf(closures)];
  refuseWarnings(planned, diagnostics);
  const common = { tags: planned.tags, diagnostics, closures };
  if (call.dryRun) {
    const platforms = closures.map((closure) => ({ ...described(closure), layers: [] }));
    return { ...common, platforms, outputs: [], timings: timer.timings };
  }

  const built = await timer.time("layers", imagesOf(context, cache, planned, programs));
  const artifact = artifactOf(built, planned);
  const outputs = await timer.time("output", write(context, call, planned, artifact));
  await sources.writeLock(planned.lockFile);
  const { digest, mediaType, size } = artifact.descriptor;
  const platforms = built.map(platformResult);
  return { digest, mediaType, size, ...common, platforms, outputs, timings: timer.timings };
}

interface Built {
  readonly closure: Closure;
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
  const { closure, launch } = program;
  const layers = await layersOf(context, cache, planned, closure);
  const image = composeImage({
    platform: closure.platform,
    created: new Date(planned.image.epoch * 1000).toISOString().replace(".000Z", "Z"),
    config: imageConfig(planned, launch),
    layers,
    annotations: planned.image.annotations,
  });
  return { closure, image, layers };
}

/** One platform is an image, several are an index. */
function artifactOf(built: readonly Built[], planned: Plan): Artifact {
  const images = built.map(({ image }) => image);
  const [first] = images;
  return first !== undefined && images.length === 1 ? first : composeIndex(images, planned.image.annotations);
}

/** What is said of several platforms is said once. */
function diagnosticsOf(closures: readonly Closure[]): readonly Diagnostic[] {
  const all = closures.flatMap((closure) => closure.diagnostics);
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

/** How the closure wants the image to be run. */
function imageConfig({ image }: Plan, launch: Launch) {
  const env = { ...launch.env, ...image.env };
  return {
    User: image.user,
    ...(image.ports.length > 0 ? { ExposedPorts: Object.fromEntries(image.ports.map((port) => [port, {}])) } : {}),
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Entrypoint: launch.entrypoint,
    ...(image.cmd === undefined ? {} : { Cmd: image.cmd }),
    WorkingDir: image.workdir ?? launch.workdir,
    ...(Object.keys(image.labels).length > 0 ? { Labels: image.labels } : {}),
  };
}

async function write(context: Context, call: BuildCall, planned: Plan, image: Artifact): Promise<readonly Output[]> {
  const { output, format = "archive" } = call;
  if (output === undefined) return [];
  if (typeof output !== "string") {
    await writeArchive(context, image, planned.tags, output);
    return [{ type: "archive", path: "-" }];
  }
  const store = format === "archive" ? archiveStore(output) : folderStore(output);
  return [await store.write(context, image, planned.tags)];
}

function described(closure: Closure): { platform: string; unpackedSize: number } {
  return { platform: formatPlatform(closure.platform), unpackedSize: unpackedSize(closure) };
}

function platformResult({ closure, image, layers }: Built): PlatformResult {
  return {
    ...described(closure),
    digest: image.descriptor.digest,
    size: layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
    layers: layers.map(({ name, descriptor, diffId, files, cached }) => ({
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
  let size = 0;
  for (const { entry } of closure.entries.values()) if (entry.type === "file") size += entry.content.size;
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
