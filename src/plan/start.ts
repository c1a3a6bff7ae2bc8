/** What a script of package.json runs in the end, as far as an image can do the same. */
export interface Started {
  /** `node FILE`: the file as it is written; else the program of a package. */
  readonly run: { readonly file: string } | { readonly program: string };
  /** What stands behind the file or program. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Options of Node.js itself. */
  readonly nodeOptions: readonly string[];
  readonly preloads: readonly Preload[];
  /** What is in the script and not in the image: one sentence each. */
  readonly leftOut: readonly { readonly what: string; readonly hint: string }[];
}

/** A module that Node.js loads before the entry. */
export interface Preload {
  readonly option: "--require" | "--import";
  readonly specifier: string;
}

type Scripts = Readonly<Record<string, string>>;

const nothing: Omit<Started, "run"> = { args: [], env: {}, nodeOptions: [], preloads: [], leftOut: [] };

/** Programs that compile or watch a file and start it, and packages that do so as a preload: slim compiles by itself. */
const runners = new Set(
  (
    "tsx ts-node ts-node-esm ts-node-dev tsnd nodemon esno jiti babel-node swc-node node-dev " +
    "@swc-node/register @babel/register esbuild-register ts-paths tsconfig-paths @esbuild-kit/esm-loader"
  ).split(" "),
);
/** Programs that set variables and start what follows. */
const setters = new Set(["cross-env", "cross-env-shell", "env", "exec", "dotenv", "dotenvx", "env-cmd"]);
/** Options of Node.js with a value that may stand behind them as a word of its own: https://nodejs.org/api/cli.html */
const valued =
  /^(?:-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file|--env-file-if-exists|--watch-path|--title|--icu-data-dir|--openssl-config|--disable-warning|--max-http-header-size|--max-old-space-size|--dns-result-order)$/;
/** Too deep for scripts that people write: they call each other. */
const DEEPEST = 10;

/** Reads a script as a shell would; undefined where only a shell can say what it runs. */
export function readScript(scripts: Scripts, name: string, depth = 0): Started | undefined {
  const script = scripts[name];
  return script === undefined || depth > DEEPEST ? undefined : commands(scripts, script, depth);
}

function commands(scripts: Scripts, script: string, depth: number): Started | undefined {
  const parts = splitCommands(script);
  const last = parts?.at(-1);
  if (parts === undefined || last === undefined) return undefined;
  const started = command(scripts, last, depth);
  const before = parts.slice(0, -1).map((words) => ({
    what: `runs "${words.join(" ")}" first, which the image does not`,
    hint: "do it before slim build, or where the container is started",
  }));
  return started && { ...started, leftOut: [...before, ...started.leftOut] };
}

