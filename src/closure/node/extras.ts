import path from "node:path";
import { SlimError } from "../../base/error.ts";
import { isWithin } from "../disk.ts";
import { included, includeNothing } from "../included.ts";
import type { Reason } from "../types.ts";
import type { Carriers } from "./carriers.ts";
import { isCode } from "./load.ts";
import type { Edge } from "./module.ts";
import { splitSpecifier } from "./packages.ts";
import type { NodeProject } from "./project.ts";
import type { Say } from "./say.ts";
import type { Site } from "./site.ts";
import { TRACE_NAME, type TracedFile } from "./traced.ts";
import type { Uses } from "./uses.ts";

/** A module that Node.js loads before the entry. */
export interface Preload {
  readonly option: string;
  readonly file: string;
}

/** What gets in beside what code asks for: what the program is started with, what the user adds, what a run has shown. */
export class Extras {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #carriers: Carriers;
  readonly #say: Say;
  readonly #carried: Edge[] = [];

  constructor(site: Site, uses: Uses, carriers: Carriers, say: Say) {
    this.#site = site;
    this.#uses = uses;
    this.#carriers = carriers;
    this.#say = say;
  }

  /** Names by which a run found packages. */
  get carried(): readonly Edge[] {
    return this.#carried;
  }

  /** @throws SlimError `CLOSURE` for a preload that cannot be found */
  take(): readonly Preload[] {
    const { preloads, args, include, traced } = this.#site.project;
    const found = preloads.map((one) => this.#preload(one));
    for (const argument of args) this.#argument(argument);
    for (const pattern of include) this.#include(pattern);
    for (const one of traced) this.#traced(one);
    return found;
  }

  #preload({ option, specifier }: NodeProject["preloads"][number]): Preload {
    const from = path.join(this.#site.folder, "package.json");
    const found = this.#site.resolver.resolve(specifier, from, option === "--import" ? "import" : "require");
    if (found.type !== "file") {
      throw new SlimError("CLOSURE", `cannot find "${specifier}", which Node.js loads before the entry`, {
        where: `${option} in ${this.#site.relative(from)}`,
        hint: splitSpecifier(specifier) === undefined ? "correct the path" : `npm install ${specifier}`,
      });
    }
    this.#uses.start(found.file, { kind: "entry", what: `${option} ${specifier}` });
    return { option, file: found.file };
  }

  /** A file or folder of the project that the entry is given as an argument. */
  #argument(argument: string): void {
    const { disk, entry, folder } = this.#site;
    const place = path.resolve(folder, argument.replace(/^--?[\w-]+=/, ""));
    const reason: Reason = { kind: "asset", from: this.#site.image(entry), what: argument };
    if (!isWithin(place, folder) || place === folder) return;
    if (disk.isFolder(place)) this.#uses.whole(place, reason);
    else if (!disk.isFile(place)) return;
    else if (isCode(place)) this.#uses.start(disk.realpath(place), reason);
    else this.#uses.rawQuietly(place, reason);
  }

  #include(pattern: string): void {
    const { disk, folder } = this.#site;
    const reason: Reason = { kind: "include", what: pattern };
    const { files, isNamed } = included(disk, folder, pattern);
    if (files.length === 0) this.#say(includeNothing(pattern));
    for (const file of files) {
      if (isNamed) this.#uses.raw(disk.realpath(file), reason);
      else this.#uses.rawQuietly(file, reason);
    }
  }

  /** What a run needed, as long as it is there and may be in an image of this platform. */
  #traced({ file, how, from, specifier }: TracedFile): void {
    const { disk, folder, resolver } = this.#site;
    const place = path.join(folder, file);
    const asker = path.join(folder, from);
    if (!disk.isFile(place)) {
      this.#say({
        code: "trace-stale",
        severity: "warning",
        message: `names ${file}, which is not there`,
        file: TRACE_NAME,
        hint: "run slim trace again",
      });
      return;
    }
    const reason: Reason = {
      kind: "trace",
      from: this.#site.image(asker),
      file: TRACE_NAME,
      what: specifier ?? file,
    };
    const real = disk.realpath(place);
    if (this.#carriers.onTarget({ type: "file", file: real }).type === "missing") return;
    if (how === "read" || !isCode(real)) this.#uses.rawQuietly(real, reason);
    else if (this.#uses.isAllowed(real, reason)) this.#uses.start(real, reason);
    if (specifier === undefined || !this.#uses.all.has(real)) return;
    for (const style of ["require", "import"] as const) {
      const found = resolver.resolve(specifier, asker, style);
      if (found.type === "file" && found.file === real && found.base !== undefined)
        this.#carried.push({ specifier, style, target: real, base: found.base });
    }
  }
}
