import { SlimError } from "../base/error.ts";
import { compareStrings } from "../base/files.ts";
import { type BundledModule, type Closure, type Component, type LayerName, layerNames, type Reason } from "./types.ts";

/** A closure as it is kept beside an image: what is there and why, without the bytes. */
export interface ClosureRecord {
  /** What it is put on; of its files the record has those that something asks for. */
  readonly base?: { readonly name: string; readonly digest: string; readonly files: number; readonly bytes: number };
  readonly files: readonly FileRecord[];
  readonly components: readonly Component[];
}

export interface FileRecord {
  readonly path: string;
  readonly layer: LayerName | "base";
  /** Of the base, its digest. */
  readonly purl: string;
  /** Bytes; 0 for what is no regular file, and for what counts as the base's. */
  readonly size: number;
  readonly reasons: readonly Reason[];
  readonly modules?: readonly BundledModule[];
}

export function recordClosure(closure: Closure): ClosureRecord {
  const files = [...closure.entries.values()]
    // Folders are there because of what is in them.
    .filter(({ entry }) => entry.type !== "directory")
    .map(({ entry, layer, purl, reasons, modules }) => ({
      path: entry.path,
      layer,
      purl,
      size: entry.type === "file" ? entry.content.size : 0,
      reasons,
      ...(modules === undefined ? {} : { modules }),
    }));
  const components = [...closure.components.values()];
  if (closure.base === undefined) return { files, components };
  const { used, ...base } = closure.base;
  const based = [...used].map(([path, reasons]) => {
    return { path, layer: "base", purl: base.digest, size: 0, reasons } as const;
  });
  return { base, files: [...files, ...based], components };
}

/** The records of one or more images, by the digest of each. */
export function formatClosureRecords(records: Readonly<Record<string, ClosureRecord>>): string {
  return `${JSON.stringify({ closureVersion: 1, images: records })}\n`;
}

/**
 * The record of one image out of what `formatClosureRecords` wrote.
 * @throws SlimError `INVALID` when the text is something else, `NOT_FOUND` when it is about other images
 */
export function parseClosureRecords(text: string, where: string, digest: string): ClosureRecord {
  let value: { closureVersion?: unknown; images?: Readonly<Record<string, ClosureRecord>> } | null;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SlimError("INVALID", "is not JSON", { where, cause });
  }
  if (value?.closureVersion !== 1 || typeof value.images !== "object") {
    throw new SlimError("INVALID", "is not a file that slim build --closure-file wrote", { where });
  }
  const record = value.images[digest];
  if (record === undefined) throw new SlimError("NOT_FOUND", `says nothing of ${digest}`, { where });
  return record;
}

/** One step on the way from the program to a file. */
export interface Step {
  readonly path: string;
  /** Why it is there, asked for by the step before. */
  readonly reason: Reason;
}

/**
 * The shortest chain of reasons that leads to a path, from the program or a preset down. Modules inside
 * a bundle have chains, too.
 * @throws SlimError `NOT_FOUND` when the closure does not have the path
 */
export function explainPath(record: ClosureRecord, path: string): readonly Step[] {
  const reasons = new Map<string, readonly Reason[]>();
  for (const file of record.files) {
    for (const module of file.modules ?? []) reasons.set(module.path, module.reasons);
  }
  for (const file of record.files) reasons.set(file.path, [...file.reasons, ...(reasons.get(file.path) ?? [])]);
  if (!reasons.has(path)) {
    const similar = [...reasons.keys()].filter((one) => one.endsWith(`/${path.replace(/^.*\//, "")}`)).slice(0, 3);
    const what = record.base === undefined ? "is not in the image" : "is not what slim put into the image";
    throw new SlimError("NOT_FOUND", what, {
      where: path,
      hint: similar.length > 0 ? `did you mean ${similar.join(" or ")}?` : hintOfBase(record),
    });
  }
  // Breadth first, from the path upwards, until something was not asked for by another file.
  const below = new Map<string, Step | undefined>([[path, undefined]]);
  const queue = [path];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const reason of reasons.get(at) ?? []) {
      if (reason.from === undefined || !reasons.has(reason.from)) return chain({ path: at, reason }, below);
      if (below.has(reason.from)) continue;
      below.set(reason.from, { path: at, reason });
      queue.push(reason.from);
    }
  }
  return [];
}

function hintOfBase({ base }: ClosureRecord): string | undefined {
  return base === undefined ? undefined : `if it is there, it is of the base ${base.name}, and nothing asks for it`;
}

function chain(first: Step, below: ReadonlyMap<string, Step | undefined>): readonly Step[] {
  const steps = [first];
  for (let step = below.get(first.path); step !== undefined; step = below.get(step.path)) steps.push(step);
  return steps;
}

/** What a component takes in the image. */
export interface Share {
  readonly purl: string;
  readonly layer: LayerName | "base";
  /** Files, and modules inside bundles. */
  readonly files: number;
  readonly bytes: number;
}

/** The size of an image by layer and component, the largest first. */
export function explainSizes(record: ClosureRecord): readonly Share[] {
  const shares = new Map<string, Share>();
  const add = (purl: string, layer: LayerName, bytes: number) => {
    const key = `${layer} ${purl}`;
    const share = shares.get(key) ?? { purl, layer, files: 0, bytes: 0 };
    shares.set(key, { ...share, files: share.files + 1, bytes: share.bytes + bytes });
  };
  const { base } = record;
  if (base !== undefined) {
    const { name, digest, ...size } = base;
    shares.set("base", { purl: name.includes("@") ? name : `${name}@${digest}`, layer: "base", ...size });
  }
  for (const { purl, layer, size, modules = [] } of record.files) {
    if (layer === "base") continue;
    const inside = modules.reduce((sum, module) => sum + module.size, 0);
    add(purl, layer, Math.max(0, size - inside));
    for (const module of modules) add(module.purl, layer, module.size);
  }
  const order: readonly Share["layer"][] = ["base", ...layerNames];
  return [...shares.values()].sort(
    (a, b) => order.indexOf(a.layer) - order.indexOf(b.layer) || b.bytes - a.bytes || compareStrings(a.purl, b.purl),
  );
}
