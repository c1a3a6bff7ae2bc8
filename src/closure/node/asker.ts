import type { Diagnostic } from "../../base/diagnostic.ts";
import type { Reason } from "../types.ts";
import type { Edge } from "./module.ts";
import { readable } from "./patterns.ts";
import type { PlacedAsk } from "./readings.ts";
import type { Resolution, Style } from "./resolve.ts";
import type { Say } from "./say.ts";
import type { Site } from "./site.ts";

export type SpecifierAsk = Extract<PlacedAsk, { specifier: string }>;
export type TextAsk = Extract<PlacedAsk, { type: "text" }>;

/** A module whose asks are being answered. */
export class Asker {
  readonly file: string;
  /** The user's own, not a package's. */
  readonly own: boolean;
  /** It may never run. */
  readonly soft: boolean;
  readonly edges: Edge[] = [];
  readonly #site: Site;
  readonly #say: Say;

  constructor(site: Site, say: Say, file: string, soft: boolean) {
    this.#site = site;
    this.#say = say;
    this.file = file;
    this.own = site.packages.isOwn(file);
    this.soft = soft;
  }

  /** Notes what a specifier means here. */
  means(specifier: string, style: Style, { file, base }: Extract<Resolution, { type: "file" }>): void {
    this.edges.push({ specifier, style, target: file, ...(base === undefined ? {} : { base }) });
  }

  /** Why something gets in that is asked for here. */
  reason(kind: Reason["kind"], { line }: PlacedAsk, what: string): Reason {
    return {
      kind,
      from: this.#site.image(this.file),
      file: this.#site.relative(this.file),
      line,
      what: readable(what).replace(`${this.#site.root}/`, ""),
    };
  }

  /** Says something about an ask. */
  warn(
    { line }: PlacedAsk,
    diagnostic: Omit<Diagnostic, "file" | "line" | "severity"> & Partial<Pick<Diagnostic, "severity">>,
  ): void {
    if (this.soft) return;
    const severity = this.own ? "warning" : "info";
    this.#say({ severity, ...diagnostic, file: this.#site.relative(this.file), line });
  }
}
