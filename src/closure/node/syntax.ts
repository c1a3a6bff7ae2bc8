import { type AnyNode, type Node, Parser, type Token } from "acorn";

/** A parsed file: `text` is what `tree`'s positions count in. */
export interface Syntax {
  readonly text: string;
  readonly tree: Node;
  readonly tokens: readonly Token[];
  readonly format: "commonjs" | "module";
}

export type Format = Syntax["format"] | "unknown";

/**
 * Parses what Node.js would load. Where a package.json leaves the format open, the syntax decides, as in Node.js:
 * https://nodejs.org/api/packages.html#syntax-detection
 * @throws SyntaxError with `loc`
 */
export function parse(text: string, format: Format): Syntax {
  if (format !== "unknown") return parseAs(text, format);
  try {
    return parseAs(text, "commonjs");
  } catch (error) {
    try {
      return parseAs(text, "module");
    } catch {
      throw error;
    }
  }
}

/**
 * Parses what is given to `Function` or `eval`; undefined for what is no code.
 */
export function parseBody(text: string): Node | undefined {
  try {
    return Parser.parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true });
  } catch {
    return undefined;
  }
}

/** Parses what is given to `eval` at a place in the text, as if it stood there; undefined for what is no expression. */
export function parseQuoted(text: string, offset: number): AnyNode | undefined {
  try {
    const node = Parser.parseExpressionAt(" ".repeat(offset) + text, offset, { ecmaVersion: "latest" });
    return node.end === offset + text.replace(/[\s;]+$/, "").length ? node : undefined;
  } catch {
    return undefined;
  }
}

function parseAs(text: string, format: Syntax["format"]): Syntax {
  const tokens: Token[] = [];
  const tree = Parser.parse(text, {
    ecmaVersion: "latest",
    sourceType: format,
    allowHashBang: true,
    locations: false,
    onToken: tokens,
  });
  return { text, tree, tokens, format };
}

/** The nodes right below a node, in the order of the text. */
export function children(node: AnyNode): readonly AnyNode[] {
  const nodes: AnyNode[] = [];
  for (const key in node) {
    const value: unknown = node[key as keyof typeof node];
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) nodes.push(item);
    } else if (isNode(value)) nodes.push(value);
  }
  return nodes;
}

function isNode(value: unknown): value is AnyNode {
  return (
    typeof value === "object" && value !== null && "type" in value && typeof value.type === "string" && "start" in value
  );
}

/**
 * The same program without comments and indentation. Every token stays on its line, so that the line in
 * an error's stack is the one in the source, and nothing that a program can see is renamed or reordered.
 * `strings` are put in the place of other string literals.
 */
export function strip(
  { text, tokens }: Pick<Syntax, "text" | "tokens">,
  strings: ReadonlyMap<string, string> = new Map(),
): string {
  const parts: string[] = [];
  let end = 0;
  for (const token of tokens) {
    if (token.start > end) parts.push(gap(text, end, token.start));
    const written = text.slice(token.start, token.end);
    const other = /^["']/.test(written) ? strings.get(written.slice(1, -1)) : undefined;
    parts.push(other === undefined ? written : JSON.stringify(other));
    end = token.end;
  }
  return parts.join("");
}

function gap(text: string, start: number, end: number): string {
  let lines = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 10 || code === 0x2028 || code === 0x2029 || (code === 13 && text.charCodeAt(at + 1) !== 10))
      lines += 1;
  }
  if (lines > 0) return "\n".repeat(lines);
  if (start === 0) return "";
  return mustPart(text[start - 1] ?? "", text[end] ?? "") ? " " : "";
}

const word = /[\w$#@\\\u0080-\uffff]/;
const bracket = /[(){}[\];,"'`]/;

/** Whether two characters would be read as one token, or differently, without the space between them. */
function mustPart(before: string, after: string): boolean {
  if (bracket.test(before) || bracket.test(after)) return false;
  return word.test(before) === word.test(after) || after === "." || before === ".";
}

/** Line and column, both counted from 1, of places in a text. */
export class Lines {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#starts.push(at + 1);
  }

  at(offset: number): { readonly line: number; readonly column: number } {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
  }
}
