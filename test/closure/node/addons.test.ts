import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import type { NodeProject } from "../../../src/closure/node/index.ts";
import { buildElf } from "../../support/elf-builder.ts";
import { withFolder } from "../../support/image-run.ts";
import { closureOf, type Files, writeFiles } from "../../support/node-app.ts";

const linux = (architecture: string, node = "24.21.0") => ({ node, platform: { os: "linux", architecture } });

/** An ELF file that says for what it is, as text that survives being written as UTF-8. */
function addon(machine: number, text = ""): string {
  return `\u007fELF\u0002\u0001\u0001${"\0".repeat(11)}${String.fromCharCode(machine)}\0${text}`;
}
const x64 = 62;
const napi = "napi_register_module_v1\0";

async function trace(files: Files, more: Partial<NodeProject> = {}) {
  return withFolder(async (folder) => {
    writeFiles(folder, { "package.json": '{"name":"app","dependencies":{"n":"1.0.0","u":"1.0.0"}}', ...files });
    const { entries, diagnostics } = await closureOf(folder, "main.js", { target: linux("arm64"), ...more });
    const addons = entries.map(({ entry }) => entry.path).filter((name) => name.endsWith(".node"));
    return { addons, diagnostics: diagnostics.filter(({ severity }) => severity !== "info") };
  });
}

async function failure(files: Files, more: Partial<NodeProject> = {}): Promise<SlimError> {
  try {
    const { addons } = await trace(files, more);
    throw new Error(`was expected to fail, and has ${addons.join(", ")}`);
  } catch (error) {
    if (error instanceof SlimError) return error;
    throw error;
  }
}

/** A package whose addon was compiled here, for x64. */
const compiled: Files = {
  "node_modules/n/package.json": '{"name":"n","version":"1.0.0","gypfile":true}',
  "node_modules/n/index.js": 'module.exports = require("bindings")("n")',
  "node_modules/n/build/Release/n.node": addon(x64, napi),
  "node_modules/bindings/index.js": "",
};

test("an addon for another processor is an error that names the package and the ways out", async (t) => {
  const error = await failure({ ...compiled, "main.js": '\nrequire("n")' });
  t.is(error.code, "CLOSURE");
  t.is(error.message, "n has no addon for linux arm64: build/Release/n.node is for x64");
  t.is(error.where, "main.js:2");
  t.regex(error.hint ?? "", /npm install --os linux --cpu arm64 --libc glibc.*prebuilt.*--exclude n/);
  const here = await trace({ ...compiled, "main.js": 'require("n")' }, { target: linux("amd64") });
  t.deepEqual(here.addons, ["/app/node_modules/n/build/Release/n.node"]);
});

test("it is one too behind packages and functions, and in a worker", async (t) => {
  const user = { "node_modules/u/package.json": '{"name":"u"}', "node_modules/u/index.js": 'require("n")' };
  t.is((await failure({ ...compiled, ...user, "main.js": 'require("u")' })).where, "node_modules/u/index.js:1");
  const late = 'exports.f = () => require("n")';
  t.is((await failure({ ...compiled, "main.js": late })).where, "main.js:1");
  const worker = 'new (require("worker_threads").Worker)(__dirname + "/w.js")';
  t.is((await failure({ ...compiled, "main.js": worker, "w.js": 'require("n")' })).where, "w.js:1");
});

test("an addon that is loaded in a try block may be missing, and that is said", async (t) => {
  const { addons, diagnostics } = await trace({ ...compiled, "main.js": 'try { require("n") } catch {}' });
  t.deepEqual(addons, []);
  t.like(diagnostics, [{ code: "foreign-addon", severity: "warning", file: "main.js", line: 1 }]);
});

test("a package that falls back by itself may be without its addon, one that throws then may not", async (t) => {
  const main = { ...compiled, "main.js": 'require("n")' };
  const ready = 'try { module.exports = require("gyp")(__dirname) } catch { module.exports = require("./fallback") }';
  const fallback = { "node_modules/n/index.js": ready, "node_modules/n/fallback.js": "" };
  const { diagnostics } = await trace({ ...main, ...fallback });
  t.like(diagnostics, [{ code: "foreign-addon" }]);
  const collects = 'let e; try { module.exports = require("gyp")(__dirname) } catch (x) { e = x } if (e) throw e';
  t.is((await failure({ ...main, "node_modules/n/index.js": collects })).where, "main.js:1");
});

