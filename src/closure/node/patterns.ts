import { ANY } from "./evaluate.ts";

/** The deepest folder that a pattern is certainly in. */
export function folderOf(pattern: string): string {
  const literal = pattern.slice(0, pattern.indexOf(ANY));
  return literal.slice(0, literal.lastIndexOf("/"));
}

/** What fits a pattern, with `ending` behind it. */
export function expressionOf(pattern: string, ending = ""): RegExp {
  const escaped = pattern.split(ANY).map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}${ending}$`, "s");
}

/** As people read it. */
export function readable(pattern: string): string {
  return pattern.replaceAll(ANY, "*");
}
