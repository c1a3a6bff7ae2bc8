import type { AnyNode, Expression, SpreadElement } from "acorn";
import { hook } from "./bootstrap.ts";
import { children, parse, parseBody, type Syntax } from "./syntax.ts";

const call = /\bimport\s*\(/g;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly put: string;
}

/**
 * A module's text with what has to run before each `import()`, also in code that is given to `Function` and
 * `eval` as a string. `loose` when more of it makes code that may call `import()`.
 */
export function announced(text: string, format: Syntax["format"]): { readonly text: string; readonly loose: boolean } {
  const most = text.match(call)?.length ?? 0;
  if (most === 0) return { text, loose: false };
  const edits = editsOf(parse(text, format).tree as AnyNode);
  const announcements = edits.reduce((sum, { put }) => sum + put.split(hook).length - 1, 0);
  return { text: edited(text, edits), loose: most > announcements };
}

function editsOf(tree: AnyNode): readonly Edit[] {
  const edits: Edit[] = [];
  const visit = (node: AnyNode) => {
    if (node.type === "ImportExpression") {
      const { start, end } = node.source;
      edits.push({ start, end: start, put: `(${hook},` }, { start: end, end, put: ")" });
    }
    const code = node.type === "CallExpression" || node.type === "NewExpression" ? codeOf(node) : undefined;
    if (code !== undefined) edits.push(...code);
    else for (const child of children(node)) visit(child);
  };
  visit(tree);
  return edits;
}

/** What to do with the string of `new Function("...")` or `eval("...")`. */
function codeOf({
  callee,
  arguments: given,
}: {
  callee: AnyNode;
  arguments: (Expression | SpreadElement)[];
}): Edit[] | undefined {
  const name = callee.type === "SequenceExpression" ? callee.expressions.at(-1) : callee;
  if (name?.type !== "Identifier" || (name.name !== "Function" && name.name !== "eval")) return undefined;
  const last = given.at(-1);
  if (last?.type !== "Literal" || typeof last.value !== "string" || !last.value.includes("import")) return undefined;
  const tree = parseBody(last.value);
  const edits = tree === undefined ? [] : editsOf(tree as AnyNode);
  return edits.length === 0
    ? undefined
    : [{ start: last.start, end: last.end, put: JSON.stringify(edited(last.value, edits)) }];
}

function edited(text: string, edits: readonly Edit[]): string {
  let made = "";
  let from = 0;
  for (const { start, end, put } of edits.toSorted((a, b) => a.start - b.start)) {
    made += text.slice(from, start) + put;
    from = end;
  }
  return made + text.slice(from);
}
