import { SlimError } from "../base/error.ts";
import { type Descriptor, type HistoryEntry, type ImageConfig, mediaTypes } from "./types.ts";

/*
 * What an image takes over from the image it is put on: https://docs.docker.com/reference/dockerfile/#from,
 * field by field.
 */

export type RunConfig = NonNullable<ImageConfig["config"]>;

/** What an image sets itself. What is undefined is the base's. */
export interface OwnConfig {
  /** Variables that are set where the base does not. */
  readonly defaultEnv: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[] | undefined;
  readonly user: string | undefined;
  readonly defaultUser: string;
  readonly workdir: string | undefined;
  readonly ports: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The config of an image on a base: variables, ports, volumes and labels are joined; account and folder
 * are the base's unless they are set; a new entrypoint does away with the base's arguments; everything
 * else (stop signal, health check) stays. Triggers are for building on, and this is built.
 */
export function inheritConfig(base: RunConfig | undefined, own: OwnConfig): RunConfig {
  const { Entrypoint: _, Cmd: __, OnBuild: ___, ...kept } = (base ?? {}) as RunConfig & { readonly OnBuild?: unknown };
  const env = { ...own.defaultEnv, ...readEnv(base?.Env), ...own.env };
  const ports = { ...base?.ExposedPorts, ...Object.fromEntries(own.ports.map((port) => [port, {}])) };
  const labels = { ...withoutBase(base?.Labels), ...own.labels };
  const { Labels: ____, ...rest } = kept;
  return {
    ...rest,
    User: own.user ?? (base?.User || own.defaultUser),
    ...(Object.keys(ports).length > 0 ? { ExposedPorts: ports } : {}),
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Entrypoint: own.entrypoint,
    ...(own.cmd === undefined ? {} : { Cmd: own.cmd }),
    WorkingDir: own.workdir ?? (base?.WorkingDir || "/"),
    ...(Object.keys(labels).length > 0 ? { Labels: labels } : {}),
  };
}

/** `NAME=VALUE` pairs as a record; of two with one name the last counts. */
export function readEnv(pairs: readonly string[] | null | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (pairs ?? []).map((pair) => {
      const equals = pair.indexOf("=");
      return equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

export const baseName = "org.opencontainers.image.base.name";
export const baseDigest = "org.opencontainers.image.base.digest";

/** A base's own base is not that of what stands on it. */
function withoutBase(labels: RunConfig["Labels"]): RunConfig["Labels"] {
  const { [baseName]: _, [baseDigest]: __, ...others } = labels ?? {};
  return others;
}

/**
 * The history of a base, as it is. Where it does not speak of every layer, one entry is added for each
 * it forgets, so that what follows belongs to the layers that follow.
 */
export function inheritHistory({ history: own, rootfs }: ImageConfig): readonly HistoryEntry[] {
  const history = own ?? [];
  const filled = history.filter((entry) => entry.empty_layer !== true).length;
  const forgotten = Math.max(0, rootfs.diff_ids.length - filled);
  return [...history, ...Array.from({ length: forgotten }, () => ({ comment: "a layer of the base" }))];
}

const ociTypes: Readonly<Record<string, string>> = {
  [mediaTypes.dockerLayer]: mediaTypes.layer,
  [mediaTypes.dockerLayerGzip]: mediaTypes.layerGzip,
  [mediaTypes.dockerLayerZstd]: mediaTypes.layerZstd,
};

/**
 * The descriptor of a layer in a manifest of OCI: Docker's types have the same bytes, and types of both
 * do not mix.
 * @throws SlimError `INVALID` for a layer of another kind, or one that may not be passed on
 */
export function ociLayer({ mediaType, digest, size }: Descriptor, where: string): Descriptor {
  const type = ociTypes[mediaType] ?? mediaType;
  if (type === mediaTypes.layer || type === mediaTypes.layerGzip || type === mediaTypes.layerZstd) {
    return { mediaType: type, digest, size };
  }
  throw new SlimError("INVALID", `has a layer of type ${mediaType}, on which nothing can be built`, { where });
}
