import type * as acorn from "acorn";
import { children } from "./syntax.ts";

/** Where a name gets a value from. */
export type Source =
  /** `initial` where the name is declared with it. */
  | { readonly type: "expression"; readonly node: acorn.AnyNode; readonly initial: boolean }
  /** `const { member } = source`. */
  | { readonly type: "member"; readonly of: Source; readonly member: string }
  | { readonly type: "import"; readonly specifier: string; readonly member: string | undefined }
  | { readonly type: "function"; readonly body: acorn.AnyNode }
  | { readonly type: "unknown" };

const unknown: Source = { type: "unknown" };

/** Names that stand for names are followed no further than this. */
const DEEPEST = 8;

/** A part of the text in which names are declared. */
interface Scope {
  readonly start: number;
  readonly end: number;
  readonly names: Map<string, Source[]>;
  /** Those right inside that declare something, in the order of the text. */
  readonly inner: Scope[];
}

/** The names of a file: each declaration gives its own, seen from where it is in force. */
export class Scopes {
  readonly #file: Scope;
  readonly #hoistsFunctions: boolean;
  readonly #assigned: { readonly target: acorn.Pattern; readonly source: Source }[] = [];

  constructor(tree: acorn.Program) {
    this.#file = { start: tree.start, end: tree.end, names: new Map(), inner: [] };
    this.#hoistsFunctions = tree.sourceType === "script";
    for (const node of tree.body) this.#collect(node, this.#file, this.#file);
    for (const { target, source } of this.#assigned) {
      this.#bind(target, source, (name) => {
        const known = this.#find(name, target.start);
        if (known === undefined) declare(this.#file, name); // a global one
        return known ?? this.#file.names.get(name);
      });
    }
  }

  /** Every source that a name has, as seen from a place in the text; undefined for one that the file does not declare. */
  sources(name: string, offset: number): readonly Source[] | undefined {
    return this.#find(name, offset);
  }

  /** The name of the module that an object is, or is made by: of `a` in `a.b`, where `a` is `require("x")(1)`. */
  loadedBy(node: acorn.AnyNode, depth = 0): string | undefined {
    if (depth > DEEPEST) return undefined;
    switch (node.type) {
      case "MemberExpression":
        return this.loadedBy(node.object, depth + 1);
      case "Identifier": {
        // Names of minified code have hundreds of sources, each with others: following them all would never end.
        const [first, ...others] = this.sources(node.name, node.start) ?? [];
        if (first === undefined || others.length > 0) return undefined;
        const source = first.type === "member" ? first.of : first;
        if (source.type === "import") return source.specifier;
        return source.type === "expression" ? this.loadedBy(source.node, depth + 1) : undefined;
      }
      case "CallExpression": {
        const [first] = node.arguments;
        if (node.callee.type !== "Identifier" || node.callee.name !== "require")
          return this.loadedBy(node.callee, depth + 1) ?? (first && this.loadedBy(first, depth + 1));
        return first?.type === "Literal" && typeof first.value === "string" ? first.value : undefined;
      }
      default:
        return undefined;
    }
  }

  #find(name: string, offset: number): Source[] | undefined {
    let found: Source[] | undefined;
    for (let scope: Scope | undefined = this.#file; scope !== undefined; scope = around(scope.inner, offset))
      found = scope.names.get(name) ?? found;
    return found;
  }

  /** @param body the scope of `var`: the function or file around */
  #collect(node: acorn.AnyNode, scope: Scope, body: Scope): void {
    switch (node.type) {
      case "ImportDeclaration":
        for (const item of node.specifiers) {
          const member = item.type === "ImportSpecifier" ? nameOf(item.imported) : undefined;
          declare(scope, item.local.name, { type: "import", specifier: String(node.source.value), member });
        }
        return;
      case "FunctionDeclaration":
        if (node.id) {
          declare(scope, node.id.name, { type: "function", body: node.body });
          // https://tc39.es/ecma262/#sec-block-level-function-declarations-web-legacy-compatibility-semantics
          if (scope !== body && this.#hoistsFunctions)
            declare(body, node.id.name, { type: "function", body: node.body });
        }
        this.#inside(node, scope);
        return;
      case "FunctionExpression":
      case "ArrowFunctionExpression":
      case "StaticBlock":
        this.#inside(node, scope);
        return;
      case "ClassDeclaration":
        if (node.id) declare(scope, node.id.name, unknown);
        this.#below(node, scope, body);
        return;
      case "ClassExpression":
      case "CatchClause":
      case "BlockStatement":
      case "SwitchStatement":
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
        this.#inside(node, scope, body);
        return;
      case "VariableDeclaration":
        for (const { id, init } of node.declarations) {
          const declared = node.kind === "var" ? body : scope;
          this.#bind(id, init ? { type: "expression", node: init, initial: true } : unknown, (name) =>
            declare(declared, name),
          );
        }
        break;
      case "AssignmentExpression":
        this.#assigned.push({
          target: node.left,
          source: /^(?:\?\?|\|\||&&)?=$/.test(node.operator)
            ? { type: "expression", node: node.right, initial: false }
            : unknown,
        });
        break;
    }
    this.#below(node, scope, body);
  }

  #below(node: acorn.AnyNode, scope: Scope, body: Scope): void {
    for (const child of children(node)) this.#collect(child, scope, body);
  }

  /** A node with names of its own; one that is the body of a function where `body` is left out. */
  #inside(node: acorn.AnyNode, outer: Scope, body?: Scope): void {
    const scope: Scope = { start: node.start, end: node.end, names: new Map(), inner: [] };
    const own = (pattern: acorn.Pattern) => this.#bind(pattern, unknown, (name) => declare(scope, name));
    if (node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression") {
      if (node.id) declare(scope, node.id.name, { type: "function", body: node.body });
    } else if (node.type === "ClassExpression" && node.id) own(node.id);
    else if (node.type === "CatchClause" && node.param) own(node.param);
    if ("params" in node) for (const param of node.params) own(param);
    this.#below(node, scope, body ?? scope);
    if (scope.names.size > 0) outer.inner.push(scope);
    else outer.inner.push(...scope.inner);
  }

  /** Gives the names of a pattern what it gets. */
  #bind(pattern: acorn.Pattern, source: Source, sourcesOf: (name: string) => Source[] | undefined): void {
    switch (pattern.type) {
      case "Identifier": {
        sourcesOf(pattern.name)?.push(source);
        return;
      }
      case "ObjectPattern":
        for (const property of pattern.properties) {
          if (property.type === "RestElement") this.#bind(property.argument, unknown, sourcesOf);
          else {
            const member = property.computed ? undefined : nameOf(property.key);
            this.#bind(
              property.value,
              member === undefined ? unknown : { type: "member", of: source, member },
              sourcesOf,
            );
          }
        }
        return;
      case "ArrayPattern":
        for (const element of pattern.elements) if (element) this.#bind(element, unknown, sourcesOf);
        return;
      case "RestElement":
        this.#bind(pattern.argument, unknown, sourcesOf);
        return;
      case "AssignmentPattern":
        this.#bind(pattern.left, source, sourcesOf);
        return;
    }
  }
}

function declare(scope: Scope, name: string, source?: Source): Source[] {
  let sources = scope.names.get(name);
  if (sources === undefined) {
    sources = [];
    scope.names.set(name, sources);
  }
  if (source !== undefined) sources.push(source);
  return sources;
}

/** The scope that a place in the text is in. */
function around(scopes: readonly Scope[], offset: number): Scope | undefined {
  let [low, high] = [0, scopes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((scopes[middle] as Scope).end <= offset) low = middle + 1;
    else high = middle;
  }
  const scope = scopes[low];
  return scope !== undefined && scope.start <= offset ? scope : undefined;
}

function nameOf(key: acorn.AnyNode): string | undefined {
  if (key.type === "Identifier") return key.name;
  return key.type === "Literal" ? String(key.value) : undefined;
}
