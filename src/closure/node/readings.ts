import { version as acorn } from "acorn";
import type { Cache } from "../../layer/cache.ts";
import type { Ask } from "./analyze.ts";
import type { Syntax } from "./syntax.ts";

/** All that one file of code says, as its text, its place and the target decide. */
export interface Reading {
  readonly format: Syntax["format"];
  /** The text that is shipped. */
  readonly text: string;
  readonly asks: readonly PlacedAsk[];
  /** It replaces a part of the module loader. */
  readonly patchesLoader: boolean;
  /** The project wants `emitDecoratorMetadata` for decorators in this file, which esbuild does not do. */
  readonly withoutMetadata: boolean;
}

/** An ask with its line and column in the source, counted from 1. */
export type PlacedAsk = Ask & { readonly line: number; readonly column: number };

/** What `require.resolve` answers, which is decided by other files. */
export type Locate = (specifier: string) => string | undefined;

interface Remembered {
  /** What decides the reading, but for the answers. */
  readonly key: string;
  /** What was asked for while it was made, and the answers: it holds as long as they do. */
  readonly located: readonly (readonly [specifier: string, answer: string | null])[];
  readonly reading: Reading;
}

/** Set by build.js to a digest of slim's own code, which decides what it reads in a file. */
declare const SLIM_CODE: string | undefined;

/** The readings of one project, remembered from build to build, so that only what was edited is parsed again. */
export class Readings {
  readonly #cache: Cache;
  readonly #key: string;
  readonly #before: ReadonlyMap<string, Remembered>;
  readonly #now = new Map<string, Remembered>();
  #changed = false;

  private constructor(cache: Cache, key: string, before: ReadonlyMap<string, Remembered>) {
    this.#cache = cache;
    this.#key = key;
    this.#before = before;
  }

  /** `project` tells one project and target from others. Undefined where slim runs from its sources. */
  static async open(cache: Cache, project: string): Promise<Readings | undefined> {
    if (typeof SLIM_CODE !== "string") return undefined;
    const key = `${SLIM_CODE} acorn ${acorn}\n${project}`;
    const before = await cache.get<readonly (readonly [string, Remembered])[]>("readings", key);
    return new Readings(cache, key, new Map(before));
  }

  /** The reading of a file, from before when nothing that decides it is different. */
  async read(file: string, key: string, locate: Locate, make: (locate: Locate) => Promise<Reading>): Promise<Reading> {
    const known = this.#before.get(file);
    if (known?.key === key && known.located.every(([specifier, answer]) => (locate(specifier) ?? null) === answer)) {
      this.#now.set(file, known);
      return known.reading;
    }
    const located = new Map<string, string | null>();
    const reading = await make((specifier) => {
      const answer = locate(specifier);
      located.set(specifier, answer ?? null);
      return answer;
    });
    this.#now.set(file, { key, located: [...located], reading });
    this.#changed = true;
    return reading;
  }

  /** Keeps what was read this time. */
  async save(): Promise<void> {
    if (this.#changed || this.#now.size !== this.#before.size)
      await this.#cache.put("readings", this.#key, [...this.#now]);
  }
}
