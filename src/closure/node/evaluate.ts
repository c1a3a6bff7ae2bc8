import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as acorn from "acorn";
import type { Scopes, Source } from "./scopes.ts";
import { parseQuoted } from "./syntax.ts";

/** Stands for text that only a run can know, inside a pattern. */
export const ANY = "\u001a";

/** What an expression may be. Text may hold ANY. */
export type Value =
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "url"; readonly text: string }
  /** A module of Node.js, or something of it: `fs`, `fs.readFile`, `process.env.PORT`. */
  | { readonly is: "builtin"; readonly name: string }
  /** A require function, and the file it resolves from; `guessed` where only a run knows which. */
  | { readonly is: "require"; readonly from: string; readonly guessed?: true }
  | { readonly is: "function"; readonly body: acorn.Node };

export interface Place {
  readonly file: string;
  readonly platform: string;
  readonly arch: string;
  /** The working directory, where a file may count on it. */
  readonly cwd: string | undefined;
  /** A file of the project as a whole: what a require function of an unknown place resolves from. */
  readonly project: string;
  /** NODE_ENV, where it is known. */
  readonly nodeEnv?: string;
  /** What `require.resolve` would answer. */
  readonly locate: (specifier: string) => string | undefined;
  /** Paths that other modules of the app export, by specifier and name. */
  readonly imported?: Imported;
}

/** Names that a module exports, with the paths they stand for. */
export type Paths = Readonly<Record<string, readonly string[]>>;
export type Imported = Readonly<Record<string, Paths>>;

/** More alternatives than this are not followed: such code builds names from data. */
const MOST = 16;
/** The stack's limit, not one of sense: what is cut off here would stay unknown wherever else it is used. */
const DEEPEST = 256;

/** Expressions that give no text; all but strings among literals are known. */
const never = new Set(["ArrayExpression", "ClassExpression", "Literal", "ObjectExpression", "UnaryExpression"]);

/** Computes what can be known about an expression without running it: strings, paths, URLs and modules of Node.js. */
export class Evaluator {
  readonly #place: Place;
  readonly #scopes: Scopes;
  readonly #known = new Map<acorn.Node, readonly Value[]>();
  readonly #quoted = new Map<acorn.Node, readonly acorn.AnyNode[]>();
  #depth = 0;

  constructor(place: Place, scopes: Scopes) {
    this.#place = place;
    this.#scopes = scopes;
  }

  values(node: acorn.AnyNode): readonly Value[] {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    if (this.#depth >= DEEPEST) return [];
    this.#known.set(node, []); // a name that is made from itself
    this.#depth += 1;
    const values = this.#distinct(this.#evaluate(node));
    this.#depth -= 1;
    this.#known.set(node, values);
    return values;
  }

  /** The expression as text patterns; a URL object counts as its `href`. */
  texts(node: acorn.AnyNode): readonly string[] {
    return this.values(node).flatMap((value) => (value.is === "text" || value.is === "url" ? [value.text] : []));
  }

  /** As a file name: text, or a `file:` URL. */
  paths(node: acorn.AnyNode): readonly string[] {
    return this.texts(node).flatMap((found) => {
      const file = found.startsWith("file:") ? pathOfUrl(found) : found;
      return file === undefined ? [] : [file];
    });
  }

  builtins(node: acorn.AnyNode): readonly string[] {
    return this.values(node).flatMap((value) => (value.is === "builtin" ? [value.name] : []));
  }

  #distinct(values: readonly Value[]): readonly Value[] {
    const seen = new Map(values.map((value) => [value.is === "function" ? value : JSON.stringify(value), value]));
    return seen.size > MOST ? [] : [...seen.values()];
  }

