import type { Reading } from "./readings.ts";
import type { Style } from "./resolve.ts";

/** A module of the closure. `code` is there for JavaScript and TypeScript. */
export interface Module {
  readonly file: string;
  readonly kind: "commonjs" | "module" | "json" | "addon";
  readonly code?: Reading;
  readonly edges: readonly Edge[];
}

/** What a specifier means in one file. */
export interface Edge {
  readonly specifier: string;
  readonly style: Style;
  readonly target: string;
  /** Where the search for a bare name succeeded. */
  readonly base?: string;
}
