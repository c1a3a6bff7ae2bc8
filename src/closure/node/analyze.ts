import type * as acorn from "acorn";
import { Conditions } from "./conditions.ts";
import { ANY, Evaluator, type Imported, nameOf, type Paths, type Place } from "./evaluate.ts";
import { exportsOf } from "./exports.ts";
import { isBuiltin } from "./resolve.ts";
import { Scopes } from "./scopes.ts";
import { children, type Syntax } from "./syntax.ts";

/** One thing that a file's code asks for. Patterns may hold ANY. */
export type Ask =
  | {
      /** `specifier` is resolved by Node.js: a static or dynamic import, a require, or a `require.resolve`. */
      readonly type: "import" | "dynamic" | "require" | "resolve";
      readonly specifier: string;
      readonly from: string;
      /** Runs whenever the file runs, with nothing around it that would catch a failure. */
      readonly certain: boolean;
      /** A failure is caught. */
      readonly guarded: boolean;
      /** Comes up only with another NODE_ENV than the image's. */
      readonly elsewhere?: true;
    }
  /** A module that is named by what only a run can know. */
  | { readonly type: "unknown"; readonly style: "import" | "require"; readonly guarded: boolean }
  /**
   * A path: read by a function of `fs` (`read`), listed (`list`), started as a thread or process (`start`),
   * returned or exported (`given`), or computed for anything else (`named`).
   */
  | { readonly type: "path"; readonly use: PathUse; readonly path: string }
  | { readonly type: "program"; readonly program: string }
  /** A thread or process of a file that only a run knows. */
  | { readonly type: "starts" }
  /** The module itself may end in an error, without a function of it being called. */
  | { readonly type: "throw" }
  /** NODE_ENV is given another value than the image's. */
  | { readonly type: "environment" }
  /** Hooks of the module loader in a thread of their own. */
  | { readonly type: "hooks" }
  /**
   * Any string, in an app's own code: names of drivers, engines and folders are handed around like this. What is a part
   * of an import or a path is taken.
   */
  | { readonly type: "text"; readonly text: string; readonly argument: boolean; readonly taken: boolean }
  /** A folder, given to a package by a call of something of it. */
  | { readonly type: "lent"; readonly path: string; readonly to: string }
  /** A name below a folder that a package is given: `path.join(dir, "public")`. */
  | { readonly type: "below"; readonly name: string }
  /** A word in a list, in an app's own code: `{ dirs: ["controllers"] }`. */
  | { readonly type: "listed"; readonly name: string }
  /** A relative name, or one of a file in code that knows its own place: what may lie there. */
  | { readonly type: "neighbour"; readonly name: string };

/** An ask and where it stands in the text. */
export type Found = Ask & { readonly offset: number };

export type PathUse = "read" | "list" | "start" | "given" | "named";

const readers =
  /^fs(?:\.promises|\/promises)?\.(?:readFile|readFileSync|createReadStream|open|openSync|openAsBlob|access|accessSync|exists|existsSync|stat|statSync|lstat|lstatSync|realpath|realpathSync|cp|cpSync|copyFile|copyFileSync)$/;
const listers = /^fs(?:\.promises|\/promises)?\.(?:readdir|readdirSync|opendir|opendirSync|glob|globSync)$/;
const writers =
  /^fs(?:\.promises|\/promises)?\.(?:write\w*|append\w*|mkdir\w*|mkdtemp\w*|rm\w*|unlink\w*|createWriteStream|rename\w*|chmod\w*|chown\w*|utimes\w*)$/;
const programs = /^child_process\.(?:spawn|spawnSync|exec|execSync|execFile|execFileSync)$/;

export interface Analyzed {
  /** Everything that a file asks for, in the order of its text. */
  readonly asks: readonly Found[];
  /** What it exports of the places it knows. */
  readonly paths: Paths;
}

export function analyze(syntax: Syntax, place: Place, options: AnalyzeOptions): Analyzed {
  return new Analysis(syntax, place, options).run();
}

export interface AnalyzeOptions {
  /** Whether every string is an ask. */
  readonly texts: boolean;
  /** Whether the names of properties are, too: configurations name plugins like this. */
  readonly keys?: boolean;
}

interface State {
  readonly nested: boolean;
  /** In a function that is not called where it stands. */
  readonly inside: boolean;
  readonly guarded: boolean;
  /** Inside an expression whose path has been taken as a whole. */
  readonly taken: boolean;
  /** Runs only with another NODE_ENV than the image's. */
  readonly elsewhere: boolean;
}

