import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { isCredential } from "../credentials.ts";
import { isWithin } from "../disk.ts";
import type { Reason } from "../types.ts";
import { isCode } from "./load.ts";
import type { Scope } from "./packages.ts";
import { placeOf, type Say } from "./say.ts";
import type { Site } from "./site.ts";

/** What a file is needed as. */
export interface Use {
  /** As a module, from the bundle. */
  module: boolean;
  /** As the bytes it has, on disk. */
  raw: boolean;
  /** At its path, to be started or loaded from there. */
  start: boolean;
  readonly reasons: Reason[];
}

/** What waits to be read. */
export interface Waiting {
  readonly file: string;
  /** It may never run. */
  readonly soft: boolean;
}

/** Reasons that are kept for one file. */
const MOST_REASONS = 20;

/** What gets in, as what, and why. Every file is a real path. */
export class Uses {
  readonly #site: Site;
  readonly #say: Say;
  readonly #uses = new Map<string, Use>();
  readonly #waiting: Waiting[] = [];
  readonly #seen = new Set<string>();
  readonly #packages = new Set<string>();
  readonly #arrived: { readonly scope: Scope; readonly reason: Reason }[] = [];
  readonly #included: ReadonlySet<string>;

  constructor(site: Site, say: Say) {
    this.#site = site;
    this.#say = say;
    this.#included = new Set(site.project.include.map((name) => path.join(site.folder, name)));
  }

  get all(): ReadonlyMap<string, Use> {
    return this.#uses;
  }

  /** The folders of the packages that have a file in here. */
  get packages(): ReadonlySet<string> {
    return this.#packages;
  }

  /** The next file to read. */
  next(): Waiting | undefined {
    return this.#waiting.shift();
  }

  /** The next package that is new, and why it is here. */
  nextPackage(): { readonly scope: Scope; readonly reason: Reason } | undefined {
    return this.#arrived.shift();
  }

  /** Has a file read once more. */
  again(file: string): void {
    this.#waiting.push({ file, soft: false });
  }

  /** @throws SlimError for what must never be in an image */
  of(file: string, reason: Reason): Use {
    let use = this.#uses.get(file);
    if (use === undefined) {
      this.#guard(file, reason);
      use = { module: false, raw: false, start: false, reasons: [] };
      this.#uses.set(file, use);
      this.#package(file, reason);
    }
    if (
      use.reasons.length < MOST_REASONS &&
      !use.reasons.some((known) => known.file === reason.file && known.line === reason.line)
    )
      use.reasons.push(reason);
    return use;
  }

  module(file: string, reason: Reason, soft = false): void {
    this.of(file, reason).module = true;
    this.#wait(file, soft);
  }

  raw(file: string, reason: Reason): void {
    this.of(file, reason).raw = true;
    if (isCode(file)) this.#wait(file, true);
  }

  start(file: string, reason: Reason): void {
    this.of(file, reason).start = true;
    this.#wait(file, false);
  }

  /** As one of many: what looks like a secret, is excluded or is for another machine stays out. */
  rawQuietly(file: string, reason: Reason): void {
    const real = this.#site.disk.realpath(file);
    if (this.isAllowed(real, reason)) this.raw(real, reason);
  }

  /** Everything in a folder, quietly; `from` is the code that names it. */
  whole(folder: string, reason: Reason, from?: string): void {
    for (const file of this.#site.disk.below(folder)) {
      if (from !== undefined && this.#site.isSource(from, file)) this.start(this.#site.disk.realpath(file), reason);
      else this.rawQuietly(file, reason);
    }
  }

  isAllowed(file: string, reason: Reason): boolean {
    const { disk, root } = this.#site;
    if (this.#site.isExcluded(file)) return false;
    if (!isWithin(file, root)) {
      this.#say({
        code: "outside-project",
        severity: "warning",
        message: `${reason.what ?? "a folder"} has a link out of the project, to ${path.basename(file)}, which is left out`,
        ...placeOf(reason),
        hint: "copy the file into the project",
      });
      return false;
    }
    if (file.endsWith(".node") && this.#site.misfit(file) !== undefined) return false;
    if (this.#included.has(file) || !isCredential(file, () => disk.read(file))) return true;
    const name = this.#site.relative(file);
    this.#say({
      code: "credential-left-out",
      severity: "warning",
      message: `${name} looks like a secret and is left out`,
      ...placeOf(reason),
      hint: `add it on purpose with --include ${name}`,
    });
    return false;
  }

  #wait(file: string, soft: boolean): void {
    if (this.#seen.has(file)) return;
    this.#seen.add(file);
    this.#waiting.push({ file, soft });
  }

  #guard(file: string, reason: Reason): void {
    const { disk, root } = this.#site;
    const name = this.#site.relative(file);
    const where = reason.file === undefined ? name : [reason.file, reason.line].filter(Boolean).join(":");
    if (!isWithin(file, root)) {
      throw new SlimError("CLOSURE", `${reason.what ?? file} leads out of the project, to ${file}`, {
        where,
        hint: "build from the folder that holds both, or copy the file into the project",
      });
    }
    if (!this.#included.has(file) && isCredential(file, () => disk.read(file))) {
      throw new SlimError("CREDENTIAL", `${name} looks like a secret and is used here`, {
        where,
        hint: `mount it when the container runs, or add it on purpose with --include ${name}`,
      });
    }
    if (this.#site.isExcluded(file) && reason.kind !== "asset")
      throw new SlimError("CLOSURE", `${name} is excluded and needed`, { where, hint: "take it out of --exclude" });
  }

  /** What a package brings as soon as one of its files is needed. */
  #package(file: string, reason: Reason): void {
    const { disk, packages, project } = this.#site;
    const scope = packages.whole(file);
    if (scope === undefined || this.#packages.has(scope.folder)) return;
    this.#packages.add(scope.folder);
    this.#arrived.push({ scope, reason });
    if (project.external.includes(scope.json.name ?? "")) {
      for (const other of disk.below(scope.folder))
        this.rawQuietly(disk.realpath(other), { kind: "include", what: `--external ${scope.json.name}` });
    }
  }
}
