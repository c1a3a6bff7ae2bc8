import type * as acorn from "acorn";
import { ANY, type Evaluator } from "./evaluate.ts";
import type { Scopes, Source } from "./scopes.ts";

/** Constants that are made of constants, no further than this. */
const DEEPEST = 16;

/** Conditions that NODE_ENV alone decides, for one value of it. */
export class Conditions {
  readonly #nodeEnv: string;
  readonly #evaluator: Evaluator;
  readonly #scopes: Scopes;

  constructor(nodeEnv: string, evaluator: Evaluator, scopes: Scopes) {
    this.#nodeEnv = nodeEnv;
    this.#evaluator = evaluator;
    this.#scopes = scopes;
  }

  /** Whether a part of a node is one that never runs. */
  excludes(node: acorn.AnyNode, part: acorn.AnyNode): boolean {
    if (node.type === "IfStatement" || node.type === "ConditionalExpression") {
      if (part === node.test) return false;
      const truth = this.#truth(node.test);
      return truth !== undefined && (part === node.consequent) !== truth;
    }
    if (node.type !== "LogicalExpression" || part === node.left || node.operator === "??") return false;
    return this.#truth(node.left) === (node.operator === "||");
  }

  /** Whether a node gives NODE_ENV another value, to this process or for one that is started. */
  sets(node: acorn.AnyNode): boolean {
    if (node.type === "UnaryExpression") return node.operator === "delete" && isNodeEnv(node.argument);
    if (node.type === "AssignmentExpression")
      // With `||=` and `??=` it stays what it is.
      return node.operator === "=" && isNodeEnv(node.left) && this.#value(node.right) !== this.#nodeEnv;
    if (node.type !== "Property" || !isName(node.key) || this.#value(node.value) === this.#nodeEnv) return false;
    // Handed on from the environment it stays what it is.
    const handed = this.#evaluator.builtins(node.value).length > 0;
    return this.#evaluator.texts(node.value).some((text) => text !== this.#nodeEnv && !(handed && text === ANY));
  }

  #truth(node: acorn.AnyNode, depth = 0): boolean | undefined {
    if (depth > DEEPEST) return undefined;
    if (node.type === "LogicalExpression" && node.operator !== "??") {
      const truths = [this.#truth(node.left, depth + 1), this.#truth(node.right, depth + 1)];
      const decides = node.operator === "||";
      return truths.includes(decides) ? decides : truths.includes(undefined) ? undefined : !decides;
    }
    const source = node.type === "Identifier" ? this.#constant(node) : undefined;
    if (source?.type === "expression") return this.#truth(source.node, depth + 1);
    const value = this.#value(node, depth);
    return value === undefined ? undefined : Boolean(value);
  }

  /** What an expression is, where NODE_ENV and what is written out decide it. */
  #value(node: acorn.AnyNode, depth = 0): string | boolean | undefined {
    if (depth > DEEPEST) return undefined;
    switch (node.type) {
      case "Literal":
        return typeof node.value === "string" || typeof node.value === "boolean" ? node.value : undefined;
      case "MemberExpression":
        return this.#isNodeEnv(node) ? this.#nodeEnv : undefined;
      case "Identifier": {
        const source = this.#constant(node);
        if (source?.type === "expression") return this.#value(source.node, depth + 1);
        return source !== undefined && this.#isNodeEnv(node) ? this.#nodeEnv : undefined;
      }
      case "UnaryExpression": {
        const truth = node.operator === "!" ? this.#truth(node.argument, depth + 1) : undefined;
        return truth === undefined ? undefined : !truth;
      }
      case "BinaryExpression": {
        const same = /^===?$/.test(node.operator);
        if (!same && !/^!==?$/.test(node.operator)) return undefined;
        const [left, right] = [this.#value(node.left as acorn.AnyNode, depth + 1), this.#value(node.right, depth + 1)];
        return left === undefined || right === undefined ? undefined : (left === right) === same;
      }
      case "LogicalExpression": {
        const left = this.#value(node.left, depth + 1);
        if (left === undefined) return undefined;
        const isLeft = node.operator === "??" || Boolean(left) === (node.operator === "||");
        return isLeft ? left : this.#value(node.right, depth + 1);
      }
      default:
        return undefined;
    }
  }

  /** The only value that a name ever has. */
  #constant({ name, start }: acorn.Identifier): Source | undefined {
    const sources = this.#scopes.sources(name, start) ?? [];
    return sources.length === 1 ? sources.find(isInitial) : undefined;
  }

  #isNodeEnv(node: acorn.AnyNode): boolean {
    const values = this.#evaluator.values(node);
    const [name, ...others] = this.#evaluator.builtins(node);
    return (
      name === "process.env.NODE_ENV" &&
      others.length === 0 &&
      values.every((value) => value.is === "builtin" || (value.is === "text" && value.text === ANY))
    );
  }
}

/** Whether a name has the value from where it is declared. */
function isInitial(source: Source): boolean {
  return source.type === "member" ? isInitial(source.of) : source.type === "expression" && source.initial;
}

/** A variable of that name, of whatever process. */
function isNodeEnv(node: acorn.AnyNode): boolean {
  return node.type === "MemberExpression" && isName(node.property);
}

function isName(key: acorn.AnyNode): boolean {
  return key.type === "Identifier" ? key.name === "NODE_ENV" : key.type === "Literal" && key.value === "NODE_ENV";
}