function command(scripts: Scripts, words: readonly string[], depth: number): Started | undefined {
  const at = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
  if (at < 0) return undefined;
  const { NODE_OPTIONS = "", ...env } = Object.fromEntries(words.slice(0, at).map((word) => word.split(/=(.*)/s)));
  const [first = "", ...rest] = words.slice(at);
  const started = program(scripts, first.replace(/^(?:\.\/)?node_modules\/\.bin\//, ""), rest, depth);
  if (started === undefined) return undefined;
  const options = nodeOptionsOf(splitCommands(NODE_OPTIONS)?.[0] ?? []);
  return {
    ...started,
    env: { ...env, ...started.env },
    nodeOptions: [...options.nodeOptions, ...started.nodeOptions],
    preloads: [...options.preloads, ...started.preloads],
    leftOut: [...options.leftOut, ...started.leftOut],
  };
}

function program(scripts: Scripts, name: string, rest: readonly string[], depth: number): Started | undefined {
  if (name === "node" || name === "nodejs") return node(scripts, rest, depth);
  if (name === "npm" || name === "pnpm" || name === "yarn") return manager(scripts, name, rest, depth);
  if (name === "npx") return command(scripts, withoutOptions(rest), depth + 1);
  if (setters.has(name)) return setter(scripts, name, rest, depth);
  if (runners.has(name)) return runner(scripts, rest, depth);
  return /^[@\w][\w./@-]*$/.test(name) ? { ...nothing, run: { program: name }, args: rest } : undefined;
}

function node(scripts: Scripts, words: readonly string[], depth: number): Started | undefined {
  const { count, run, ...options } = nodeOptionsOf(words);
  if (run !== undefined) return readScript(scripts, run, depth + 1);
  const [file, ...args] = words.slice(count);
  return file === undefined ? undefined : { ...nothing, ...options, run: { file }, args };
}

interface NodeOptions extends Pick<Started, "nodeOptions" | "preloads" | "leftOut"> {
  /** How many words they are. */
  readonly count: number;
  /** The script that `--run` names. */
  readonly run?: string;
}

function nodeOptionsOf(words: readonly string[]): NodeOptions {
  const nodeOptions: string[] = [];
  const preloads: Preload[] = [];
  const leftOut: { what: string; hint: string }[] = [];
  let count = 0;
  for (; words[count]?.startsWith("-"); count += 1) {
    const word = words[count] ?? "";
    const [option = "", inline] = word.split(/=(.*)/s);
    if (word === "--") return { nodeOptions, preloads, leftOut, count: count + 1 };
    if (option === "--run") return { nodeOptions, preloads, leftOut, count, run: inline ?? words[count + 1] ?? "" };
    const isApart = inline === undefined && valued.test(option);
    if (isApart) count += 1;
    const value = isApart ? words[count] : inline;
    if (/^(?:-r|--require|--import)$/.test(option) && value !== undefined) {
      if (!isRunner(value))
        preloads.push({ option: option === "--import" ? "--import" : "--require", specifier: value });
    } else if (/^--(?:experimental-)?loader$/.test(option)) {
      if (!isRunner(value ?? "")) {
        leftOut.push({ what: `has ${option} ${value}, which is not carried over`, hint: "use module.registerHooks" });
      }
    } else if (option === "--env-file") {
      leftOut.push({
        what: `reads ${value}, which is in no image`,
        hint: "set its variables where the container runs",
      });
    } else if (!/^--(?:watch|env-file-if-exists|(?:experimental-)?(?:strip|transform)-types)/.test(option)) {
      nodeOptions.push(...(isApart ? [option, value ?? ""] : [word]));
    }
  }
  return { nodeOptions, preloads, leftOut, count };
}

/** Whether a module compiles what is loaded after it. */
function isRunner(specifier: string): boolean {
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "";
  return runners.has(name) || runners.has(specifier);
}

function manager(scripts: Scripts, name: string, words: readonly string[], depth: number): Started | undefined {
  const [verb = "", ...rest] = withoutOptions(words);
  if (verb === "exec" || verb === "dlx") return command(scripts, withoutOptions(rest), depth + 1);
  const script = verb === "run" || verb === "run-script" ? withoutOptions(rest)[0] : verb;
  if (script === undefined) return undefined;
  const given = rest.slice(rest.indexOf("--") + 1);
  if (scripts[script] === undefined) {
    return name === "npm" || verb === "run" ? undefined : command(scripts, [verb, ...rest], depth + 1);
  }
  const started = readScript(scripts, script, depth + 1);
  return started && { ...started, args: [...started.args, ...(rest.includes("--") ? given : [])] };
}

function setter(scripts: Scripts, name: string, words: readonly string[], depth: number): Started | undefined {
  const divider = words.indexOf("--");
  const rest = divider < 0 ? withoutOptions(words) : words.slice(divider + 1);
  const started = command(scripts, rest, depth + 1);
  if (!/env-cmd|^dotenv/.test(name) || started === undefined) return started;
  const what = `takes variables from a file by ${name}, which the image does not`;
  return { ...started, leftOut: [{ what, hint: "set them where the container runs" }, ...started.leftOut] };
}

/** `tsx watch --tsconfig x.json src/index.ts`: the first word that looks like a file of code. */
function runner(scripts: Scripts, words: readonly string[], depth: number): Started | undefined {
  const inner = words.find((word) => /\s/.test(word));
  if (inner !== undefined) return commands(scripts, inner, depth + 1);
  const isLoaded = (index: number) => isPreload(words[index] ?? "") || isPreload(words[index - 1] ?? "");
  const { preloads } = nodeOptionsOf(words.filter((_, index) => isLoaded(index)));
  const rest = words.filter((_, index) => !isLoaded(index));
  const at = rest.findIndex((word) => /\.(?:[cm]?[jt]s|[jt]sx)$/.test(word) && !word.startsWith("-"));
  const start = at >= 0 ? at : rest.findIndex((word) => /^\.{0,2}\/?[\w-]+\/|^\.$/.test(word));
  const file = rest[start];
  return file === undefined ? undefined : { ...nothing, preloads, run: { file }, args: rest.slice(start + 1) };
}

function isPreload(word: string): boolean {
  return /^(?:-r|--require|--import)$/.test(word);
}

function withoutOptions(words: readonly string[]): readonly string[] {
  const at = words.findIndex((word) => !word.startsWith("-"));
  return at < 0 ? [] : words.slice(at);
}

/** The words of the commands that `&&` joins; undefined for what has other operators, variables or patterns. */
function splitCommands(script: string): readonly (readonly string[])[] | undefined {
  const parts: string[][] = [[]];
  const token = /\s*(?:(&&)|((?:[^\s"'`$&|;<>()\\*?]+|"[^"`$\\]*"|'[^']*'|\\")+)|(\S))/gy;
  for (const [, and, word, other] of script.matchAll(token)) {
    if (other !== undefined) return undefined;
    if (and !== undefined) parts.push([]);
    else if (word !== undefined) parts.at(-1)?.push(word.replace(/\\"/g, '"').replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
  }
  return parts.some((words) => words.length === 0) ? undefined : parts;
}
