// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the programs are text
import type { Files } from "../../support/node-app.ts";

interface Case {
  readonly name: string;
  readonly files: Files;
  readonly entry?: string;
  /** The first major version of Node.js that runs the program. */
  readonly since?: number;
  readonly only?: "bundle" | "files";
}

const esm = '{"name":"app","type":"module"}';
/** A package in node_modules. */
const pkg = (name: string, json: object, files: Files): Files => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: "1.0.0", ...json }),
  ...Object.fromEntries(Object.entries(files).map(([file, text]) => [`node_modules/${name}/${file}`, text])),
});

/** Small programs that print what they see. One behaviour each. */
export const cases: readonly Case[] = [
  // -- places
  {
    name: "__filename and __dirname",
    files: {
      "main.js": 'console.log(__filename, __dirname); require("./lib/a")',
      "lib/a.js": "console.log(__filename, __dirname)",
    },
  },
  {
    name: "module.id, filename, path, paths, loaded",
    files: {
      "main.js":
        'const s=()=>console.log(module.id,module.filename,module.path,module.paths,module.loaded);s();require("./lib/a")',
      "lib/a.js": "console.log(module.id,module.filename,module.path,module.paths,module.loaded)",
    },
  },
  {
    name: "require.main and module.parent",
    files: {
      "main.js": 'console.log(require.main===module, module.parent); require("./a")',
      "a.js": "console.log(require.main.filename, require.main===module, module.parent.filename)",
    },
  },
  {
    name: "module.children",
    files: {
      "main.js": 'require("./a");require("./b");console.log(module.children.map(c=>c.id))',
      "a.js": 'require("./b")',
      "b.js": "",
    },
  },
  {
    name: "process.argv and process.mainModule",
    files: { "main.js": "console.log(process.argv, process.mainModule.filename, process.cwd())" },
  },
  {
    name: "require.resolve",
    files: {
      "main.js":
        'console.log(require.resolve("./lib/a"), require.resolve("p"), require.resolve("fs"), require.resolve.paths("p"))',
      "lib/a.js": "",
      ...pkg("p", { main: "m.js" }, { "m.js": "" }),
    },
  },
  {
    name: "require.resolve with paths",
    files: {
      "main.js": 'console.log(require.resolve("p", {paths:[__dirname+"/sub"]})); console.log(require("p").where)',
      "sub/x.js": "",
      ...pkg("p", {}, { "index.js": 'exports.where="top"' }),
    },
  },
  {
    name: "createRequire",
    files: {
      "main.js":
        'const {createRequire}=require("module");const r=createRequire(__dirname+"/lib/x.js");console.log(r("./a"), r.resolve("./a"))',
      "lib/a.js": "module.exports=__filename",
    },
  },
  {
    name: "createRequire in an ES module",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import {createRequire} from "node:module";const r=createRequire(import.meta.url);console.log(r("./a.cjs"), r("./d.json"))',
      "a.cjs": "module.exports=__filename",
      "d.json": '{"x":1}',
    },
  },
  {
    name: "import.meta.url, dirname, filename",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import "./lib/a.mjs"; console.log(import.meta.url, import.meta.dirname, import.meta.filename, Object.keys(import.meta).filter(k=>k!=="main"))',
      "lib/a.mjs": "console.log(import.meta.url, import.meta.dirname, import.meta.filename)",
    },
  },
  {
    name: "import.meta.resolve",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'console.log(import.meta.resolve("./a.mjs"), import.meta.resolve("p"), import.meta.resolve("node:fs")); await import("p"); await import("./a.mjs")',
      "a.mjs": "",
      ...pkg("p", { exports: { import: "./i.mjs", require: "./r.cjs" } }, { "i.mjs": "", "r.cjs": "" }),
    },
  },
  {
    name: "main check of an ES module",
    files: {
      "package.json": esm,
      "main.js":
        'import {pathToFileURL} from "node:url"; import "./a.js"; console.log(import.meta.url===pathToFileURL(process.argv[1]).href)',
      "a.js":
        'import {pathToFileURL} from "node:url"; console.log(import.meta.url===pathToFileURL(process.argv[1]).href)',
    },
  },
  {
    name: "import.meta.main",
    since: 24,
    files: {
      "package.json": esm,
      "main.js": 'import "./a.js"; console.log(import.meta.main)',
      "a.js": "console.log(import.meta.main)",
    },
  },
  {
    name: "require.main in an ES app",
    files: {
      "package.json": esm,
      "main.js": 'import "./a.cjs"',
      "a.cjs": "console.log(require.main, module.parent, module.id, process.mainModule)",
    },
  },
  // -- values and scope
  {
    name: "this, exports and arguments at top level",
    files: {
      "main.js":
        "console.log(this===exports, this===module.exports, arguments.length, typeof arguments[1], new.target)",
    },
  },
  {
    name: "this in an ES module",
    entry: "main.mjs",
    files: { "main.mjs": "console.log(this, typeof require, typeof module, typeof __filename)" },
  },
  {
    name: "sloppy mode stays sloppy",
    files: {
      "main.js":
        'implicit = 1; console.log(implicit, (function(){return this===globalThis})(), 010); with({x:5}) console.log(x); require("./strict")',
      "strict.js":
        '"use strict"; try { implicit2 = 1 } catch (e) { console.log(e.message) } console.log((function(){return this})())',
    },
  },
  {
    name: "a function with its own strict mode",
    files: {
      "main.js": 'function s(){"use strict";return this} function l(){return typeof this} console.log(s(), l())',
    },
  },
  {
    name: "direct eval sees the scope",
    files: {
      "main.js":
        'const secret=42; console.log(eval("secret"), eval("__filename"), eval("require")("./a")); function f(n){return eval(`require("fs").readFileSync(require("path").join(__dirname, n, "b.txt"), "utf8");`)} console.log(f("."), eval("require(\'./c\')"))',
      "a.js": "module.exports=7",
      "b.txt": "b",
      "c.js": "module.exports=8",
    },
  },
  {
    name: "indirect eval and Function",
    files: {
      "main.js": 'globalThis.g=3; console.log((0,eval)("typeof secret"), new Function("return g")()); const secret=1',
    },
  },
  {
    name: "function and class names",
    files: {
      "main.js":
        "const f=function inner(){}; const g=()=>{}; class Klass{}; const K=class Named{}; const o={m(){}, ['c'+1]: function(){}}; console.log(f.name,g.name,Klass.name,K.name,o.m.name,o.c1.name,(function unused(){}).name)",
    },
  },
  {
    name: "Function.prototype.toString",
    files: {
      "main.js":
        "function f(a,b){return a+b} class C{m(){return 1}} console.log(String(f), f.length, String(C).startsWith('class C'))",
    },
  },
  {
    name: "template literals and regular expressions keep every character",
    files: {
      "main.js":
        'console.log(`a\n  b\t ${1}  c // no comment`, /[/]\\/\\/ \\*\\/ /.source, String.raw`\\u{41} é ☃`, "*/", "/* x */")',
    },
  },
  {
    name: "text, names and expressions that are not ASCII",
    files: {
      "main.js":
        'const ünï="日本語😀"; console.log(ünï, `☃${ünï}`, /é+/u.test("éé"), "\\u0001\u0001".length, String.raw`é\\n`)',
    },
  },
  {
    name: "semicolons that are not there",
    files: {
      "main.js":
        "const a = 1\nconst b = a\n;[1,2].forEach(x => console.log(x))\nlet i = 1\nlet j = i\n++j\nconsole.log(i, j)\nconst f = () => { return\n5 }\nconsole.log(f())",
    },
  },
  {
    name: "operators that touch",
    files: {
      "main.js":
        "let a=1,b=2; console.log(a - -b, a + +b, a+ ++b, a-- - --b, 1 .toFixed(1), a ? .5 : 1, typeof typeof a, void 0, !(- -a), a / 2 / /x/.source.length, 5 % - 3, a < ! --b)",
    },
  },
  { name: "HTML-like comments", files: { "main.js": "console.log(1)\n<!-- a comment\n--> another\nconsole.log(2)" } },
  {
    name: "hashbang and byte order mark",
    files: { "main.js": '#!/usr/bin/env node\nconsole.log("x"); require("./b")', "b.js": '\uFEFFconsole.log("bom")' },
  },
  {
    name: "return at top level",
    files: {
      "main.js": 'console.log(1); require("./a"); return; console.log(2)',
      "a.js": "if (true) return; console.log(3)",
    },
  },
  {
    name: "await as a name",
    files: { "main.js": "var await = 3; console.log(await); var let_ = 1, async = 2; console.log(async)" },
  },
  {
    name: "line terminators of every kind",
    files: {
      "main.js":
        'console.log(1)\r\n// a\rconsole.log(2)\u2028console.log("\u2028".length)\r\n/* x\r\n y */ console.log(`a\r\nb`.length)',
    },
  },
  // -- modules
  {
    name: "cycles of CommonJS",
    files: {
      "main.js": 'console.log(require("./a").x)',
      "a.js": 'exports.early=1; const b=require("./b"); exports.x=b.seen; ',
      "b.js": 'const a=require("./a"); exports.seen=Object.keys(a).join()+(a.x===undefined)',
    },
  },
  {
    name: "module.exports replaced in a cycle",
    files: {
      "main.js": 'const A=require("./a"); console.log(new A().b.A===A)',
      "a.js": 'class A{constructor(){this.b=require("./b")}}; module.exports=A; require("./b")',
      "b.js": 'exports.A=require("./a")',
    },
  },
  {
    name: "getters on exports",
    files: {
      "main.js":
        'const a=require("./a"); console.log(a.n, a.n, Object.getOwnPropertyDescriptor(a,"n").get!==undefined)',
      "a.js": 'let i=0; Object.defineProperty(exports,"n",{enumerable:true,get(){return ++i}})',
    },
  },
  {
    name: "require.cache",
    files: {
      "main.js":
        'const a=require("./a"); const k=require.resolve("./a"); console.log(Object.keys(require.cache), require.cache[k].exports===a); delete require.cache[k]; console.log(require("./a")===a)',
      "a.js": "module.exports={}",
    },
  },
  {
    name: "a stub put into require.cache",
    files: {
      "main.js":
        'const k=require.resolve("./a"); require.cache[k]={id:k,filename:k,loaded:true,exports:"mock"}; console.log(require("./b"))',
      "a.js": 'module.exports="real"',
      "b.js": 'module.exports=require("./a")',
    },
  },
  {
    name: "Module.prototype.require patched",
    files: {
      "main.js":
        'const M=require("module");const o=M.prototype.require;const seen=[];M.prototype.require=function(id){seen.push(id);return o.call(this,id)};require("./a");console.log(seen)',
      "a.js": 'require("./b");require("fs")',
      "b.js": "",
    },
  },
  {
    name: "Module._load patched",
    files: {
      "main.js":
        'const M=require("module");const o=M._load;M._load=function(r,p){const e=o.apply(this,arguments);if(r==="./b")return {patched:true};return e};console.log(require("./a"))',
      "a.js": 'module.exports=require("./b")',
      "b.js": "",
    },
  },
  {
    name: "Module._resolveFilename patched",
    files: {
      "main.js":
        'const M=require("module");const o=M._resolveFilename;M._resolveFilename=function(r,...x){return o.call(this,r==="alias"?"./b":r,...x)};console.log(require("alias")); require("./b")',
      "b.js": 'module.exports="b"',
    },
  },
  {
    name: "require.extensions",
    files: {
      "main.js":
        'console.log(Object.keys(require.extensions)); const o=require.extensions[".js"]; require.extensions[".js"]=function(m,f){const c=m._compile; m._compile=function(t,f){return c.call(this,t.replace("RED","BLUE"),f)}; return o(m,f)}; console.log(require("./a"))',
      "a.js": 'module.exports="RED"',
    },
  },
  { name: "module.require", files: { "main.js": 'console.log(module.require("./a"))', "a.js": "module.exports=1" } },
  {
    name: "a missing module in try",
    files: {
      "main.js":
        'try{require("not-there")}catch(e){console.log(e.code,e.message.split("\\n")[0])} try{require("./nope")}catch(e){console.log(e.code)} console.log("on")',
    },
  },
  {
    name: "JSON",
    files: {
      "main.js": 'const d=require("./d"); console.log(d, require("./d.json")===d, require("./dir"))',
      "d.json": '{ "b": 1.50, "a": [ "é", null ], "__proto__": 1, "2": 2, "1": 1 }',
      "dir/index.json": '{"i":true}',
    },
  },
  {
    name: "JSON imported",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import d from "./d.json" with {type:"json"}; console.log(d, (await import("./d.json",{with:{type:"json"}})).default===d)',
      "d.json": '{"a":1}',
    },
  },
  {
    name: "folders, index files and extensions",
    files: {
      "main.js": 'console.log(require("./x"), require("./x/"), require("./y"), require("."), require("./z.min"))',
      "x.js": 'module.exports="x.js"',
      "x/index.js": 'module.exports="x/index.js"',
      "y/package.json": '{"main":"lib/m"}',
      "y/lib/m.js": 'module.exports="y/lib/m.js"',
      "index.js": 'module.exports="index"',
      "z.min.js": 'module.exports="z.min"',
    },
  },
  {
    name: "a file without extension",
    files: {
      "main.js": 'console.log(require("./LICENSE"), require("./bin/run"))',
      LICENSE: 'module.exports="as code"',
      "bin/run": "#!/usr/bin/env node\nmodule.exports=1",
    },
  },
  {
    name: "exports with conditions and patterns",
    files: {
      "main.js":
        'console.log(require("p"), require("p/f/a"), require("p/f/b.js")); try { require("p/private") } catch (e) { console.log(e.code) }',
      ...pkg(
        "p",
        {
          exports: {
            ".": { import: "./i.mjs", node: { require: "./r.js" } },
            "./f/*.js": "./src/*.js",
            "./f/*": "./src/*.js",
          },
        },
        {
          "i.mjs": "",
          "r.js": 'module.exports="r"',
          "src/a.js": 'module.exports="a"',
          "src/b.js": 'module.exports="b"',
          "private.js": "",
        },
      ),
    },
  },
  {
    name: "imports of a package.json",
    files: {
      "package.json": '{"name":"app","imports":{"#x":"./src/x.js","#u/*":"./src/u/*.js","#dep":"p"}}',
      "main.js": 'console.log(require("#x"), require("#u/a"), require("#dep"))',
      "src/x.js": 'module.exports="x"',
      "src/u/a.js": 'module.exports="ua"',
      ...pkg("p", {}, { "index.js": 'module.exports="p"' }),
    },
  },
  {
    name: "a package that names itself",
    files: {
      "package.json": '{"name":"app","exports":{"./x":"./src/x.js"}}',
      "main.js": 'console.log(require("app/x")); require("p")',
      "src/x.js": 'module.exports="x"',
      ...pkg(
        "p",
        { exports: { ".": "./index.js", "./y": "./y.js" } },
        { "index.js": 'console.log(require("p/y"))', "y.js": 'module.exports="y"' },
      ),
    },
  },
  {
    name: "two versions of a package",
    files: {
      "main.js": 'console.log(require("a"), require("b"))',
      ...pkg("a", {}, { "index.js": 'module.exports="a1"' }),
      ...pkg(
        "b",
        {},
        {
          "index.js": 'module.exports=require("a")',
          "node_modules/a/index.js": 'module.exports="a2"',
          "node_modules/a/package.json": '{"name":"a","version":"2.0.0"}',
        },
      ),
    },
  },
  {
    name: "linked packages are where they really are",
    files: {
      "main.js": 'console.log(require("a"))',
      "node_modules/a": "-> .store/a@1/node_modules/a",
      "node_modules/.store/a@1/node_modules/a/index.js": 'module.exports=__filename+require("b")',
      "node_modules/.store/a@1/node_modules/a/package.json": '{"name":"a","version":"1.0.0"}',
      "node_modules/.store/a@1/node_modules/b": "-> ../../b@1/node_modules/b",
      "node_modules/.store/b@1/node_modules/b/index.js": "module.exports=__filename",
      "node_modules/.store/b@1/node_modules/b/package.json": '{"name":"b","version":"1.0.0"}',
    },
  },
  {
    name: "workspaces: linked packages, and the app deep inside",
    entry: "packages/app/src/main.js",
    files: {
      "package.json": '{"name":"mono","private":true,"workspaces":["packages/*"]}',
      "packages/app/package.json": '{"name":"app","dependencies":{"@ws/lib":"*","p":"1"}}',
      "packages/app/src/main.js":
        'const lib=require("@ws/lib"); console.log(lib.file, lib.text(), require("p"), require.resolve("@ws/lib"))',
      "packages/lib/package.json": '{"name":"@ws/lib","version":"1.0.0","main":"lib.js"}',
      "packages/lib/lib.js":
        'const fs=require("fs"); exports.file=__filename; exports.text=()=>fs.readFileSync(__dirname+"/t.txt","utf8")+require("p")',
      "packages/lib/t.txt": "text",
      "node_modules/@ws/lib": "-> ../../packages/lib",
      ...pkg("p", {}, { "index.js": 'module.exports="p"' }),
    },
  },
  // -- ES modules
  {
    name: "top-level await",
    entry: "main.mjs",
    files: {
      "main.mjs": 'import {x} from "./a.mjs"; console.log(x); await null; console.log("end")',
      "a.mjs": "export const x = await new Promise(r=>setTimeout(r,5,'late'))",
    },
  },
  {
    name: "live bindings",
    entry: "main.mjs",
    files: {
      "main.mjs": 'import {n,inc} from "./a.mjs"; console.log(n); inc(); console.log(n)',
      "a.mjs": "export let n=0; export const inc=()=>{n++}",
    },
  },
  {
    name: "cycles of ES modules",
    entry: "main.mjs",
    files: {
      "main.mjs": 'import {a} from "./a.mjs"; console.log(a())',
      "a.mjs": 'import {b} from "./b.mjs"; export function a(){return "a"+b()}',
      "b.mjs": 'import {a} from "./a.mjs"; export function b(){return typeof a}',
    },
  },
  {
    name: "an import of the entry",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'export const id={}; console.log("once"); const {same}=await import("./a.mjs"); console.log(same(id))',
      "a.mjs": 'import {id} from "./main.mjs"; export const same=x=>x===id',
    },
  },
  {
    name: "order of evaluation",
    entry: "main.mjs",
    files: {
      "main.mjs": 'console.log("main"); import "./a.mjs"; import "./c.cjs"; import "./b.mjs"',
      "a.mjs": 'import "./b.mjs"; console.log("a")',
      "b.mjs": 'console.log("b")',
      "c.cjs": 'console.log("c")',
    },
  },
  {
    name: "CommonJS imported: names, default and the namespace",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import d,{a,re} from "./c.cjs"; import * as ns from "./c.cjs"; console.log(d,a,re,ns,Object.keys(ns))',
      "c.cjs":
        'exports.a=1; exports.b=()=>{}; Object.defineProperty(exports,"g",{enumerable:true,get:()=>5}); module.exports.re=2; if(0){exports.never=1}',
    },
  },
  {
    name: "CommonJS compiled from ES: __esModule and re-exports",
    entry: "main.mjs",
    files: {
      "main.mjs": 'import * as ns from "./c.cjs"; import {deep} from "./c.cjs"; console.log(ns, ns.default, deep)',
      "c.cjs":
        '"use strict";Object.defineProperty(exports,"__esModule",{value:true});exports.default="dflt";exports.x=1;__exportStar(require("./d.cjs"),exports);function __exportStar(m,e){for(const k in m)if(k!=="default")e[k]=m[k]}',
      "d.cjs": 'exports.deep="deep"',
    },
  },
  {
    name: "names that only a comment shows",
    entry: "main.mjs",
    files: {
      "main.mjs": 'import {a} from "./c.cjs"; console.log(a)',
      "c.cjs": 'const o={}; for (const k of ["a","b"]) o[k]=k; module.exports=o; 0 && (module.exports = { a, b })',
    },
  },
  {
    name: "dual packages",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import {kind} from "p"; import {createRequire} from "node:module"; console.log(kind, createRequire(import.meta.url)("p").kind)',
      ...pkg(
        "p",
        { exports: { import: "./i.mjs", require: "./r.cjs" } },
        { "i.mjs": 'export const kind="esm"', "r.cjs": 'exports.kind="cjs"' },
      ),
    },
  },
  {
    name: "one instance through import and require",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import a from "./a.cjs"; import {createRequire} from "node:module"; const r=createRequire(import.meta.url); console.log(a===r("./a.cjs"), r.cache[r.resolve("./a.cjs")].exports===a)',
      "a.cjs": "module.exports={}",
    },
  },
  {
    name: "require of an ES module",
    since: 22,
    files: {
      "main.js":
        'const m=require("./m.mjs"); console.log(m, m.default, require("./m.mjs")===m); import("./m.mjs").then(n=>console.log(n===m))',
      "m.mjs": 'import {y} from "./n.mjs"; export default class D{}; export const x=y',
      "n.mjs": "export const y=2",
    },
  },
  {
    name: "module.exports as an export name",
    since: 23,
    files: {
      "main.js": 'console.log(require("./m.mjs"))',
      "m.mjs": 'const v="direct"; export {v as "module.exports"}',
    },
  },
  {
    name: "module-sync condition",
    since: 22,
    files: {
      "main.js": 'console.log(require("p").kind)',
      ...pkg(
        "p",
        { exports: { "module-sync": "./s.mjs", default: "./d.cjs" } },
        { "s.mjs": 'export const kind="sync"', "d.cjs": 'exports.kind="cjs"' },
      ),
    },
  },
  {
    name: "dynamic import from CommonJS",
    files: {
      "main.js":
        '(async()=>{const m=await import("./m.mjs"); console.log(m.x); const c=await import("./c.js"); console.log(c.default, c.y); console.log((await import("p")).default)})()',
      "m.mjs": "export const x=import.meta.url",
      "c.js": "exports.y=2",
      ...pkg("p", {}, { "index.js": 'module.exports="p"' }),
    },
  },
  {
    name: "import() from code that is made of text",
    files: {
      "main.js":
        'require("./lib"); new Function("f","return import(f)")(__dirname+"/m.mjs").then(m=>console.log(m.x,m===globalThis.m)); import((0,"./m.mjs")).then(m=>globalThis.m=m); (0,eval)("import(\\"node:fs\\").then(m=>console.log(typeof m.readFileSync))"); console.log(String(x=>x+1))',
      "lib.js": "exports.f=async(a)=>(await import(a)).default",
      "m.mjs": "export const x=1",
    },
  },
  {
    name: "import() with options, inside import(), in a minified line, and as text",
    files: {
      "main.js":
        'const s="import(x)", r=/import(.)/; const f=n=>import("./m.mjs"); (async()=>{console.log((await import((await import("./n.mjs")).default)).y,s,r.source,(await import("./d.json",{with:{type:"json"}})).default)})()',
      "n.mjs": 'export default "./m.mjs"',
      "m.mjs": "export const y=2",
      "d.json": '{"a":"ä€"}',
    },
  },
  {
    name: "text that is not ASCII",
    files: {
      "main.js": 'console.log("ä€😀".length, /[а-я]/.test("ж"), require("./ü"), (()=>{throw Error("é")}).toString())',
      "ü.js": "module.exports=`\u00e9é*/`; /* ü */",
    },
  },
  {
    name: "a program that reads itself",
    files: {
      "main.js": 'const t=require("fs").readFileSync(__filename,"utf8"); console.log(t.length, require("./a"));',
      "a.js": 'module.exports=require("fs").readFileSync(__filename,"utf8").length',
    },
  },
  {
    name: "a query makes another instance",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'const a=await import("./a.mjs?1"), b=await import("./a.mjs?2"), c=await import("./a.mjs?1"); console.log(a===b, a===c, a.u, b.u)',
      "a.mjs": "export const u=import.meta.url",
    },
  },
  {
    name: "a missing import is caught",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'try{await import("not-there")}catch(e){console.log(e.code)} try{await import("./no.mjs")}catch(e){console.log(e.code)}',
    },
  },
  {
    name: "a promise that never settles",
    entry: "main.mjs",
    files: { "main.mjs": 'console.log("waits"); await new Promise(()=>{})' },
  },
  {
    name: "syntax decides",
    since: 22,
    files: {
      "main.js":
        'import fs from "node:fs"; import {x} from "./a.js"; console.log(typeof fs.readFileSync, x, typeof require)',
      "a.js": 'export const x="esm"',
    },
  },
  // -- TypeScript; these are compiled here and run where they lie by Node.js 24
  {
    name: "TypeScript",
    since: 24,
    only: "bundle",
    entry: "main.ts",
    files: {
      "package.json": '{"name":"app","type":"module"}',
      "main.ts":
        'import {a, type T} from "./a.ts"; const t: T = {x: 1}; console.log(a(t), import.meta.url.endsWith("main.ts") || import.meta.url.endsWith("main.js"))',
      "a.ts": "export interface T { x: number }\nexport function a(t: T): number { return t.x }",
    },
  },
  // -- errors
  {
    name: "stacks name the file and the line",
    files: {
      "main.js":
        '// first\n\n/* a\n comment */\nfunction outer() {\n  // why\n  require("./lib/a")()\n}\ntry { outer() } catch (e) { console.log(e.stack.split("\\n").slice(0,3).map(l=>l.replace(/:\\d+\\)?$/,""))) }',
      "lib/a.js": "\n\n// comment\nmodule.exports = function thrower() {\n  // deeper\n\n  throw new Error('x')\n}",
    },
  },
  {
    name: "stacks of ES modules",
    entry: "main.mjs",
    files: {
      "main.mjs":
        '// one\n\nimport {f} from "./a.mjs"\n// two\ntry { f() } catch (e) { console.log(e.stack.split("\\n").slice(0,3).map(l=>l.replace(/:\\d+\\)?$/,""))) }',
      "a.mjs": "/*\n\n*/\nexport function f() {\n  throw new TypeError('y')\n}",
    },
  },
  {
    name: "callers by the stack",
    files: {
      "main.js": 'console.log(require("p")())',
      ...pkg(
        "p",
        {},
        {
          "index.js":
            "module.exports=()=>{const o=Error.prepareStackTrace;Error.prepareStackTrace=(_,s)=>s;const s=new Error().stack;Error.prepareStackTrace=o;return s.slice(0,2).map(c=>c.getFileName())}",
        },
      ),
    },
  },
  {
    name: "an uncaught error ends with 1",
    files: { "main.js": 'console.log("a"); require("./b")', "b.js": 'throw new Error("no")' },
  },
  {
    name: "exit code and signals",
    files: { "main.js": 'process.on("exit",c=>console.log("exit",c)); console.log("x"); process.exitCode=7' },
  },
  {
    name: "a syntax error in a file that is guarded",
    files: {
      "main.js": 'try { require("p") } catch (e) { console.log(e.name) }',
      ...pkg("p", {}, { "index.js": "this is not code" }),
    },
  },
  // -- files
  {
    name: "assets beside the code",
    files: {
      "main.js":
        'const fs=require("fs"),path=require("path"); console.log(fs.readFileSync(path.join(__dirname,"data.txt"),"utf8"), fs.readFileSync(__dirname+"/views/a.html","utf8"), fs.readdirSync(path.join(__dirname,"views")))',
      "data.txt": "data",
      "views/a.html": "<a>",
      "views/b.html": "<b>",
    },
  },
  {
    name: "assets by URL",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import fs from "node:fs"; console.log(fs.readFileSync(new URL("./data.txt", import.meta.url),"utf8"), JSON.parse(fs.readFileSync(new URL("lib/d.json", import.meta.url))).x)',
      "data.txt": "data",
      "lib/d.json": '{"x": 1}',
    },
  },
  {
    name: "assets by a path that is built in steps",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import {readFile} from "node:fs/promises"; import {fileURLToPath} from "node:url"; import path from "node:path"; const __dirname=path.dirname(fileURLToPath(import.meta.url)); const dir=path.resolve(__dirname,"res"); const load=n=>readFile(path.join(dir,`${n}.json`),"utf8"); console.log(await load("de"), await load("en"))',
      "res/de.json": '"hallo"',
      "res/en.json": '"hello"',
    },
  },
  {
    name: "assets by working directory",
    files: {
      "main.js":
        'const fs=require("fs"),path=require("path"); console.log(fs.readFileSync("conf/a.yml","utf8"), fs.readFileSync(path.join(process.cwd(),"conf","b.yml"),"utf8"), fs.existsSync(path.resolve("conf")))',
      "conf/a.yml": "a: 1",
      "conf/b.yml": "b: 1",
    },
  },
  {
    name: "modules of a folder that is listed",
    files: {
      "main.js":
        'const fs=require("fs"),path=require("path"); const d=path.join(__dirname,"plugins"); for(const f of fs.readdirSync(d).sort()) console.log(f, require(path.join(d,f))())',
      "plugins/a.js": 'const h=require("../help"); module.exports=()=>h("a")',
      "plugins/b.js": 'const p=require("p"); module.exports=()=>p+"b"',
      "help.js": "module.exports=x=>x+x",
      ...pkg("p", {}, { "index.js": 'module.exports="p"' }),
    },
  },
  {
    name: "siblings that are listed",
    files: {
      "main.js": 'console.log(require("./models"))',
      "models/index.js":
        'const fs=require("fs"),path=require("path"); fs.readdirSync(__dirname).filter(f=>f!==path.basename(__filename)).sort().forEach(f=>{exports[f]=require(path.join(__dirname,f))})',
      "models/user.js": 'module.exports="user"',
      "models/post.js": 'module.exports=require("./user")+"post"',
    },
  },
  {
    name: "computed require with a prefix",
    files: {
      "main.js":
        'for (const l of ["de","en"]) console.log(require("./locale/"+l)); console.log(require(`./locale/${"fr"}.js`)); console.log(require("./lib/get")("it"))',
      "lib/get.js": 'module.exports=l=>require(require("path").normalize(`../locale/${l}.js`))',
      "locale/it.js": 'module.exports="it"',
      "locale/de.js": 'module.exports="de"',
      "locale/en.js": 'module.exports="en"',
      "locale/fr.js": 'module.exports="fr"',
    },
  },
  {
    name: "a name that may be given, in a package",
    files: {
      "main.js": 'console.log(require("p")("de"), require("p")(), require("p")("fr", "other"))',
      ...pkg(
        "p",
        {},
        {
          "index.js": 'module.exports=(l,d)=>{const dir=d?d:"locale"; return require("./"+dir+"/"+(l||"en"))}',
          "locale/de.js": 'module.exports="de"',
          "locale/en.js": 'module.exports="en"',
          "other/fr.js": 'module.exports="fr"',
        },
      ),
    },
  },
  {
    name: "files below the code, by a function that knows where it is",
    files: {
      "main.js": 'console.log(require("p"))',
      ...pkg(
        "p",
        {},
        {
          "index.js":
            'const fs=require("fs"),path=require("path"); module.exports={add:sql("array/add.sql")}; function sql(file){const full=path.join(__dirname,file); return fs.readFileSync(full,"utf8")}',
          "array/add.sql": "select 1",
        },
      ),
    },
  },
  {
    name: "computed import with a prefix",
    entry: "main.mjs",
    files: {
      "main.mjs": 'for (const l of ["a","b"]) console.log((await import(`./routes/${l}.mjs`)).default)',
      "routes/a.mjs": 'export default "a"',
      "routes/b.mjs": 'import x from "./a.mjs"; export default x+"b"',
    },
  },
  {
    name: "a package by the name of a string",
    files: {
      "package.json": '{"name":"app","dependencies":{"driver-x":"1"}}',
      "main.js": 'const load=require("p"); console.log(load("driver-x"))',
      ...pkg("p", {}, { "index.js": "module.exports=n=>require(n)" }),
      ...pkg("driver-x", {}, { "index.js": 'module.exports="driver"' }),
    },
  },
  {
    name: "own package.json",
    files: {
      "package.json": '{"name":"app","version":"3.2.1"}',
      "main.js":
        'const fs=require("fs"); console.log(require("./package.json").version, JSON.parse(fs.readFileSync(__dirname+"/package.json")).version, require("./package").name)',
    },
  },
  {
    name: "package.json of a package",
    files: {
      "main.js":
        'const fs=require("fs"); console.log(JSON.parse(fs.readFileSync(require.resolve("p/package.json"))).version, require("p/package.json").name, require("p"))',
      ...pkg("p", {}, { "index.js": "module.exports=1" }),
    },
  },
  // -- threads and processes
  {
    name: "a worker",
    files: {
      "main.js":
        'const {Worker}=require("worker_threads"); new Worker(require("path").join(__dirname,"w.js"),{workerData:2}).on("message",m=>console.log(m)).on("exit",c=>console.log("exit",c))',
      "w.js":
        'const {parentPort,workerData,isMainThread}=require("worker_threads"); parentPort.postMessage([isMainThread,__filename,require("./lib")(workerData),require("p"),require.main===module])',
      "lib.js": "module.exports=x=>x*2",
      ...pkg("p", {}, { "index.js": 'module.exports="p"' }),
    },
  },
  {
    name: "a worker that is an ES module",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import {Worker} from "node:worker_threads"; new Worker(new URL("./w.mjs",import.meta.url)).on("message",m=>console.log(m)).on("exit",c=>console.log("exit",c))',
      "w.mjs":
        'import {parentPort} from "node:worker_threads"; import {l} from "./lib.mjs"; import c from "./c.cjs"; parentPort.postMessage([import.meta.url,l,c])',
      "lib.mjs": 'export const l="lib"',
      "c.cjs": 'module.exports="c"',
    },
  },
  {
    name: "a worker of the same file",
    files: {
      "main.js":
        'const {Worker,isMainThread,parentPort}=require("worker_threads"); if(isMainThread) new Worker(__filename).on("message",m=>console.log(m)); else parentPort.postMessage(require("./a"))',
      "a.js": "module.exports=__filename",
    },
  },
  {
    name: "an ES worker of the same file",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import {Worker,isMainThread,parentPort} from "node:worker_threads"; import {a} from "./a.mjs"; if(isMainThread) new Worker(new URL(import.meta.url)).on("message",m=>console.log(m)); else parentPort.postMessage([a,import.meta.url])',
      "a.mjs": "export const a=import.meta.url",
    },
  },
  {
    name: "a worker made of text",
    files: {
      "main.js":
        'const {Worker}=require("worker_threads"); new Worker("require(\\"worker_threads\\").parentPort.postMessage(1+1)",{eval:true}).on("message",m=>console.log(m))',
    },
  },
  {
    name: "a module in the main thread and as a worker",
    files: {
      "main.js":
        'const {Worker}=require("worker_threads"); console.log(require("./w").shared===require("./w").shared); new Worker(require.resolve("./w")).on("message",m=>console.log(m))',
      "w.js":
        'const t=require("worker_threads"); exports.shared={}; if(!t.isMainThread) t.parentPort.postMessage("in worker "+require("./x"))',
      "x.js": "module.exports=5",
    },
  },
  {
    name: "fork",
    files: {
      "main.js":
        'const {fork}=require("child_process"); fork(__dirname+"/child.js",["x"]).on("message",m=>console.log(m)).on("exit",c=>console.log("exit",c))',
      "child.js": 'process.send([process.argv.slice(1), require("./a"), require.main===module]); process.disconnect()',
      "a.js": 'module.exports="a"',
    },
  },
  {
    name: "fork of itself",
    files: {
      "main.js":
        'const {fork}=require("child_process"); if(process.argv[2]==="child"){console.log("child",require("./a"))}else{console.log("parent");fork(process.argv[1],["child"])}',
      "a.js": 'module.exports="a"',
    },
  },
  {
    name: "node as a child process",
    files: {
      "main.js":
        'const {execFileSync}=require("child_process"); process.stdout.write(execFileSync(process.execPath,[require.resolve("./child")]))',
      "child.js": 'console.log("child", require("./a"))',
      "a.js": 'module.exports="a"',
    },
  },
  {
    name: "cluster",
    files: {
      "main.js":
        'const c=require("cluster"); if(c.isPrimary){c.fork().on("message",m=>console.log(m)).on("exit",x=>console.log("exit",x))}else{process.send(require("./a")); process.disconnect()}',
      "a.js": 'module.exports="a"',
    },
  },

  // -- what only many steps, or a convention, give away
  {
    name: "a path through many names",
    files: {
      "main.js": 'console.log(require("p"))',
      ...pkg(
        "p",
        { main: "lib/index.js" },
        {
          "lib/index.js": `function load(){return require(require("path").join(p60,"data.json"))} ${Array.from({ length: 61 }, (_, i) => `var p${i}=${i === 0 ? 'require("path").join(__dirname,"..")' : `p${i - 1}`};`).join("")} module.exports=load()`,
          "data.json": '{"a":1}',
        },
      ),
    },
  },
  {
    name: "process.getBuiltinModule, and a name that is Node.js's only outside of a polyfill",
    entry: "main.mjs",
    since: 22,
    files: {
      "main.mjs":
        'function polyfill(){var globalThis=null;var process=globalThis&&globalThis.process;return process} polyfill(); const require=process.getBuiltinModule("module").createRequire(import.meta.url); console.log(require("./a.cjs"), globalThis.process.getBuiltinModule("fs").readFileSync(new URL("./d.txt",import.meta.url),"utf8"))',
      "a.cjs": "module.exports=1",
      "d.txt": "text",
    },
  },
  {
    name: "a require function of a place that only a run knows",
    files: {
      "main.js": 'console.log(require("loader")("yaml"))',
      ...pkg(
        "loader",
        {},
        {
          "index.js":
            'const {createRequire}=require("module");const path=require("path");module.exports=n=>{const r=createRequire(path.join(process.cwd(),"package.json"));return n==="yaml"?r("yaml").name:r("nothing")}',
        },
      ),
      ...pkg("yaml", {}, { "index.js": 'exports.name="yaml"' }),
    },
  },
  {
    name: "a driver that a package loads by the name it is given",
    files: {
      "package.json": '{"name":"app","dependencies":{"orm":"1","driver":"1"}}',
      "main.js": 'console.log(require("orm").open({type:"drv"}))',
      ...pkg(
        "orm",
        { peerDependencies: { driver: "*", other: "*" } },
        {
          "index.js": 'const names={drv:"driver",oth:"other"}; exports.open=o=>require(names[o.type].slice(0))',
        },
      ),
      ...pkg("driver", {}, { "index.js": 'module.exports="the driver"' }),
    },
  },
  {
    name: "a module that a computed import names in a field",
    entry: "main.mjs",
    files: {
      "main.mjs": 'import {run} from "p"; console.log(await run())',
      ...pkg(
        "p",
        { type: "module", exports: "./lib/index.js" },
        {
          "lib/index.js":
            'class Options{static src="./work.js"} export const run=async()=>(await import(Options.src)).default',
          "lib/work.js": 'export default "worked"',
        },
      ),
    },
  },
  {
    name: "data beside the code that knows its place",
    files: {
      "main.js": 'console.log(require("p").read("de"))',
      ...pkg(
        "p",
        {},
        {
          "lib/index.js":
            'const fs=require("fs");const all=new Map([["de","words.de.txt"]]);const host={me:()=>__filename};const dir=f=>f.slice(0,f.lastIndexOf("/"));exports.read=n=>fs.readFileSync(dir(host.me())+"/"+all.get(n),"utf8")',
          "lib/words.de.txt": "Wort",
          "package.json": '{"name":"p","main":"lib/index.js"}',
        },
      ),
    },
  },
  {
    name: "modules in a list of relative names",
    files: {
      "main.js": 'console.log(["./lib/a","./lib/b.js"].map(n=>require(n)))',
      "lib/a.js": "module.exports=1",
      "lib/b.js": "module.exports=2",
    },
  },
  {
    name: "configuration that a package looks for",
    files: {
      "package.json": '{"name":"app","dependencies":{"tool":"1","plugin":"1"},"tool":{"commands":"./commands"}}',
      "main.js": 'console.log(require("tool").load(process.cwd()))',
      "tool.config.js": "module.exports={plugins:{plugin:{x:1}}}",
      ".toolrc.json": '{"rc":true}',
      "commands/hello.js": 'module.exports="hello"',
      ...pkg(
        "tool",
        {},
        {
          "index.js": `const fs=require("fs"),path=require("path");const name="tool";exports.load=d=>{const config=require(path.join(d,name+".config.js"));const rc=fs.readFileSync(path.join(d,"."+name+"rc.json"),"utf8");const {commands}=JSON.parse(fs.readFileSync(path.join(d,"package.json"),"utf8"))[name];const r=require("module").createRequire(path.join(d,"x.js"));return [Object.keys(config.plugins).map(p=>r(p)),rc,fs.readdirSync(path.join(d,commands)).map(f=>require(path.join(d,commands,f)))]}`,
        },
      ),
      ...pkg("plugin", {}, { "index.js": 'module.exports="plugin"' }),
    },
  },

  {
    name: "imports by URL of what a folder holds",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import {readdir} from "node:fs/promises";import path from "node:path";import {pathToFileURL} from "node:url";for(const file of (await readdir(path.join(import.meta.dirname,"commands"))).sort()){const c=await import(pathToFileURL(path.join(import.meta.dirname,"commands",file)).href);console.log(file,c.default())}',
      "commands/a.js": 'import {s} from "../s.mjs"; export default ()=>s',
      "commands/b.mjs": "export default ()=>2",
      "commands/package.json": '{"type":"module"}',
      "s.mjs": 'export const s="s"',
    },
    since: 22,
  },
  {
    name: "globs, from the working directory and from the code",
    files: {
      "main.js":
        'const fs=require("fs"),path=require("path");const glob=(p,cwd)=>{const d=path.join(cwd,p.split("*")[0]);return fs.existsSync(d)?fs.readdirSync(d).map(f=>require(path.join(d,f))):[]};console.log(glob("lib/jobs/*.js",process.cwd()),require("./sub/s")(glob))',
      "lib/jobs/a.js": 'module.exports="a"+require("../../x")',
      "lib/jobs/b.js": 'module.exports="b"',
      "sub/s.js": 'module.exports=glob=>glob("handlers/*.js",__dirname)',
      "sub/handlers/h.js": 'module.exports="h"',
      "x.js": 'module.exports="x"',
    },
  },
  {
    name: "comments that a tool reads",
    files: {
      "main.js":
        '/** @api in the entry */\nconst fs=require("fs"),path=require("path");const read=f=>fs.readFileSync(f,"utf8").match(/\\/\\*\\* @api.*?\\*\\//g);console.log(read(`${__dirname}/main.js`),read("./routes/a.js"),require("./routes/a"))',
      "routes/a.js": "/** @api of a */\nmodule.exports=1",
    },
  },
  {
    name: "a worker in a folder that a package is given",
    files: {
      "main.js": 'require("runner")(require("path").join(__dirname,"jobs"))',
      "jobs/a.js": 'require("worker_threads").parentPort.postMessage(require("dep"))',
      ...pkg(
        "runner",
        {},
        {
          "index.js":
            'const fs=require("fs"),path=require("path"),{Worker}=require("worker_threads");const start=file=>new Worker(file).on("message",m=>console.log(m));module.exports=folder=>fs.readdirSync(folder).forEach(f=>start(path.resolve(folder,f)))',
        },
      ),
      ...pkg("dep", {}, { "index.js": 'module.exports="dep"' }),
    },
  },
  {
    name: "folders that are listed where the own folder is handed out",
    files: {
      "main.js":
        'class App extends require("boots"){constructor(){super();this.root=__dirname;this.options={parts:{dirs:["controllers"],extensions:[".controller.js"]}}}};new App().boot()',
      "controllers/a.controller.js": 'module.exports="a, with "+require("dep")',
      ...pkg(
        "boots",
        {},
        {
          "index.js":
            'const fs=require("fs"),path=require("path");module.exports=class{boot(){const {dirs,extensions:[end]}=this.options.parts;for(const dir of dirs)for(const name of fs.readdirSync(path.join(this.root,dir)))if(name.endsWith(end))console.log(require(path.resolve(this.root,dir,name)))}}',
        },
      ),
      ...pkg("dep", {}, { "index.js": 'module.exports="dep"' }),
    },
  },
  {
    name: "a package that gives its folder to another one",
    files: {
      "main.js": 'console.log(require("giver"))',
      ...pkg(
        "giver",
        {},
        {
          "index.js":
            'const wrapped=m=>({default:m});const texts_1=wrapped(require("texts"));const {say}=require("texts");texts_1.default.setRoot(__dirname);module.exports=say("en")',
          "texts/en/a.json": '{"a":"hello"}',
          "docs/a.md": "left out",
        },
      ),
      ...pkg(
        "texts",
        {},
        {
          "index.js":
            'const fs=require("fs"),path=require("path");let root=process.cwd();exports.setRoot=r=>{if(!fs.statSync(r).isDirectory()||!fs.readdirSync(r).includes("texts"))throw new Error(r);root=r};exports.say=l=>read(root,l);const read=(dir,l)=>{const place=path.join(path.join(dir,"texts"),l);return fs.readdirSync(place).map(f=>fs.readFileSync(path.join(place,f),"utf8"))}',
        },
      ),
    },
  },
  {
    name: "CommonJS on disk that is imported by a computed URL",
    entry: "main.mjs",
    files: {
      "main.mjs":
        'import fs from "node:fs";import {load} from "p";const f=await load("a");console.log(f.default,f.x,fs.readFileSync(new URL("./node_modules/p/formats/a.js",import.meta.url),"utf8").length)',
      ...pkg(
        "p",
        { type: "commonjs" },
        {
          "index.js":
            'const path=require("path");const {pathToFileURL}=require("url");exports.load=n=>import(pathToFileURL(path.resolve(__dirname,"formats",n+".js")).href)',
          "formats/a.js": "exports.x = require('./b'); // read as it is",
          "formats/b.js": "module.exports=2",
        },
      ),
    },
  },

  {
    name: "a package named by the app that another one finds in the hoisted folder of a store",
    entry: "apps/api/main.js",
    files: {
      "apps/api/package.json": '{"name":"api","dependencies":{"web":"1","view":"1"}}',
      "apps/api/main.js": 'console.log(require("web")("view"), require("view"))',
      "apps/api/node_modules/web": "-> ../../../node_modules/.pnpm/web@1.0.0/node_modules/web",
      "apps/api/node_modules/view": "-> ../../../node_modules/.pnpm/view@1.0.0/node_modules/view",
      "node_modules/.pnpm/node_modules/view": "-> ../view@1.0.0/node_modules/view",
      "node_modules/.pnpm/web@1.0.0/node_modules/web/package.json": '{"name":"web","version":"1.0.0"}',
      "node_modules/.pnpm/web@1.0.0/node_modules/web/index.js": "module.exports=n=>require(n)",
      "node_modules/.pnpm/view@1.0.0/node_modules/view/package.json": '{"name":"view","version":"1.0.0"}',
      "node_modules/.pnpm/view@1.0.0/node_modules/view/index.js": 'module.exports="view"',
    },
  },

  {
    name: "what a framework's own output names, and what it looks for in the folder it is given",
    files: {
      "package.json": '{"name":"app","dependencies":{"web":"1"}}',
      "main.js":
        'const path=require("path");const dir=path.join(__dirname);const config={"distDir":"./.out"};require("web").start({dir,config})',
      ".out/package.json": '{"type":"commonjs"}',
      ".out/BUILD_ID": "id",
      ".out/server/page.js": 'module.exports="page"',
      "public/a.txt": "public",
      ...pkg(
        "web",
        {},
        {
          "index.js":
            'const fs=require("fs"),path=require("path");exports.start=({dir,config})=>{const out=path.join(dir,config.distDir);console.log(fs.readFileSync(path.join(out,"BUILD_ID"),"utf8"),require(path.join(out,"server","page.js")),fs.readdirSync(path.join(dir,"public")))}',
        },
      ),
    },
  },

  // -- names in their scopes
  {
    name: "a parameter is not the constant of its name elsewhere",
    files: {
      "main.js": 'console.log(require("p").load(["de", "en"][1]), require("p").name)',
      ...pkg(
        "p",
        {},
        {
          "index.js":
            'function other(){const name="nothing";return name}exports.load=function(name){return require("./lang/"+name)};exports.name=other()',
          "lang/de.js": 'module.exports="de"',
          "lang/en.js": 'module.exports="en"',
        },
      ),
    },
  },
  {
    name: "require and path in a function are not those of the file",
    files: {
      "main.js": 'console.log(require("p"))',
      ...pkg(
        "p",
        {},
        {
          "index.js":
            'const path=require("path");function own(path){const require=n=>n+path;return require("x")}class A{static{var path=1}}try{throw 2}catch(path){}for(const path of [3]);module.exports=[own("y"),require("./a"),require("fs").readFileSync(path.join(__dirname,"a.txt"),"utf8")]',
          "a.js": "module.exports=1",
          "a.txt": "text",
        },
      ),
    },
  },
  {
    name: "a computed name in exports and imports of package.json",
    files: {
      "package.json":
        '{"name":"app","type":"module","exports":{"./own/*":"./lib/*.js"},"imports":{"#in/*":"./lib/*.js"}}',
      "main.js":
        'const x=process.argv[2]??"a";for(const n of [x,"b"])for(const f of [()=>import(`p/x/${n}`),()=>import(`app/own/${n}`),()=>import(`#in/${n}2`),()=>import(`q/${n}.js`)])await f().then(m=>console.log(m.default),e=>console.log(e.message))',
      "lib/a.js": 'export default "own a"',
      "lib/b.js": 'export default "own b"',
      "lib/a2.js": 'export default "inner a"',
      ...pkg(
        "p",
        { type: "module", exports: { "./x/*": { import: "./dist/*.js" } } },
        { "dist/a.js": 'export default "p a"' },
      ),
      ...pkg("q", { type: "module" }, { "a.js": 'export default "q a"', "b.js": 'export default "q b"' }),
    },
    since: 22,
  },
  {
    name: "a computed name of which a part is the environment's, or a default that is not there",
    files: {
      "main.js":
        'const at=process.env.NODE_ENV||"development";let other="none";if(process.env.NODE_ENV)other=process.env.NODE_ENV;console.log(require(`./env/a-${at}.json`),require("./env/b-"+other))',
      "env/a-production.json": '"a"',
      "env/b-production.js": 'module.exports="b"',
    },
  },
  {
    name: "a handler of its own for an extension",
    files: {
      "main.js":
        'require.extensions[".sql"]=(m,f)=>{m.exports=require("fs").readFileSync(f,"utf8")};console.log(require("./a.sql"),require("./b.sql"))',
      "a.sql": "select 1 from a; -- ?",
      "b.sql": "b",
    },
  },
  {
    name: "a script that someone else starts by its name in a list, or in a command",
    files: {
      "main.js":
        'const start=({command,args})=>require("child_process").spawnSync(command,args,{encoding:"utf8"}).stdout;console.log(start({command:process.execPath,args:["child.mjs"]}),require("child_process").spawnSync("node",["second.js"],{encoding:"utf8",env:{PATH:"/usr/local/bin"}}).stdout)',
      "child.mjs": 'console.log("child")',
      "second.js": 'console.log("second")',
    },
  },
  {
    name: "a file of a package by its path from the working directory",
    files: {
      "main.js":
        'const read=o=>require("fs").readFileSync(o.file,"utf8");console.log(read({file:"node_modules/p/font.txt"}))',
      ...pkg("p", {}, { "font.txt": "font", "other.txt": "not asked for" }),
    },
  },
  {
    name: "var, functions and assignments reach where they are in force",
    files: {
      "main.js": 'console.log(require("p"))',
      ...pkg(
        "p",
        {},
        {
          "index.js": `const fs=require("fs");let later;{var hoisted=__dirname+"/var.txt";function inner(){return __dirname+"/inner.txt"}}
(function(){later=__dirname+"/later.txt";global_=__dirname+"/global.txt"})();
const {a:{join},sep="-"}={a:require("path")};const {posix:{resolve}}=require("path");
const self=function again(n){return n?again(n-1):fs.readFileSync(resolve(__dirname,"self.txt"),"utf8")};
module.exports=[hoisted,inner(),later,global_].map(f=>fs.readFileSync(f,"utf8")).concat(self(1),join("a",sep))`,
          "var.txt": "var",
          "inner.txt": "inner",
          "later.txt": "later",
          "global.txt": "global",
          "self.txt": "self",
        },
      ),
    },
  },
];