class Analysis {
  readonly #tree: acorn.Node;
  readonly #file: string;
  readonly #asks: Found[] = [];
  readonly #scopes: Scopes;
  readonly #evaluator: Evaluator;
  /** Where NODE_ENV is known and spoken of. */
  readonly #conditions: Conditions | undefined;
  /** Paths cost time to look for, and most files have none. */
  readonly #paths: boolean;
  readonly #texts: boolean;
  readonly #keys: boolean;
  readonly #cwd: string | undefined;
  readonly #imported: Imported;
  /** Functions that run where they stand: `(() => { ... })()`. */
  readonly #called = new Set<acorn.Node>();
  /** Whether the code knows where it is. */
  readonly #placed: boolean;
  /** Relative names, which a computed import may mean. */
  readonly #relatives: { readonly text: string; readonly offset: number }[] = [];

  constructor(syntax: Syntax, place: Place, { texts, keys = false }: AnalyzeOptions) {
    this.#tree = syntax.tree;
    this.#file = place.file;
    this.#cwd = place.cwd;
    this.#imported = place.imported ?? {};
    this.#texts = texts;
    this.#keys = keys;
    this.#placed = /__dirname|__filename|import\.meta/.test(syntax.text);
    this.#paths =
      texts ||
      /__dirname|__filename|import\.meta|createRequire|\.resolve\b|\bfs\b|child_process|\.cwd\b|Worker|module\./.test(
        syntax.text,
      );
    const scopes = new Scopes(syntax.tree as acorn.Program);
    this.#scopes = scopes;
    this.#evaluator = new Evaluator(place, scopes);
    if (place.nodeEnv !== undefined && syntax.text.includes("NODE_ENV"))
      this.#conditions = new Conditions(place.nodeEnv, this.#evaluator, scopes);
  }

