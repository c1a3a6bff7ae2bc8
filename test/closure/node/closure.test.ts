import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import type { NodeProject } from "../../../src/closure/node/index.ts";
import { withFolder } from "../../support/image-run.ts";
import { closureOf, type Files, writeFiles } from "../../support/node-app.ts";

const node24 = { node: "24.21.0", platform: { os: "linux", architecture: "amd64" } };

function build(files: Files, entry = "main.js", more: Partial<NodeProject> = {}) {
  return withFolder(async (folder) => {
    writeFiles(folder, { "package.json": '{"name":"app"}', ...files });
    const closure = await closureOf(folder, entry, { target: node24, ...more });
    const paths = closure.entries.map(({ entry }) => entry.path);
    const bundle = closure.entries.find(({ modules }) => modules !== undefined);
    return { closure, paths, inside: bundle?.modules?.map((module) => module.path) ?? [], bundle };
  });
}

async function failure(files: Files, entry = "main.js", more: Partial<NodeProject> = {}): Promise<SlimError> {
  try {
    await build(files, entry, more);
  } catch (error) {
    if (error instanceof SlimError) return error;
    throw error;
  }
  throw new Error("was expected to fail");
}

test("a module that nothing asks for is not there", async (t) => {
  const { paths, inside } = await build({ "main.js": 'require("./a")', "a.js": "", "b.js": "", "README.md": "" });
  t.deepEqual(paths, ["/app/.main.pack", "/app/main.js", "/app/package.json"]);
  t.deepEqual(inside, ["/app/main.js", "/app/a.js"]);
});

test("a require of anything in the project's own folder is said, not guessed", async (t) => {
  const { closure, inside } = await build({
    "main.js": 'for (const f of process.argv) require(__dirname + "/" + f)',
    "jest.config.js": 'require("jest")',
  });
  t.deepEqual(inside, ["/app/main.js"]);
  t.like(closure.diagnostics[0], { code: "unknown-require", severity: "warning", file: "main.js", line: 1 });
});

test("a name means what is in force where it is used, not what has the name elsewhere", async (t) => {
  const { closure } = await build({
    "main.js":
      'const { exec } = require("child_process"); const f = () => { const x = "nonsense"; return x }; f((x) => exec(x))',
  });
  t.deepEqual(closure.diagnostics, []);
});

test("a media type is not a glob", async (t) => {
  const { closure, paths } = await build({ "main.js": 'console.log({ accept: "*/*" })', "other/a.txt": "" });
  t.deepEqual(paths, ["/app/.main.pack", "/app/main.js", "/app/package.json"]);
  t.deepEqual(closure.diagnostics, []);
});

test("what only a tool's configuration lacks is a warning", async (t) => {
  const { closure, paths } = await build({
    "package.json": '{"name":"app","dependencies":{"tool":"1"}}',
    "main.js": 'require("tool")',
    "tool.config.js": '\nmodule.exports = require("not-installed")',
    "node_modules/tool/package.json": '{"name":"tool","version":"1.0.0"}',
    "node_modules/tool/index.js": "",
  });
  t.true(paths.includes("/app/tool.config.js"));
  t.like(
    closure.diagnostics.find(({ code }) => code === "unresolved-import"),
    { severity: "warning", file: "tool.config.js", line: 2 },
  );
});

test("reasons name file and line", async (t) => {
  const { bundle, closure } = await build({
    "main.js": '\n\nrequire("./a");\nrequire("fs").readFileSync(__dirname + "/d.txt")',
    "a.js": "",
    "d.txt": "x",
  });
  t.like(bundle?.modules?.find(({ path }) => path === "/app/a.js")?.reasons[0], {
    kind: "require",
    from: "/app/main.js",
    file: "main.js",
    line: 3,
    what: "./a",
  });
  t.like(closure.entries.find(({ entry }) => entry.path === "/app/d.txt")?.reasons[0], {
    kind: "asset",
    file: "main.js",
    line: 4,
  });
});

test("components have purls", async (t) => {
  const { closure } = await build(
    {
      "main.js": 'require("@s/p")',
      "node_modules/@s/p/package.json": '{"name":"@s/p","version":"1.2.3","license":"MIT"}',
      "node_modules/@s/p/index.js": "",
    },
    "main.js",
    { version: "0.1.0" },
  );
  t.deepEqual(closure.components, [
    { purl: "pkg:npm/%40s/p@1.2.3", name: "@s/p", version: "1.2.3", license: "MIT" },
    { purl: "pkg:npm/app@0.1.0", name: "app", version: "0.1.0" },
  ]);
});