  #evaluate(node: acorn.AnyNode): readonly Value[] {
    switch (node.type) {
      case "Literal":
        return typeof node.value === "string"
          ? [text(node.value)]
          : typeof node.value === "number"
            ? [text(String(node.value))]
            : [];
      case "TemplateLiteral":
        return this.#template(node);
      case "Identifier":
        return this.#identifier(node.name, node);
      case "MetaProperty":
        return node.meta.name === "import" ? [builtin("import.meta")] : [];
      case "MemberExpression":
        return this.#member(node);
      case "BinaryExpression":
        return node.operator === "+" && node.left.type !== "PrivateIdentifier"
          ? this.#concat([node.left, node.right])
          : [];
      case "ConditionalExpression":
        return this.#either([node.consequent, node.alternate]);
      case "LogicalExpression":
        return this.#either([node.left, node.right]);
      case "AssignmentExpression":
        return this.values(node.right);
      case "AwaitExpression":
        return this.values(node.argument);
      case "ParenthesizedExpression":
      case "ChainExpression":
        return this.values(node.expression);
      case "SequenceExpression": {
        const last = node.expressions.at(-1);
        return last === undefined ? [] : this.values(last);
      }
      case "CallExpression":
        return this.#call(node);
      case "NewExpression":
        return node.callee.type === "Identifier" && node.callee.name === "URL" ? this.#url(node.arguments) : [];
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return [{ is: "function", body: node.body }];
      default:
        return [];
    }
  }

  #template(node: acorn.TemplateLiteral): readonly Value[] {
    const parts: string[][] = [];
    for (const [index, quasi] of node.quasis.entries()) {
      parts.push([quasi.value.cooked ?? ""]);
      const expression = node.expressions[index];
      if (expression !== undefined) parts.push(this.#inside(expression));
    }
    return product(parts).map((list) => text(list.join("")));
  }

  #concat(nodes: readonly acorn.AnyNode[]): readonly Value[] {
    return product(nodes.map((node) => this.#inside(node))).map((list) => text(list.join("")));
  }

  /** As a part of something longer: what is not known may be anything. */
  #inside(node: acorn.AnyNode): string[] {
    const texts = this.texts(node);
    return texts.length === 0 ? [ANY] : [...texts];
  }

  /** One of several, of which some may be known and others be any text. */
  #either(nodes: readonly acorn.AnyNode[]): readonly Value[] {
    const known = nodes.flatMap((node) => this.values(node));
    const open = nodes.some((node) => !never.has(node.type) && this.values(node).length === 0);
    return open && known.some((value) => value.is === "text") ? [...known, text(ANY)] : known;
  }

  #identifier(name: string, { start }: acorn.AnyNode): readonly Value[] {
    const sources = this.#scopes.sources(name, start);
    if (sources === undefined) return this.#free(name);
    return sources.length > 4 * MOST ? [] : sources.flatMap((source) => this.#source(source));
  }

  /** A name that the file does not declare. */
  #free(name: string): readonly Value[] {
    switch (name) {
      case "__filename":
        return [text(this.#place.file)];
      case "__dirname":
        return [text(path.dirname(this.#place.file))];
      case "require":
        return [{ is: "require", from: this.#place.file }];
      case "process":
      case "module":
      case "globalThis":
      case "global":
        return [builtin(name)];
      default:
        return [];
    }
  }

  #source(source: Source): readonly Value[] {
    switch (source.type) {
      case "expression":
        return this.values(source.node);
      case "member":
        return this.#source(source.of).flatMap((value) => this.#memberOf(value, source.member));
      case "import":
        return [builtin(source.specifier)].flatMap((value) =>
          source.member === undefined ? [value] : this.#memberOf(value, source.member),
        );
      case "function":
        return [{ is: "function", body: source.body }];
      case "unknown":
        return [];
    }
  }

  #member(node: acorn.MemberExpression): readonly Value[] {
    const names = node.computed
      ? this.texts(node.property as acorn.AnyNode)
      : node.property.type === "Identifier"
        ? [node.property.name]
        : [];
    const [name] = names;
    if (name === undefined || names.length > 1) return [];
    return this.values(node.object).flatMap((value) => this.#memberOf(value, name));
  }

  #memberOf(value: Value, member: string): readonly Value[] {
    const { file, platform, arch } = this.#place;
    if (value.is === "url")
      return member === "href" ? [value] : member === "pathname" ? [text(pathOfUrl(value.text) ?? ANY)] : [];
    if (value.is === "require") return member === "resolve" ? [builtin("require.resolve")] : [];
    if (value.is !== "builtin") return [];
    const imported = this.#place.imported?.[value.name];
    if (imported !== undefined && Object.hasOwn(imported, member)) return (imported[member] ?? []).map(text);
    if (member === "default") return [value];
    const name = `${value.name}.${member}`;
    switch (name) {
      case "import.meta.url":
        return [{ is: "url", text: pathToFileURL(file).href }];
      case "import.meta.filename":
      case "module.filename":
      case "module.id":
        return [text(file)];
      case "import.meta.dirname":
      case "module.path":
        return [text(path.dirname(file))];
      case "module.require":
        return [{ is: "require", from: file }];
      case "path.sep":
        return [text("/")];
      case "globalThis.process":
      case "global.process":
        return [builtin("process")];
      case "process.platform":
        return [text(platform)];
      case "process.arch":
        return [text(arch)];
      default:
        return given.test(name) ? [builtin(name), text(ANY)] : [builtin(name.replace(/^path\.posix\b/, "path"))];
    }
  }

  /** The expressions that `eval` is given as text: they see the names that are in force at the call. */
  quoted(node: acorn.CallExpression): readonly acorn.AnyNode[] {
    const [given] = node.arguments;
    if (node.callee.type !== "Identifier" || node.callee.name !== "eval" || given === undefined) return [];
    const known = this.#quoted.get(node) ?? this.texts(given).flatMap((text) => parseQuoted(text, node.start) ?? []);
    this.#quoted.set(node, known);
    return known;
  }

  #call(node: acorn.CallExpression): readonly Value[] {
    const args = node.arguments.filter((argument) => argument.type !== "SpreadElement");
    const spread = args.length < node.arguments.length;
    // What compilers put around the require of a module: `__importDefault(require("path")).default.join`.
    const [inner] = args;
    if (inner !== undefined && wrapper.test(nameOf(node.callee))) return this.values(inner);
    const quoted = this.quoted(node);
    if (quoted.length > 0) return quoted.flatMap((expression) => this.values(expression));
    return this.values(node.callee).flatMap((callee) => {
      if (callee.is === "function") return this.#returned(callee.body);
      if (callee.is === "require") return this.#required(args[0]);
      return callee.is === "builtin" ? this.#builtinCall(callee.name, args, spread) : [];
    });
  }

  #required(argument: acorn.AnyNode | undefined): readonly Value[] {
    const names = argument === undefined ? [] : this.texts(argument);
    return names.map((name) => builtin(name.replace(/^node:/, "")));
  }

  #builtinCall(name: string, args: readonly acorn.AnyNode[], spread: boolean): readonly Value[] {
    const { platform, arch, cwd, locate } = this.#place;
    const [first] = args;
    switch (name) {
      case "path.join":
      case "path.resolve":
      case "path.normalize": {
        const parts = args.map((argument) => this.#inside(argument));
        if (spread) parts.push([ANY]);
        return product(parts).flatMap((list) => this.#joined(name, list));
      }
      case "path.dirname":
        return first === undefined
          ? []
          : this.texts(first).flatMap((file) => (file.includes(ANY) ? [] : [text(path.dirname(file))]));
      case "path.basename":
        return first === undefined ? [] : this.texts(first).map((file) => text(path.basename(file)));
      case "url.fileURLToPath":
        return first === undefined ? [] : this.paths(first).map(text);
      case "process.getBuiltinModule":
        return this.#required(first);
      case "url.pathToFileURL":
        return first === undefined ? [] : this.texts(first).map(urlOfPath);
      case "url.URL":
        return this.#url(args);
      case "module.createRequire":
      case "module.Module.createRequire":
        return first === undefined ? [] : this.#requireOf(first);
      case "require.resolve":
      case "import.meta.resolve": {
        const found = first === undefined ? [] : this.texts(first).flatMap((specifier) => locate(specifier) ?? []);
        return found.map((file) => (name === "require.resolve" ? text(file) : urlOfPath(file)));
      }
      case "process.cwd":
        return cwd === undefined ? [] : [text(cwd)];
      case "os.platform":
        return [text(platform)];
      case "os.arch":
        return [text(arch)];
      default:
        return [];
    }
  }

  #requireOf(from: acorn.AnyNode): readonly Value[] {
    const known = this.paths(from).filter((place) => place.startsWith("/") && !place.includes(ANY));
    if (known.length === 0) return [{ is: "require", from: this.#place.project, guessed: true }];
    return known.map((place) => ({ is: "require", from: place }));
  }

  #joined(name: string, parts: readonly string[]): readonly Value[] {
    if (name === "path.resolve") {
      const { cwd } = this.#place;
      const rooted = parts.some((part) => part.startsWith("/"));
      if (!rooted && (cwd === undefined || parts[0]?.startsWith(ANY))) return [];
      return [text(path.resolve(cwd ?? "/", ...parts))];
    }
    // `..` behind something unknown cannot be joined.
    const [, ...behind] = parts.join("/").split(ANY);
    if (behind.some((part) => part.split("/").includes(".."))) return [];
    return parts.length === 0 ? [] : [text(path.join(...parts))];
  }

  #url(args: readonly acorn.AnyNode[]): readonly Value[] {
    const [first, second] = args;
    if (first === undefined) return [];
    if (second === undefined)
      return this.values(first).filter(
        (value) => value.is === "url" || (value.is === "text" && value.text.startsWith("file:")),
      );
    const bases = this.values(second).flatMap((value) =>
      value.is === "url" || value.is === "text" ? [value.text] : [],
    );
    return product([[...this.texts(first)], bases]).flatMap(([relative = "", base = ""]) => {
      if (!base.startsWith("file:") || !URL.canParse(relative, base)) return [];
      return [{ is: "url", text: new URL(relative.replaceAll(ANY, "%1A"), base).href.replaceAll("%1A", ANY) }];
    });
  }

  #returned(body: acorn.Node): readonly Value[] {
    const node = body as acorn.AnyNode;
    if (node.type !== "BlockStatement") return this.values(node);
    const returns = node.body.filter((statement) => statement.type === "ReturnStatement");
    const [only] = returns;
    return returns.length === 1 && only?.argument ? this.values(only.argument) : [];
  }
}