test("what is excluded where the code is ready for it is not spoken of", async (t) => {
  const guarded = { ...compiled, "main.js": 'try { require("n") } catch {}' };
  t.deepEqual((await trace(guarded, { exclude: ["n"] })).diagnostics, []);
  const needed = await failure({ ...compiled, "main.js": 'require("n")' }, { exclude: ["n"] });
  t.regex(needed.message, /is excluded and needed/);
});

test("of several prebuilt ones the target's is taken and the others are left out", async (t) => {
  const prebuilds = {
    "node_modules/n/prebuilds/linux-x64/n.node": addon(x64, napi),
    "node_modules/n/prebuilds/linux-s390x/n.glibc.node": addon(22, napi),
    "node_modules/n/prebuilds/linux-s390x/n.musl.node": addon(22, `${napi}libc.musl-s390x.so.1`),
    "node_modules/n/prebuilds/darwin-arm64/n.node": "mach-o",
  };
  const files = { ...compiled, ...prebuilds, "main.js": 'require("n")' };
  const { addons, diagnostics } = await trace(files, { target: linux("s390x") });
  t.deepEqual(addons, ["/app/node_modules/n/prebuilds/linux-s390x/n.glibc.node"]);
  t.deepEqual(diagnostics, []);
});

test("a package that is shipped whole is so without what is for other machines", async (t) => {
  const files = { ...compiled, "node_modules/n/prebuilds/darwin-arm64/n.node": "mach-o", "main.js": 'require("n")' };
  const { addons } = await trace(files, { target: linux("amd64"), external: ["n"] });
  t.deepEqual(addons, ["/app/node_modules/n/build/Release/n.node"]);
});

test("an addon of the app itself, by its path", async (t) => {
  const main = { "main.js": 'require("./build/Release/own.node")', "build/Release/own.node": addon(x64, napi) };
  const error = await failure(main);
  t.is(error.message, "build/Release/own.node is for x64, and the image is for linux arm64");
  t.is(error.where, "main.js:1");
  const guarded = { ...main, "main.js": 'try { require("./build/Release/own.node") } catch {}' };
  t.like((await trace(guarded)).diagnostics, [{ code: "foreign-addon", line: 1 }]);
});

test("libraries of the project come with the addons that need them, as the loader finds them", async (t) => {
  const folder = "node_modules/n/lib";
  const files = {
    "main.js": 'require("n")',
    "node_modules/n/package.json": '{"name":"n","gypfile":true}',
    "node_modules/n/index.js": 'module.exports = require("./lib/n.node")',
    [`${folder}/n.node`]: buildElf({ needed: ["libone.so.1", "libc.so.6"], runpath: "$ORIGIN/" }),
    [`${folder}/libone.so.1`]: "-> libone.so.1.2",
    [`${folder}/libone.so.1.2`]: buildElf({ soname: "libone.so.1", needed: ["libtwo.so"], rpath: "$ORIGIN/../deps" }),
    [`${folder}/libc.so.6`]: buildElf({ soname: "libc.so.6" }),
    "node_modules/n/deps/libtwo.so": buildElf({ soname: "libtwo.so" }),
    "node_modules/n/deps/libthree.so": buildElf({ soname: "libthree.so" }),
  };
  await withFolder(async (root) => {
    writeFiles(root, { "package.json": '{"name":"app"}', ...files });
    const { entries } = await closureOf(root, "main.js", { target: linux("amd64") });
    const libraries = entries.filter(({ entry }) => entry.path.includes(".so"));
    t.deepEqual(
      libraries.map(({ entry, reasons }) => [entry.path, entry.type, reasons.map(({ kind, from }) => [kind, from])]),
      [
        ["/app/node_modules/n/deps/libtwo.so", "file", [["DT_NEEDED", "/app/node_modules/n/lib/libone.so.1.2"]]],
        ["/app/node_modules/n/lib/libone.so.1", "file", [["DT_NEEDED", "/app/node_modules/n/lib/n.node"]]],
      ],
    );
  });
});

