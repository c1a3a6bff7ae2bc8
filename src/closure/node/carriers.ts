import path from "node:path";
import type { Reason } from "../types.ts";
import { Absent, foldersUp, type Published } from "./absent.ts";
import { type Addons, addonsOf, isCarrier, suits } from "./addons.ts";
import type { Asker, SpecifierAsk } from "./asker.ts";
import type { Failures } from "./failures.ts";
import { isCode } from "./load.ts";
import type { Edge } from "./module.ts";
import { forPeople, type Scope } from "./packages.ts";
import type { Resolution } from "./resolve.ts";
import type { Say } from "./say.ts";
import type { Site } from "./site.ts";
import type { Uses } from "./uses.ts";

/** Native addons for the target: those that packages have, and those that other packages carry for them. */
export class Carriers {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #failures: Failures;
  readonly #say: Say;
  readonly #absent: Absent;
  readonly #addons = new Map<string, Addons>();
  readonly #carried: Edge[] = [];

  constructor(site: Site, uses: Uses, failures: Failures, say: Say, published: Published | undefined) {
    this.#site = site;
    this.#uses = uses;
    this.#failures = failures;
    this.#say = say;
    const { disk, packages, machine, folder, root } = site;
    const folders = foldersUp(folder, root);
    this.#absent = new Absent({ disk, packages, published, machine, folders, find: site.find.bind(site) });
  }

  /** Names of packages of binaries, which no code writes out. */
  get carried(): readonly Edge[] {
    return this.#carried;
  }

  /** Takes the addons of packages that are new. */
  async bring(): Promise<void> {
    const { machine, root, target } = this.#site;
    for (let next = this.#uses.nextPackage(); next !== undefined; next = this.#uses.nextPackage()) {
      const { scope, reason } = next;
      const { folders, lacking, diagnostics } = await this.#absent.carriers(scope);
      for (const diagnostic of diagnostics) this.#say(diagnostic);
      for (const folder of folders) this.#carrier(scope, folder);
      const foreign = scope.folder === root ? undefined : this.#own(scope);
      if (folders.length > 0 || !suits(scope.json, machine) || (foreign === undefined && !lacking)) continue;
      const why = foreign === undefined ? "" : `: ${foreign}`;
      const message = `${scope.json.name} has no addon for ${target}${why}`;
      this.#failures.foreign({ folder: scope.folder, message, reason, guarded: false });
    }
  }

  /** Binaries for other machines would not be installed on the target. */
  onTarget(found: Resolution): Resolution {
    const { machine, packages, target } = this.#site;
    const json = found.type === "file" ? packages.whole(found.file)?.json : undefined;
    if (json === undefined || !isCarrier(json) || suits(json, machine)) return found;
    return { type: "missing", message: `${json.name} is for other machines than ${target}` };
  }

  /** Whether an addon that code names is for another machine; what its package has is known already. */
  refuses(addon: string, asker: Asker, ask: SpecifierAsk, reason: Reason): boolean {
    const { packages, root, target } = this.#site;
    const why = this.#site.misfit(addon);
    if (why === undefined) return false;
    const scope = packages.whole(addon);
    const folder = scope?.folder ?? root;
    if (scope !== undefined && folder !== root) {
      const { files, foreign } = this.#addonsOf(scope);
      if (files.length > 0 || foreign !== undefined) return true;
    }
    const message = `${this.#site.relative(addon)} ${why}, and the image is for ${target}`;
    this.#failures.foreign({ folder, message, reason, loader: asker.file, guarded: ask.guarded || asker.soft });
    return true;
  }

  /** Takes the addons of a package for the target; or says why there are none, where it has others. */
  #own(scope: Scope): string | undefined {
    const { files, foreign } = this.#addonsOf(scope);
    for (const addon of files) {
      this.#uses.module(this.#site.disk.realpath(addon), {
        kind: "dlopen",
        from: this.#site.image(path.join(scope.folder, "package.json")),
        what: path.relative(scope.folder, addon),
      });
    }
    return foreign && `${path.relative(scope.folder, foreign.file)} ${foreign.why}`;
  }

  #addonsOf(scope: Scope): Addons {
    const known = this.#addons.get(scope.folder) ?? addonsOf(this.#site.disk, scope, this.#site.machine);
    this.#addons.set(scope.folder, known);
    return known;
  }

  /** A package of binaries for another one, whose loader names it at run time. */
  #carrier(scope: Scope, folder: string): void {
    const { disk, packages, resolver } = this.#site;
    const name = packages.at(folder)?.json.name ?? "";
    const manifest = path.join(scope.folder, "package.json");
    const reason: Reason = { kind: "require", from: this.#site.image(manifest), what: name };
    // Loaders read the name of the package that they are in.
    this.#uses.raw(manifest, reason);
    const main = resolver.resolve(name, manifest, "require");
    if (main.type === "file" && main.base !== undefined)
      this.#carried.push({ specifier: name, style: "require", target: main.file, base: main.base });
    for (const file of disk.below(folder)) {
      if (forPeople.test(file) || file.endsWith(".node")) continue;
      const real = disk.realpath(file);
      if (isCode(file) || file.endsWith(".json")) this.#uses.module(real, reason, true);
      else this.#uses.rawQuietly(real, reason);
    }
  }
}