/** What whoever starts the program gives it: any text. */
const given = /^process\.(?:env|argv)\.\w+$/;

const wrapper = /^_*(?:import(?:Default|Star)|toESM|interop\w*)$/;

/** The last name of `a.b.name`, or of `(0, a.name)`. */
export function nameOf(node: acorn.AnyNode): string {
  if (node.type === "Identifier") return node.name;
  if (node.type === "MemberExpression") return node.property.type === "Identifier" ? node.property.name : "";
  if (node.type !== "SequenceExpression") return "";
  const last = node.expressions.at(-1);
  return last === undefined ? "" : nameOf(last);
}

/** The path of a `file:` URL that may hold ANY. */
export function pathOfUrl(url: string): string | undefined {
  try {
    return fileURLToPath(url.replaceAll(ANY, "%1A").replace(/[?#].*$/s, ""));
  } catch {
    return undefined;
  }
}

function urlOfPath(file: string): Value {
  // A URL loses control characters at its end.
  return { is: "url", text: pathToFileURL(file.replaceAll(ANY, "\ufffd")).href.replaceAll("%EF%BF%BD", ANY) };
}

function text(value: string): Value {
  return { is: "text", text: value };
}

function builtin(name: string): Value {
  return { is: "builtin", name: name.replace(/^node:/, "") };
}

function product(parts: readonly (readonly string[])[]): string[][] {
  let lists: string[][] = [[]];
  for (const choices of parts) {
    lists = lists.flatMap((list) => choices.map((choice) => [...list, choice]));
    if (lists.length > MOST) return [];
  }
  return lists;
}
