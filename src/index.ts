export type { Context, ProgressEvent } from "./base/context.ts";
export type { Diagnostic, Severity } from "./base/diagnostic.ts";
export { type ErrorCode, type ErrorDetail, SlimError } from "./base/error.ts";
export { type BuildCall, type BuildResult, build, type LayerResult, type PlatformResult } from "./build.ts";
export type { TracedFile } from "./closure/node/traced.ts";
export type {
  BundledModule,
  Closure,
  ClosureBase,
  ClosureEntry,
  Component,
  LayerName,
  Reason,
} from "./closure/types.ts";
export type { Digest } from "./image/digest.ts";
export type { Platform } from "./image/platform.ts";
export type {
  Annotations,
  Artifact,
  Blob,
  Descriptor,
  Image,
  ImageConfig,
  ImageIndex,
  Index,
  Layer,
  Manifest,
} from "./image/types.ts";
export type { Content, Entry } from "./layer/entry.ts";
export { type LockCall, type LockResult, lock } from "./lock.ts";
export type { BuildOptions } from "./plan/options.ts";
export type { PlanCall } from "./resolve.ts";
export type { LockChange } from "./sources/lock.ts";
export { type EngineName, engineStore } from "./store/engine.ts";
export { type Destination, openDestination, openStore, type Source } from "./store/open.ts";
export {
  type Attachment,
  type CopyOptions,
  copy,
  type Diagnosis,
  type Finding,
  type Login,
  type PushOptions,
  problemOf,
  RegistryClient,
  type RegistryOptions,
  type RegistryOutput,
  type RegistryProblem,
  type Timing,
} from "./store/registry/index.ts";
export type { Output, Store } from "./store/types.ts";
export { type Validation, validate } from "./store/validate.ts";
export { type TraceCall, type TraceResult, trace } from "./trace.ts";
