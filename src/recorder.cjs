// What `slim trace` puts before a program: it writes down which files of the project the program opens and loads.
// It runs in every process and thread of the program, on its Node.js, and must change nothing that the program sees.
"use strict";

/** @type {any} */
const fs = require("node:fs");
/** @type {any} */
const Module = require("node:module");
/** @type {any} */
const childProcess = require("node:child_process");
/** @type {any} */
const workers = require("node:worker_threads");
const path = require("node:path");
const { fileURLToPath, pathToFileURL } = require("node:url");

const { openSync, writeSync } = fs;
/** What every machine has for itself. */
const systems = /^\/(?:bin|dev|etc|lib\d*|proc|run|sbin|sys|tmp|usr|var)\/|[\\/]node_modules[\\/]/;
const hooks = pathToFileURL(path.join(__dirname, "recorder-hooks.mjs")).href;

/**
 * @param {string} folder where the records go, one file for each thread
 * @param {string} root what lies below it is the project
 * @param {string} preload the file that calls this
 */
module.exports = (folder, root, preload) => {
  const project = root + path.sep;
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {number | undefined} */
  let out;

  /**
   * @param {string} how
   * @param {string} file absolute
   * @param {string | undefined} from the module that asked
   * @param {string} [specifier]
   * @param {string} [by] the nearest of the project's own files that led to it
   */
  const write = (how, file, from, specifier, by) => {
    const line = `${JSON.stringify({ how, file, from, specifier, by })}\n`;
    try {
      out ??= openSync(path.join(folder, `${process.pid}-${workers.threadId}-${process.hrtime.bigint()}`), "a");
      writeSync(out, line);
    } catch {
      // Whoever listened has gone.
    }
  };

  /** Files on the stack, the innermost first, without Node.js; none where Node.js's own loader is at work. */
  const callers = () => {
    const { prepareStackTrace, stackTraceLimit } = Error;
    /** @type {any} */
    const holder = {};
    Error.stackTraceLimit = 50;
    Error.prepareStackTrace = (_, sites) => sites.map((site) => site.getFileName() ?? site.getEvalOrigin() ?? "");
    Error.captureStackTrace(holder, callers);
    /** @type {string[]} */
    const files = holder.stack;
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
    const found = (Array.isArray(files) ? files : [])
      .filter((file) => file !== __filename)
      .map((file) => (file.startsWith("file:") ? fileURLToPath(file) : file));
    const nearest = found.findIndex((file) => path.isAbsolute(file));
    if (found.slice(0, Math.max(nearest, 0)).some((file) => file.startsWith("node:internal/modules/"))) return [];
    return found.filter((file) => path.isAbsolute(file));
  };
  const isOwn = (/** @type {string} */ file) =>
    file.startsWith(project) && !file.slice(root.length).includes(`${path.sep}node_modules${path.sep}`);

  /** @param {any} place what functions of `fs` take for a path */
  const pathOf = (place) => {
    try {
      if (typeof place === "string") return path.resolve(place.startsWith("file:") ? fileURLToPath(place) : place);
      if (Buffer.isBuffer(place)) return path.resolve(place.toString());
      if (place instanceof URL) return fileURLToPath(place);
    } catch {
      // Then it is none for `fs` either.
    }
    return undefined;
  };

  /** @param {string} how @param {any} place @param {string} [knownFrom] @param {string} [specifier] */
  const record = (how, place, knownFrom, specifier) => {
    const file = pathOf(place);
    if (file === undefined || (!file.startsWith(project) && systems.test(file))) return;
    const key = `${how} ${file} ${knownFrom ?? ""} ${specifier ?? ""}`;
    if (knownFrom !== undefined && seen.has(key)) return;
    const stack = callers();
    const from = knownFrom ?? stack[0];
    if (from === undefined) return;
    const by = stack.find(isOwn);
    if (!file.startsWith(project) && !isOwn(from)) return;
    const whole = `${key} ${from} ${by}`;
    if (seen.has(whole)) return;
    seen.add(key).add(whole);
    write(how, file, from, specifier, by);
  };

  // -- functions of fs ---------------------------------------------------------------------------------------

  /** Replaces a function by one that looks like it. @param {any} owner @param {string} name @param {(args: any[]) => void} before */
  const watch = (owner, name, before) => {
    const original = owner[name];
    if (typeof original !== "function") return;
    /** @this {any} @param {any[]} args */
    const watched = function (...args) {
      try {
        before(args);
      } catch {
        // What is wrong with the arguments the function itself says.
      }
      if (new.target === undefined) return Reflect.apply(original, this, args);
      return Reflect.construct(original, args, new.target === watched ? original : new.target);
    };
    Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original));
    owner[name] = watched;
  };
  /** @param {any} flags */
  const isReading = (flags) => {
    if (flags === undefined || flags === null || typeof flags === "function") return true;
    const { O_WRONLY, O_RDWR, O_CREAT } = fs.constants;
    return typeof flags === "number" ? (flags & (O_WRONLY | O_RDWR | O_CREAT)) === 0 : /^r[^+]*$/.test(flags);
  };
  for (const owner of [fs, fs.promises]) {
    for (const name of ["readFile", "readFileSync", "createReadStream"])
      watch(owner, name, ([file, options]) => isReading(options?.flag ?? options?.flags) && record("read", file));
    for (const name of ["open", "openSync"])
      watch(owner, name, ([file, flags]) => isReading(flags) && record("read", file));
    for (const name of ["openAsBlob", "copyFile", "copyFileSync"]) watch(owner, name, ([file]) => record("read", file));
  }
  watch(process, "dlopen", ([, file]) => record("load", file));

  // -- modules -----------------------------------------------------------------------------------------------

  const load = Module._load;
  /** @type {Set<string>} */
  const asked = new Set();
  /** @this {any} @param {any[]} args */
  Module._load = function (...args) {
    try {
      return Reflect.apply(load, this, args);
    } finally {
      const [request, parent] = args;
      const from = parent?.filename;
      const key = `${from}\0${request}`;
      if (typeof from === "string" && typeof request === "string" && !asked.has(key)) {
        asked.add(key);
        if (!Module.isBuiltin(request)) {
          try {
            record("load", Module._resolveFilename(request, parent, false), from, request);
          } catch {
            // The program has heard of it.
          }
        }
      }
    }
  };
  if (typeof Module.registerHooks === "function") {
    Module.registerHooks({
      /** @param {string} specifier @param {any} context @param {any} next */
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        const isImport = context.conditions === undefined || context.conditions.includes("import");
        if (isImport && context.parentURL?.startsWith("file:") && found.url.startsWith("file:"))
          record("load", fileURLToPath(found.url), fileURLToPath(context.parentURL), specifier);
        return found;
      },
    });
  } else if (typeof Module.register === "function") {
    Module.register(hooks, { data: { folder, root } });
  }

  // -- other threads and processes ---------------------------------------------------------------------------

  watch(workers, "Worker", ([file, options]) => options?.eval || record("load", file));
  const option = `--require ${JSON.stringify(preload)}`;
  const withOption = (/** @type {string | undefined} */ given) =>
    given?.includes(option) ? given : `${given ? `${given} ` : ""}${option}`;
  watch(childProcess.ChildProcess.prototype, "spawn", ([options]) => {
    const { args = [], envPairs } = options;
    const script = args
      .slice(1)
      .find((/** @type {string} */ one) => !one.startsWith("-") && /\.[cm]?[jt]sx?$/.test(one));
    if (script !== undefined) record("load", path.resolve(options.cwd ?? ".", script));
    if (!Array.isArray(envPairs)) return;
    const at = envPairs.findIndex((pair) => pair.startsWith("NODE_OPTIONS="));
    const value = withOption(at < 0 ? undefined : envPairs[at].slice("NODE_OPTIONS=".length));
    envPairs.splice(at < 0 ? envPairs.length : at, at < 0 ? 0 : 1, `NODE_OPTIONS=${value}`);
  });
  for (const name of ["spawnSync", "execFileSync", "execSync"]) {
    watch(childProcess, name, (args) => {
      const at = args.findIndex((one) => typeof one?.env === "object" && one.env !== null);
      if (at < 0) return;
      args[at] = { ...args[at], env: { ...args[at].env, NODE_OPTIONS: withOption(args[at].env.NODE_OPTIONS) } };
    });
  }
  Module.syncBuiltinESMExports();
};