  run(): Analyzed {
    this.#visit(this.#tree as acorn.AnyNode, {
      nested: false,
      inside: false,
      guarded: false,
      taken: false,
      elsewhere: false,
    });
    const styles = new Set(this.#asks.flatMap((ask) => (ask.type === "unknown" ? [ask.style] : [])));
    for (const style of styles) {
      const type = style === "import" ? "dynamic" : "require";
      for (const { text, offset } of this.#relatives)
        this.#asks.push({ type, specifier: text, from: this.#file, certain: false, guarded: true, offset });
    }
    return { asks: this.#asks, paths: this.#texts ? this.#exported() : {} };
  }

  #exported(): Paths {
    const paths: Record<string, readonly string[]> = {};
    for (const one of exportsOf(this.#tree as acorn.Program)) {
      if ("from" in one && one.member === "*") Object.assign(paths, this.#imported[one.from]);
      const known =
        "from" in one
          ? (this.#imported[one.from]?.[one.member] ?? [])
          : this.#evaluator.paths(one.value).filter(isPlace);
      if (known.length > 0) paths[one.name] = known;
    }
    return paths;
  }

  #visit(node: acorn.AnyNode, state: State): void {
    if (this.#conditions?.sets(node)) this.#asks.push({ type: "environment", offset: node.start });
    const inner = this.#enter(node, state);
    for (const child of children(node)) {
      const guarded = node.type === "TryStatement" && child === node.block && node.handler != null;
      const elsewhere = this.#conditions?.excludes(node, child) ?? false;
      this.#visit(
        child,
        guarded || elsewhere
          ? { ...inner, guarded: inner.guarded || guarded, elsewhere: inner.elsewhere || elsewhere }
          : inner,
      );
    }
  }

  /** Takes what the node itself asks for, and says what holds inside it. */
  #enter(node: acorn.AnyNode, state: State): State {
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration":
        if (node.source)
          this.#module("import", String(node.source.value), node, { ...state, nested: false, guarded: false });
        return node.source ? { ...state, taken: true } : state;
      case "ImportExpression":
        this.#named("import", node.source, node, state);
        return { ...state, nested: true, taken: true };
      case "CallExpression":
        return this.#call(node, state);
      case "NewExpression":
        return this.#construct(node, state);
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression": {
        const called = this.#called.has(node);
        return {
          nested: state.nested || !called,
          inside: state.inside || !called,
          guarded: state.guarded,
          taken: false,
          elsewhere: state.elsewhere,
        };
      }
      case "ThrowStatement":
        if (!state.inside && !state.guarded) this.#asks.push({ type: "throw", offset: node.start });
        return this.#path(node, state);
      case "IfStatement":
      case "ConditionalExpression":
      case "LogicalExpression":
      case "SwitchStatement":
      case "TryStatement":
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "WhileStatement":
        return this.#path(node, { ...state, nested: true });
      case "ArrayExpression":
        if (this.#texts) for (const element of node.elements) if (element?.type === "Literal") this.#listed(element);
        return this.#path(node, state);
      case "Literal":
        if (typeof node.value === "string") this.#literal(node, node.value, state);
        return state;
      case "ReturnStatement":
      case "AssignmentExpression":
      case "Property":
        this.#handed(node);
        if (this.#keys && node.type === "Property" && node.key.type === "Identifier")
          this.#text(node.key, node.key.name, false);
        return this.#path(node, state);
      default:
        return this.#path(node, state);
    }
  }

  /** What is given to others: the own folder, where a package is nothing but files. */
  #handed(node: acorn.ReturnStatement | acorn.AssignmentExpression | acorn.Property | acorn.AssignmentProperty): void {
    const value =
      node.type === "ReturnStatement"
        ? node.argument
        : node.type === "Property"
          ? node.value
          : node.left.type === "MemberExpression"
            ? node.right
            : undefined;
    const named = value?.type === "Identifier" && (value.name === "__dirname" || this.#texts);
    if (this.#paths && value && (named || composite.has(value.type))) this.#used("given", value, node);
  }

  #call(node: acorn.CallExpression, state: State): State {
    const [first] = node.arguments;
    this.#called.add(node.callee);
    for (const expression of this.#evaluator.quoted(node)) this.#visit(expression, { ...state, nested: true });
    const callees = this.#paths || node.callee.type === "Identifier" ? this.#evaluator.values(node.callee) : [];
    for (const callee of callees) {
      if (callee.is === "require" && first !== undefined) {
        this.#named("require", first, node, callee.guessed ? { ...state, guarded: true } : state, callee.from);
        return { ...state, taken: true };
      }
      if (callee.is !== "builtin" || first === undefined) continue;
      if (callee.name === "require.resolve" || callee.name === "import.meta.resolve") {
        for (const specifier of this.#evaluator.texts(first)) {
          if (!specifier.includes(ANY)) this.#module("resolve", specifier, node, { ...state, nested: true });
        }
        return this.#path(node, state);
      }
      if (callee.name === "module.register" || callee.name === "module.Module.register") {
        this.#asks.push({ type: "hooks", offset: node.start });
        this.#named("import", first, node, { ...state, nested: true });
      }
      if (writers.test(callee.name)) return { ...state, taken: true };
      const use = readers.test(callee.name) ? "read" : listers.test(callee.name) ? "list" : undefined;
      if (use !== undefined) {
        this.#used(use, first, node);
        return { ...state, taken: true };
      }
      if (callee.name === "child_process.fork" || callee.name === "cluster.setupPrimary")
        this.#used("start", first, node);
      if (programs.test(callee.name)) this.#program(first, node);
    }
    if (this.#texts) {
      for (const argument of node.arguments) {
        if (argument.type === "Literal" && typeof argument.value === "string")
          this.#text(argument, argument.value, true);
        if (argument.type === "Identifier") this.#used("given", argument, node);
      }
    } else {
      this.#below(node);
      if (this.#placed) this.#lent(node);
    }
    return this.#path(node, state);
  }

  #lent({ callee, arguments: given, start }: acorn.CallExpression): void {
    const to = this.#scopes.loadedBy(callee);
    if (to === undefined || /^[.#/]/.test(to) || isBuiltin(to)) return;
    for (const argument of given) {
      if (argument.type === "SpreadElement") continue;
      for (const path of this.#evaluator.paths(argument))
        if (isPlace(path)) this.#asks.push({ type: "lent", path, to, offset: start });
    }
  }

  #below({ callee, arguments: [first, second], start }: acorn.CallExpression): void {
    if (first === undefined || second === undefined || !/^(?:join|resolve)$/.test(nameOf(callee))) return;
    if (second.type !== "Literal" || typeof second.value !== "string" || this.#evaluator.texts(first).length > 0)
      return;
    if (/^[\w-]+$/.test(second.value)) this.#asks.push({ type: "below", name: second.value, offset: start });
  }

  #construct(node: acorn.NewExpression, state: State): State {
    const [first] = node.arguments;
    if (first !== undefined && nameOf(node.callee).endsWith("Worker")) {
      this.#used("start", first, node);
      return { ...state, taken: true };
    }
    return this.#path(node, state);
  }

  #named(
    style: "import" | "require",
    argument: acorn.AnyNode,
    node: acorn.Node,
    state: State,
    from = this.#file,
  ): void {
    const texts = this.#evaluator.texts(argument);
    const known = texts.filter((text) => text !== "" && !text.startsWith(ANY));
    for (const text of known) {
      this.#module(
        style === "import" ? "dynamic" : "require",
        text,
        node,
        texts.length > 1 ? { ...state, nested: true } : state,
        from,
      );
    }
    if (known.length === 0) this.#asks.push({ type: "unknown", style, guarded: state.guarded, offset: node.start });
  }

  #module(
    type: "import" | "dynamic" | "require" | "resolve",
    specifier: string,
    node: acorn.Node,
    state: State,
    from = this.#file,
  ): void {
    if (isBuiltin(specifier)) return;
    const { nested, guarded, elsewhere } = state;
    this.#asks.push({
      type,
      specifier,
      from,
      certain: !nested && !guarded,
      guarded,
      ...(elsewhere ? { elsewhere } : {}),
      offset: node.start,
    });
  }

  #used(use: PathUse, argument: acorn.AnyNode, node: acorn.Node): void {
    const paths = this.#evaluator.paths(argument);
    if (use === "start" && paths.every((found) => found.startsWith(ANY)))
      this.#asks.push({ type: "starts", offset: node.start });
    for (const found of paths) {
      const path = found.startsWith("/")
        ? found
        : this.#cwd !== undefined && !found.startsWith(ANY)
          ? `${this.#cwd}/${found}`
          : undefined;
      if (path !== undefined) this.#asks.push({ type: "path", use, path, offset: node.start });
    }
  }

  #program(argument: acorn.AnyNode, node: acorn.Node): void {
    for (const text of this.#evaluator.texts(argument)) {
      const [program = "", ...words] = text.trim().split(/\s+/);
      for (const word of words) if (this.#texts && script.test(word)) this.#started(word, node);
      if (program !== "" && !program.includes(ANY)) this.#asks.push({ type: "program", program, offset: node.start });
    }
  }

  /** An argument of a program that someone else starts (`{ command: "node", args: ["child.js"] }`), or a plain word. */
  #listed(node: acorn.Literal): void {
    if (typeof node.value !== "string") return;
    if (script.test(node.value)) this.#started(node.value, node);
    else if (/^[\w-]+$/.test(node.value)) this.#asks.push({ type: "listed", name: node.value, offset: node.start });
  }

  #started(name: string, { start }: acorn.Node): void {
    if (this.#cwd !== undefined)
      this.#asks.push({ type: "path", use: "start", path: `${this.#cwd}/${name}`, offset: start });
  }

  #literal(node: acorn.Node, text: string, { taken }: State): void {
    const relative = /^\.\.?\/[^\s*]+$/.test(text);
    if (relative && !taken) this.#relatives.push({ text, offset: node.start });
    const beside = relative ? this.#texts || this.#placed : this.#placed && /^[\w@-][\w@./-]*\.\w+$/.test(text);
    if (beside && !taken && text.length < 100) this.#asks.push({ type: "neighbour", name: text, offset: node.start });
    if (this.#texts) this.#text(node, text, false, taken);
  }

  #text(node: acorn.Node, text: string, argument: boolean, taken = false): void {
    this.#asks.push({ type: "text", text, argument, taken, offset: node.start });
  }

  /** A path that is computed, as a whole: `path.join(__dirname, "views")` and not its parts. */
  #path(node: acorn.AnyNode, state: State): State {
    if (state.taken || !this.#paths || !composite.has(node.type)) return state;
    const paths = this.#evaluator
      .values(node)
      .flatMap((value) => (value.is === "text" || value.is === "url" ? [value.text] : []));
    const found = paths.filter((text) => text.startsWith("/") || text.startsWith("file:"));
    if (found.length === 0) return state;
    this.#used("named", node, node);
    return { ...state, taken: true };
  }
}

function isPlace(text: string): boolean {
  return text.startsWith("/") && !text.includes(ANY);
}

/** A script by its name in the working directory. */
const script = /^[\w@][\w@./-]*\.[cm]?[jt]s$/;

/** Expressions that make a path out of something. */
const composite = new Set([
  "CallExpression",
  "NewExpression",
  "BinaryExpression",
  "TemplateLiteral",
  "LogicalExpression",
  "ConditionalExpression",
]);
