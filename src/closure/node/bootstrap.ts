/**
 * What runs before the app, in every thread that has a bundle: it makes Node.js's own loader find and read modules
 * in the bundle's bytes instead of on disk. Everything else (module objects, `require.cache`, cycles, `import.meta`,
 * the order of evaluation) stays Node.js's work. Nothing here runs when slim does; it is text.
 *
 * `index` is what `pack.ts` writes: `files` are [path below root, length, kind], `bases` the folders that have a
 * node_modules folder, `require` and `import` say for a bare name where it leads from each base, as
 * [base, file, base, file, ...], `aliases` lead from other paths to files, `names` are the exports of CommonJS
 * modules as an import sees them.
 */
export const bootstrap = String.raw`
function (require, own, bytes) {
  const Module = require("module"), path = require("path"), { fileURLToPath, pathToFileURL } = require("url");
  const key = Symbol.for("slim");
  const head = bytes.indexOf(0) + 1;
  const body = bytes.indexOf(10, head) + 1;
  const index = JSON.parse(bytes.toString("utf8", head, body));
  const root = own.slice(0, -index.own.length - 1);
  const slashed = root === "/" ? root : root + "/";
  const COMMONJS = 0, ESM = 1, JSON_TEXT = 2, DISK = 3, IMPORTS = 8, WIDE = 16;

  const files = new Map();
  const list = [];
  let end = body;
  for (const [name, length, kind] of index.files) {
    const file = { path: slashed + name, start: end, end: end += length, kind: kind & 7, imports: (kind & IMPORTS) !== 0, wide: (kind & WIDE) !== 0 };
    list.push(file);
    files.set(file.path, file);
  }
  const text = (file) => bytes.toString(file.wide ? "utf8" : "latin1", file.start, file.end);

  // Resolution: what Node.js would find on disk, were everything there.
  const aliases = new Map(Object.entries(index.aliases).map(([name, at]) => [slashed + name, list[at].path]));
  const bases = new Map(index.bases.map((base, at) => [(base === "" ? root : slashed + base) + "/node_modules", at]));
  const owners = new Map(index.bases.map((base, at) => [base === "" ? root : slashed + base, at]));
  const tables = { require: new Map(Object.entries(index.require)), import: new Map(Object.entries(index.import)) };
  const lead = (places, at) => {
    for (let i = 0; i < places.length; i += 2) if (places[i] === at) return list[places[i + 1]].path;
  };
  const bare = (request, paths, style) => {
    const places = tables[style].get(request);
    if (places === undefined) return undefined;
    for (let i = 0; i < paths.length; i += 1) {
      const at = bases.get(paths[i]);
      const found = at === undefined ? undefined : lead(places, at);
      if (found !== undefined) return found;
    }
  };
  const internal = (request, folder, style) => {
    const places = tables[style].get(request);
    for (let up = folder; places !== undefined; up = path.dirname(up)) {
      const at = owners.get(up);
      const found = at === undefined ? undefined : lead(places, at);
      if (found !== undefined || up === path.dirname(up)) return found;
    }
  };
  const at = (place) => {
    if (files.has(place)) return place;
    const alias = aliases.get(place);
    if (alias !== undefined) return alias;
    for (const extension of index.extensions) if (files.has(place + extension)) return place + extension;
    return within(place);
  };
  const within = (folder) => {
    const alias = aliases.get(folder + "/");
    if (alias !== undefined) return alias;
    for (const extension of index.extensions) if (files.has(folder + "/index" + extension)) return folder + "/index" + extension;
  };
  const relative = /^\.\.?(?:\/|$)/;
  // What is left of most names after this needs no normalizing, which is what path.resolve spends its time on.
  const plain = /^(?:\.\/|(?:\.\.\/)+)(?!\.{0,2}(?:\/|$))[^/]+(?:\/(?!\.{0,2}(?:\/|$))[^/]+)*$/;
  const join = (folder, request) => {
    if (!plain.test(request)) return path.resolve(folder, request);
    let up = folder;
    let start = 2;
    if (request.charCodeAt(1) === 46) {
      for (start = 0; request.charCodeAt(start + 2) === 47 && request.charCodeAt(start + 1) === 46 && request.charCodeAt(start) === 46; start += 3) up = up.slice(0, Math.max(up.lastIndexOf("/"), 0));
    }
    return (up === "/" ? "" : up) + "/" + request.slice(start);
  };
  const folderLike = /(?:^|\/)(?:\.\.?)?$/;
  const find = (request, folder, paths) => {
    const first = request.charCodeAt(0);
    if (first === 46 && relative.test(request)) {
      if (folder === undefined) return undefined;
      const place = join(folder, request);
      return folderLike.test(request) ? within(place) : at(place);
    }
    if (first === 47) return folderLike.test(request) ? within(path.resolve(request)) : at(path.resolve(request));
    if (first === 35) return folder === undefined ? undefined : internal(request, folder, "require");
    return paths ? bare(request, paths, "require") : undefined;
  };
  // Asked once for every module, and the same for all of a folder.
  const nodeModulePaths = Module._nodeModulePaths;
  const ways = new Map();
  Module._nodeModulePaths = function (from) {
    let known = ways.get(from);
    if (known === undefined) ways.set(from, (known = Reflect.apply(nodeModulePaths, this, [from])));
    return known.slice();
  };
  const resolveFilename = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, isMain, options) {
    if (typeof request === "string") {
      if (options && options.paths) {
        for (const place of options.paths) {
          const folder = path.resolve(place);
          const found = find(request, folder, Module._nodeModulePaths(folder));
          if (found !== undefined) return found;
        }
      } else {
        const found = find(request, parent && parent.filename ? parent.path : undefined, parent ? parent.paths : undefined);
        if (found !== undefined) return found;
      }
    }
    return Reflect.apply(resolveFilename, this, arguments);
  };

  // Loading: the text goes where Node.js would put what it has read.
  const compile = (module, file) => {
    if (file.imports) install();
    if (file.kind !== ESM) return module._compile(text(file), file.path, "commonjs");
    // An ES module that is required is linked at once; its imports need the hooks only while that happens.
    const hooks = register();
    try {
      module._compile(text(file), file.path, "module");
    } finally {
      if (!pinned && hooks) active = hooks.deregister();
    }
  };
  const { ".js": loadCode, ".json": loadJson } = Module._extensions;
  Module._extensions[".js"] = function (module, filename) {
    const file = files.get(filename);
    if (file === undefined || file.kind === DISK) return Reflect.apply(loadCode, this, arguments);
    compile(module, file);
  };
  Module._extensions[".json"] = function (module, filename) {
    const file = files.get(filename);
    if (file === undefined || file.kind === DISK) return Reflect.apply(loadJson, this, arguments);
    module.exports = JSON.parse(text(file));
  };

  // ES modules: https://nodejs.org/api/module.html#synchronous-hooks-accepted-by-moduleregisterhooks
  let main;
  // While hooks are there, every require pays for them: they stay only once there is code that calls import().
  let pinned = false;
  let active;
  const bareUrl = (url) => url.replace(/[?#].*$/s, "");
  const format = (file) => (file.kind === JSON_TEXT || file.path.endsWith(".json") ? "json" : "module");
  const install = () => {
    register();
    pinned = true;
  };
  const register = () => {
    if (active || !Module.registerHooks) return undefined;
    active = Module.registerHooks({
      resolve(specifier, context, next) {
        if (context.conditions && !context.conditions.includes("import")) return next(specifier, context);
        const { parentURL } = context;
        let file;
        let suffix = "";
        if (relative.test(specifier) || specifier.charCodeAt(0) === 47 || specifier.startsWith("file:")) {
          if (!URL.canParse(specifier, parentURL)) return next(specifier, context);
          const url = new URL(specifier, parentURL);
          if (url.protocol !== "file:") return next(specifier, context);
          suffix = url.search + url.hash;
          const place = fileURLToPath(url);
          file = files.get(place) || files.get(aliases.get(place));
        } else if (parentURL !== undefined && parentURL.startsWith("file:")) {
          const folder = path.dirname(fileURLToPath(parentURL));
          const found = specifier.charCodeAt(0) === 35 ? internal(specifier, folder, "import") : bare(specifier, Module._nodeModulePaths(folder), "import");
          file = files.get(found);
        }
        if (file === undefined) return next(specifier, context);
        const url = pathToFileURL(file.path).href + suffix;
        if (file.path.endsWith(".node") || (file.kind === DISK && !index.names[file.path.slice(slashed.length)])) return next(url, context);
        return { url: url === main ? url + "#slim" : url, format: format(file), importAttributes: context.importAttributes, shortCircuit: true };
      },
      load(url, context, next) {
        if (!url.startsWith("file:") || (context.conditions && !context.conditions.includes("import"))) return next(url, context);
        const file = files.get(fileURLToPath(bareUrl(url)));
        const names = file && index.names[file.path.slice(slashed.length)];
        if (file === undefined || (file.kind === DISK && !names)) return next(url, context);
        if (file.kind === COMMONJS || file.kind === DISK) return { format: "module", source: facade(file, names || []), shortCircuit: true };
        if (file.imports) pinned = true;
        const source = text(file);
        if (url !== main + "#slim") return { format: format(file), source, shortCircuit: true };
        const meta = "import.meta.url=" + JSON.stringify(main) + ";if(\"main\"in import.meta)import.meta.main=true;";
        return { format: "module", source: meta + source + "\n//# sourceURL=" + main, shortCircuit: true };
      },
    });
    return active;
  };
  // A CommonJS module as an import sees it: https://nodejs.org/api/esm.html#commonjs-namespaces
  const facade = (file, names) => {
    const lines = ["import M from'node:module';const e=M._load(" + JSON.stringify(file.path) + ",undefined,false);export default e;"];
    lines.push("const g=n=>{if(e!=null&&Object.prototype.hasOwnProperty.call(e,n))try{return e[n]}catch{}};");
    const all = index.self ? [...names, "module.exports"] : names;
    all.forEach((name, i) => {
      lines.push("const v" + i + "=" + (name === "module.exports" ? "e" : "g(" + JSON.stringify(name) + ")") + ";export{v" + i + " as " + JSON.stringify(name) + "};");
    });
    return lines.join("");
  };

  if (index.sourcemap) process.setSourceMapsEnabled(true);
  Object.defineProperty(process, key, {
    configurable: true,
    value: {
      run: (module) => compile(module, files.get(module.filename)),
      hook: install,
      url: (url) => {
        install();
        main = bareUrl(url);
        return main + "#slim";
      },
    },
  });
}`;

