import path from "node:path";
import { compareStrings } from "../../base/files.ts";
import type { Asker, SpecifierAsk } from "./asker.ts";
import { splitSpecifier } from "./packages.ts";
import type { PlacedAsk } from "./readings.ts";
import type { Say } from "./say.ts";
import type { Site } from "./site.ts";
import type { Uses } from "./uses.ts";

interface Asking {
  readonly asker: Asker;
  readonly ask: SpecifierAsk;
}

/**
 * What the app's own code loads only with another NODE_ENV than the image's. Development dependencies among it are left
 * out, as an install for production leaves them out; the rest is not: whoever starts the image may set the variable.
 */
export class Elsewhere {
  readonly #site: Site;
  readonly #uses: Uses;
  readonly #say: Say;
  /** Asks wait until everything else is known; then modules are read that nothing else has led to. */
  #phase: "waiting" | "reading" | "done" = "waiting";
  readonly #waiting: Asking[] = [];
  #leftOut: Asking[] = [];
  /** Modules that only such asks have led to. */
  readonly #modules = new Set<string>();
  #isSet = false;

  constructor(site: Site, uses: Uses, say: Say) {
    this.#site = site;
    this.#uses = uses;
    this.#say = say;
  }

  /** A module is read for the first time. */
  reads(file: string): void {
    if (this.#phase === "reading") this.#modules.add(file);
  }

  /** Some code gives NODE_ENV another value, so that nothing can be left out. */
  set(file: string): void {
    this.#isSet ||= !this.#modules.has(file);
  }

  /** Whether an ask is one of these, and is not to be answered now. */
  takes(asker: Asker, ask: PlacedAsk): boolean {
    if (!asker.own || !("specifier" in ask) || !(ask.elsewhere || this.#modules.has(asker.file))) return false;
    if (this.#phase !== "waiting") return this.#leaves({ asker, ask });
    this.#waiting.push({ asker, ask });
    return true;
  }

  /** Everything else is known: what of the waiting is to be answered. */
  resume(): readonly Asking[] {
    this.#phase = "reading";
    return this.#waiting.filter((asking) => !this.#leaves(asking));
  }

  /** What that led to has been read. */
  done(): void {
    this.#phase = "done";
  }

  /** What has been left out and must not be: NODE_ENV is set after all, or the package is there anyway. */
  reconsider(): readonly Asking[] {
    const back = this.#leftOut.filter((asking) => this.#isSet || this.#isThere(asking));
    this.#leftOut = this.#leftOut.filter((asking) => !back.includes(asking));
    return back;
  }

  /** Says what is left out. */
  settle(): void {
    const names = new Set(this.#leftOut.map(({ ask }) => packageOf(ask)));
    if (names.size === 0) return;
    this.#say({
      code: "development-only",
      severity: "info",
      message: `left out, as development dependencies for another NODE_ENV than "${this.#site.project.nodeEnv}": ${[...names].sort(compareStrings).join(", ")}`,
      hint: `what the image needs belongs in "dependencies"; --env NODE_ENV=development builds for development`,
    });
  }

  #leaves(asking: Asking): boolean {
    if (this.#isSet || !this.#isForDevelopment(asking)) return false;
    this.#leftOut.push(asking);
    return true;
  }

  #isThere({ asker, ask }: Asking): boolean {
    const folder = this.#site.find(packageOf(ask), path.dirname(asker.file));
    return folder !== undefined && this.#uses.packages.has(folder);
  }

  #isForDevelopment({ asker, ask }: Asking): boolean {
    const name = packageOf(ask);
    const json = this.#site.packages.whole(asker.file)?.json;
    if (json?.devDependencies?.[name] === undefined) return false;
    return [json.dependencies, json.optionalDependencies, json.peerDependencies].every(
      (list) => list?.[name] === undefined,
    );
  }
}

function packageOf({ specifier }: SpecifierAsk): string {
  return splitSpecifier(specifier)?.name ?? "";
}