test("an import that is not there is an error with its place", async (t) => {
  const error = await failure({ "main.js": '// x\nconst a = 1, b = require("./no");' });
  t.like(error, { code: "CLOSURE", where: "main.js:2:18" });
  t.like(await failure({ "main.mjs": 'import x from "nope"' }, "main.mjs"), {
    code: "CLOSURE",
    where: "main.mjs:1:1",
    hint: "npm install nope",
  });
});

test("a name in another case is an error that says so", async (t) => {
  const error = await failure({ "main.js": 'require("./Lib")', "lib.js": "" });
  t.is(error.code, "CLOSURE");
  t.regex(error.message, /only in case: it is lib\.js/);
});

test("what is guarded, or optional in a package, is left to fail when it runs", async (t) => {
  const { closure } = await build({
    "main.js": 'try { require("nope") } catch {} require("p")',
    "node_modules/p/package.json": '{"name":"p"}',
    "node_modules/p/index.js": 'exports.f = () => require("peer")',
  });
  t.deepEqual(
    closure.diagnostics.filter(({ severity }) => severity !== "info").map(({ code }) => code),
    ["undeclared-import"],
  );
});

test("code that does not parse is an error with its line", async (t) => {
  t.like(await failure({ "main.js": 'require("./a")', "a.js": "const x = 1;\nlet = = 2;" }), {
    code: "SYNTAX",
    where: "a.js:2:7",
  });
  t.like(await failure({ "main.ts": "const x: = 2;" }, "main.ts"), { code: "SYNTAX", where: "main.ts:1:10" });
});

test("hidden dependencies are said", async (t) => {
  const { closure } = await build({
    "main.js":
      'require("p");\nrequire("child_process").execSync("jq . x.json");\nconst n = process.argv[2]; require(n);\nconst { spawn } = require("node:child_process"); spawn("ffmpeg", []);',
    "node_modules/p/package.json": '{"name":"p"}',
    "node_modules/p/index.js": "",
  });
  t.deepEqual(
    closure.diagnostics.map(({ code, file, line, severity }) => [code, `${file}:${line}`, severity]),
    [
      ["undeclared-import", "main.js:1", "warning"],
      ["missing-program", "main.js:2", "warning"],
      ["unknown-require", "main.js:3", "warning"],
      ["missing-program", "main.js:4", "warning"],
    ],
  );
});

test("a secret that the code reads is an error that names the place", async (t) => {
  for (const name of [".env", ".env.production", "id_rsa", ".npmrc", "certs/server.pem", ".git/config"]) {
    const files = {
      "main.js": `\nrequire("fs").readFileSync(__dirname + "/${name}")`,
      [name]: "-----BEGIN PRIVATE KEY-----\n",
    };
    const error = await failure(files);
    t.like(error, { code: "CREDENTIAL", where: "main.js:2" }, name);
    const { paths } = await build(files, "main.js", { include: [name] });
    t.true(paths.includes(`/app/${name}`), name);
  }
});

test("a secret among files that are taken together stays out, and that is said", async (t) => {
  const files = {
    "main.js": 'require("fs").readdirSync(__dirname + "/conf")',
    "conf/a.json": "{}",
    "conf/.env": "X=1",
    "conf/key.pem": "-----BEGIN RSA PRIVATE KEY-----",
    "conf/ca.pem": "-----BEGIN CERTIFICATE-----",
  };
  const { paths, closure } = await build(files, "main.js", { include: ["conf/**"] });
  t.deepEqual(paths, ["/app/.main.pack", "/app/conf/a.json", "/app/conf/ca.pem", "/app/main.js", "/app/package.json"]);
  t.is(closure.diagnostics.filter(({ code }) => code === "credential-left-out").length >= 2, true);
});

test("an excluded package that is needed is an error, an external one is whole", async (t) => {
  const files = {
    "main.js": 'require("p")',
    "node_modules/p/package.json": '{"name":"p"}',
    "node_modules/p/index.js": "",
    "node_modules/p/data/x.bin": "x",
  };
  t.like(await failure(files, "main.js", { exclude: ["p"] }), { code: "CLOSURE", where: "main.js:1" });
  const { paths, inside } = await build(files, "main.js", { external: ["p"] });
  t.deepEqual(
    paths.filter((name) => name.includes("node_modules")),
    ["data/x.bin", "index.js", "package.json"].map((name) => `/app/node_modules/p/${name}`),
  );
  t.deepEqual(inside, ["/app/main.js"]);
});

