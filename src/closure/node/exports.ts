import type * as acorn from "acorn";
import { nameOf } from "./evaluate.ts";

/** A name that a module exports: an expression of its own, or a name of another module (`*` for all it has). */
export type Export =
  | { readonly name: string; readonly value: acorn.AnyNode }
  | { readonly name: string; readonly from: string; readonly member: string };

/** What a module exports by statements of its own, in ES modules, in CommonJS, and as compilers write it. */
export function* exportsOf(tree: acorn.Program): Generator<Export> {
  for (const statement of tree.body) {
    switch (statement.type) {
      case "ExportNamedDeclaration":
        yield* named(statement);
        break;
      case "ExportAllDeclaration":
        if (statement.exported === null) yield { name: "*", from: String(statement.source.value), member: "*" };
        break;
      case "ExportDefaultDeclaration":
        yield* assigned("default", statement.declaration);
        break;
      case "ExpressionStatement":
        yield* commonJs(statement.expression);
        break;
    }
  }
}

function* named({ declaration, specifiers, source }: acorn.ExportNamedDeclaration): Generator<Export> {
  if (declaration?.type === "VariableDeclaration") {
    for (const { id } of declaration.declarations) if (id.type === "Identifier") yield { name: id.name, value: id };
  }
  for (const { exported, local } of specifiers) {
    if (source == null) yield { name: nameIn(exported), value: local };
    else yield { name: nameIn(exported), from: String(source.value), member: nameIn(local) };
  }
}

function nameIn(node: acorn.Identifier | acorn.Literal): string {
  return node.type === "Identifier" ? node.name : String(node.value);
}

/** `exports.NAME = ...`, `module.exports = { NAME: ... }`, and `__export(exports, { NAME: () => ... })` of esbuild. */
function* commonJs(node: acorn.Expression): Generator<Export> {
  if (node.type === "CallExpression" && nameOf(node.callee) === "__export") {
    const [, getters] = node.arguments;
    for (const { name, value } of properties(getters))
      if (value.type === "ArrowFunctionExpression") yield { name, value: value.body };
  }
  if (node.type !== "AssignmentExpression" || node.left.type !== "MemberExpression") return;
  const { object } = node.left;
  const name = nameOf(node.left);
  if (nameOf(object) === "exports") yield { name, value: node.right };
  else if (nameOf(object) === "module" && name === "exports") yield* assigned("default", node.right);
}

/** A value as a whole, and what it has where it is an object. */
function* assigned(name: string, value: acorn.AnyNode): Generator<Export> {
  if (value.type === "ObjectExpression") yield* properties(value);
  else yield { name, value };
}

function* properties(node: acorn.AnyNode | undefined): Generator<{ name: string; value: acorn.AnyNode }> {
  for (const property of node?.type === "ObjectExpression" ? node.properties : []) {
    if (property.type !== "Property" || property.computed) continue;
    const { key } = property;
    if (key.type === "Identifier" || key.type === "Literal") yield { name: nameIn(key), value: property.value };
  }
}