/** Runs the bootstrap, which stands before the bundle's first zero byte. */
function started(require: string, bundle: string): string {
  return (
    `const k=Symbol.for("slim");process[k]||(r=>{const f=r.resolve(${JSON.stringify(bundle)}),b=r("fs").readFileSync(f);` +
    `r("vm").compileFunction(b.toString("latin1",0,b.indexOf(0)),["require","own","bytes"],{filename:f})(r,f,b)})(${require});`
  );
}

/**
 * Starts a CommonJS module of the bundle from its own path, in a thread or process that may have no bundle yet.
 * `names` are for Node.js, which reads the names of an import off the text.
 */
export function commonJsStub(bundle: string, names: readonly string[] = []): string {
  const shown = names.length === 0 ? "" : `0&&(${names.map((name) => `exports[${JSON.stringify(name)}]=`).join("")}0);`;
  return `${started("require", bundle)}process[k].run(module);${shown}\n`;
}

/** The same for an ES module. What it waits for is not the import itself, or stacks of the app would end in the stub. */
export function moduleStub(bundle: string): string {
  return `import M from"node:module";${started("M.createRequire(import.meta.url)", bundle)}await new Promise((y,n)=>import(process[k].url(import.meta.url)).then(()=>y(),n))\n`;
}

/**
 * What is put before the argument of an `import()`, so that the hooks are there when it is called, and not before.
 * It holds anywhere: functions are also handed as text to threads and browsers that know nothing of a bundle.
 */
export const hook = "globalThis.process?.[globalThis.Symbol.for('slim')]?.hook()";