test("the target decides: conditions and addons", async (t) => {
  const elf = (machine: number, text = "") =>
    `\u007fELF\u0002\u0001\u0001${"\0".repeat(11)}${String.fromCharCode(machine)}\0${text}`;
  const files: Files = {
    "main.js": 'require("p"); require("n")',
    "node_modules/p/package.json": '{"name":"p","exports":{"module-sync":"./s.mjs","default":"./d.js"}}',
    "node_modules/p/s.mjs": "",
    "node_modules/p/d.js": "",
    "node_modules/n/package.json": '{"name":"n","version":"1.0.0"}',
    "node_modules/n/index.js":
      'const path = require("path"); exports.load = (x) => x ? require("./prebuilds/linux-x64/n.musl.node") : require(path.join(__dirname, "prebuilds", x, "n.node"))',
    "node_modules/n/prebuilds/linux-x64/n.glibc.node": elf(62),
    "node_modules/n/prebuilds/linux-x64/n.musl.node": elf(62, "libc.musl-x86_64.so.1"),
    "node_modules/n/prebuilds/linux-x64/n.abi127.glibc.node": elf(62, "napi_register_module_v1"),
    "node_modules/n/prebuilds/darwin-x64/n.node": "mach-o",
    "node_modules/n/prebuilds/win32-x64/n.node": "MZ",
  };
  const new24 = await build(files);
  t.true(new24.inside.includes("/app/node_modules/p/s.mjs"));
  const addons = (paths: readonly string[]) => paths.filter((name) => name.endsWith(".node"));
  t.deepEqual(addons(new24.paths), ["/app/node_modules/n/prebuilds/linux-x64/n.glibc.node"]);
  const old = await build(files, "main.js", { target: { ...node24, node: "18.20.0" } });
  t.true(old.inside.includes("/app/node_modules/p/d.js"));
});

test("the same project gives the same bytes", async (t) => {
  const files = {
    "main.js": 'require("./b"); require("./a"); new (require("worker_threads").Worker)(__dirname + "/w.js")',
    "a.js": "",
    "b.js": "// é\nexports.x = 'é'",
    "w.js": 'require("./a")',
  };
  const digests = async () =>
    (await build(files)).closure.entries.map(({ entry }) => (entry.type === "file" ? entry.content.digest : ""));
  t.deepEqual(await digests(), await digests());
});

test("an import() without the extension is not a question of case", async (t) => {
  const { closure } = await build({
    "package.json": '{"name":"app","dependencies":{"p":"1"}}',
    "main.js": 'require("p")',
    "node_modules/p/package.json": '{"name":"p"}',
    "node_modules/p/index.js": 'exports.load = () => import("./globals")',
    "node_modules/p/globals.js": "",
  });
  t.deepEqual(
    closure.diagnostics.map(({ code, severity }) => `${severity} ${code}`),
    ["info unresolved-import"],
  );
});

test("a link that leaves the project is refused", async (t) => {
  await withFolder(async (outside) => {
    writeFiles(outside, { "index.js": "", "package.json": '{"name":"p"}' });
    t.like(await failure({ "main.js": 'require("p")', "node_modules/p": `-> ${outside}` }), {
      code: "CLOSURE",
      where: "main.js:1",
    });
  });
});

test("the bundle is ASCII and one file", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, { "package.json": "{}", "main.js": 'console.log("é*/")' });
    const { entries } = await closureOf(folder, "main.js", { target: node24 });
    const main = entries.find(({ entry }) => entry.path === "/app/main.js");
    const chunks: Uint8Array[] = [];
    if (main?.entry.type === "file") for await (const chunk of main.entry.content.open()) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("latin1");
    t.regex(text, /^[^\x80-\xff]*$/);
    t.is(readFileSync(path.join(folder, "main.js"), "utf8").length > 0, true);
  });
});

test("a package that is not declared is said once, at the first import", async (t) => {
  const { closure } = await build({
    "main.js": 'require("p"); require("./a"); require("./b");',
    "a.js": 'require("p")',
    "b.js": 'require("q")',
    "node_modules/p/package.json": '{"name":"p"}',
    "node_modules/p/index.js": 'require("q")',
    "node_modules/q/package.json": '{"name":"q"}',
    "node_modules/q/index.js": "",
  });
  t.deepEqual(
    closure.diagnostics.map(({ code, file, message }) => [code, file, message.split(" ")[0]]),
    [
      ["undeclared-import", "main.js", "p"],
      ["undeclared-import", "b.js", "q"],
    ],
  );
});