test("an addon for another system, C library or ABI of Node.js is an error that says which", async (t) => {
  const why = async (file: string, text: string, more: Files = {}) => {
    const files = { ...compiled, "main.js": 'require("n")', "node_modules/n/build/Release/n.node": "", ...more };
    const { "node_modules/n/build/Release/n.node": _, ...others } = files;
    const error = await failure({ ...others, [`node_modules/n/${file}`]: text }, { target: linux("amd64") });
    return error.message.replace("n has no addon for linux x64: ", "");
  };
  t.is(await why("build/Release/n.node", "\u00cf\u00fa mach-o"), "build/Release/n.node is not for Linux");
  t.is(await why("prebuilds/win32-x64/n.node", "MZ"), "prebuilds/win32-x64/n.node is for win32");
  t.is(await why("build/Release/n.node", addon(x64, "libc.musl-x86_64.so.1")), "build/Release/n.node is for musl");
  t.is(await why("build/Release/n.node", addon(x64, "\0libc.so\0")), "build/Release/n.node is for musl");
  t.is(
    await why("build/Release/n.node", addon(x64, "node_register_module_v115\0")),
    "build/Release/n.node is built for Node.js 20 (ABI 115, not 137)",
  );
  t.is(
    await why("build/Release/n.node", addon(x64, "node_module_register\0"), {
      "node_modules/n/build/config.gypi": '{ "variables": { "node_module_version": 127 } }',
    }),
    "build/Release/n.node is built for Node.js 22 (ABI 127, not 137)",
  );
  t.is(
    await why("lib/binding/node-v108-linux-x64/n.node", addon(x64)),
    "lib/binding/node-v108-linux-x64/n.node is built for Node.js 18 (ABI 108, not 137)",
  );
});

test("what an addon was built for does not matter with Node-API", async (t) => {
  const both = addon(x64, `node_register_module_v115\0${napi}`);
  const files = { ...compiled, "main.js": 'require("n")', "node_modules/n/build/Release/n.node": both };
  t.is((await trace(files, { target: linux("amd64") })).addons.length, 1);
});

test("carriers that are all for other machines are an error, where the loader throws", async (t) => {
  const files = (os: string, loader: string): Files => ({
    "main.js": 'require("n")',
    "node_modules/n/package.json": '{"name":"n","optionalDependencies":{"n-here":"^1.0.0"}}',
    "node_modules/n/index.js": loader,
    "node_modules/n-here/package.json": `{"name":"n-here","os":["${os}"],"cpu":["x64"],"main":"n.node"}`,
    "node_modules/n-here/n.node": addon(x64, napi),
  });
  const throws = 'let b; try { b = require("n-here") } catch {} if (!b) throw new Error("none")';
  t.is((await failure(files("linux", throws))).message, "n has no addon for linux arm64");
  t.like((await trace(files("linux", 'try { require("n-here") } catch {}'))).diagnostics, [{ code: "foreign-addon" }]);
});

test("what only an install on another machine has is not there", async (t) => {
  const { addons, diagnostics } = await trace({
    "main.js": 'require("n")',
    "node_modules/n/package.json": '{"name":"n","optionalDependencies":{"n-x64":"1.0.0","n-arm64":"1.0.0"}}',
    "node_modules/n/index.js": `let b; const p = process.env.P; switch (p) {
      case "x64": b = require("n-x64/n.node"); break;
      default: b = require("n-arm64/n.node") }`,
    "node_modules/n-x64/package.json": '{"name":"n-x64","os":["linux"],"cpu":["x64"]}',
    "node_modules/n-x64/n.node": addon(x64, napi),
    "node_modules/n-arm64/package.json":
      '{"name":"n-arm64","os":["linux"],"cpu":["arm64"],"exports":{"./n.node":"./n.js"}}',
    "node_modules/n-arm64/n.js": "",
  });
  t.deepEqual(addons, []);
  t.deepEqual(diagnostics, []);
});
