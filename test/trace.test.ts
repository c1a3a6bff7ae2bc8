import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import test from "ava";
import { readTraced, type TracedFile } from "../src/closure/node/traced.ts";
import { canIsolate } from "./support/image-run.ts";
import { type Files, runBoth, writeFiles } from "./support/node-app.ts";
import { nodeBinary } from "./support/node-versions.ts";
import { workFolder } from "./support/project.ts";
import { checkout, slim, slimBuild } from "./support/slim.ts";

const work = workFolder(test);
/** A name that no reading of the code finds. */
const hidden = (text: string) => `Buffer.from("${Buffer.from(text).toString("base64")}", "base64").toString()`;

/** An app that loads and reads everything by names that it computes. */
const app: Files = {
  "package.json": JSON.stringify({
    name: "app",
    main: "main.js",
    dependencies: { driver: "1.0.0" },
    devDependencies: { tool: "1.0.0" },
  }),
  "main.js": `
    const fs = require("fs");
    const cp = require("child_process");
    const at = (name) => [__dirname, name].join("/");
    module.exports = async () => {
      const out = [require(at(${hidden("plugins/one")}))(), require(${hidden("driver")}).name];
      out.push(fs.readFileSync(at(${hidden("views/a.html")}), "utf8"));
      out.push(await fs.promises.readFile(at(${hidden("views/b.html")}), "utf8"));
      const { Worker } = require("worker_threads");
      out.push(await new Promise((ok) => new Worker(at(${hidden("jobs/w.js")})).once("message", ok)));
      out.push(await new Promise((ok) => cp.fork(at(${hidden("jobs/c.mjs")}), { env: {} }).once("message", ok)));
      out.push((await import(${hidden("./esm.mjs")})).default);
      out.push(JSON.stringify(require(at(${hidden("data.json")}))));
      return out.join(" ");
    };
    if (require.main === module) module.exports().then(console.log);`,
  "plugins/one.js": 'require("./helper"); module.exports = () => "one"',
  "plugins/helper.js": "",
  "plugins/unused.js": "",
  "views/a.html": "A",
  "views/b.html": "B",
  "data.json": '{"a":1}',
  "jobs/w.js": `require("worker_threads").parentPort.postMessage(
    "worker " + require("fs").readFileSync([__dirname, ${hidden("w.txt")}].join("/")))`,
  "jobs/w.txt": "text",
  "jobs/c.mjs": `import { readFileSync } from "node:fs";
    process.send("child " + readFileSync(new URL(${hidden("c.txt")}, import.meta.url)))`,
  "jobs/c.txt": "text",
  "esm.mjs": 'export { default } from "./other.mjs"',
  "other.mjs": 'export default "esm"',
  "node_modules/driver/package.json": '{"name":"driver","version":"1.0.0","main":"lib/main.js"}',
  "node_modules/driver/lib/main.js": 'exports.name = "driver"',
  "node_modules/tool/package.json": '{"name":"tool","version":"1.0.0"}',
  "node_modules/tool/index.js": "",
  "test/all.js": `require("tool"); require("fs").readFileSync(__dirname + "/fixture.txt");
    require("../main.js")().then((text) => { console.log(text); process.exitCode = 7; });`,
  "test/fixture.txt": "",
};

const expected: readonly TracedFile[] = [
  { file: "data.json", how: "load", from: "main.js" },
  { file: "esm.mjs", how: "load", from: "main.js" },
  { file: "jobs/c.mjs", how: "load", from: "main.js" },
  { file: "jobs/c.txt", how: "read", from: "jobs/c.mjs" },
  { file: "jobs/w.js", how: "load", from: "main.js" },
  { file: "jobs/w.txt", how: "read", from: "jobs/w.js" },
  { file: "node_modules/driver/lib/main.js", how: "load", from: "main.js", specifier: "driver" },
  { file: "plugins/one.js", how: "load", from: "main.js" },
  { file: "views/a.html", how: "read", from: "main.js" },
  { file: "views/b.html", how: "read", from: "main.js" },
];

async function traced(name: string, files: Files, command: readonly string[]) {
  const folder = path.join(work, name);
  writeFiles(folder, { "package.json": '{"name":"app","main":"main.js"}', ...files });
  const ran = await slim(["trace", "--", ...command], { cwd: folder });
  return { folder, ran, files: await readTraced(folder) };
}

for (const line of ["20", "22", "24", "26"]) {
  test.serial(`what a run on Node.js ${line} opens and the code does not show is noted`, async (t) => {
    t.timeout(180_000);
    const { ran, files } = await traced(`node-${line}`, app, [await nodeBinary(line), "test/all.js"]);
    t.is(ran.stdout, 'one driver A B worker text child text esm {"a":1}\n', ran.stderr);
    t.is(ran.code, 7);
    t.deepEqual(files, expected);
    t.regex(ran.stderr, /2 files left out, .*: node_modules\/tool\/index\.js, test\/fixture\.txt\n/);
  });
}

test.serial("the build takes what is noted, and the app runs", async (t) => {
  const folder = path.join(work, "build");
  writeFiles(folder, { ...app, "slim.trace.json": JSON.stringify({ traceVersion: 1, files: expected }) });
  const file = path.join(folder, "why.json");
  const { diagnostics } = await slimBuild([folder, "--base", "host", "--node", "host", "--closure-file", file]);
  t.deepEqual(
    diagnostics.filter(({ severity, code }) => severity !== "info" && code !== "host-libraries"),
    [],
  );
  const [record] = Object.values(JSON.parse(await readFile(file, "utf8")).images) as [
    { files: { path: string; reasons: object[] }[] },
  ];
  const reasons = record.files.find((one) => one.path === "/app/views/a.html")?.reasons;
  t.like(reasons, [{ kind: "trace", from: "/app/main.js", file: "slim.trace.json" }]);
  if (!canIsolate) return;
  for (const mode of ["bundle", "files"] as const) {
    const { plain, packed } = await runBoth(folder, "main.js", { traced: expected, mode });
    t.is(plain.stdout, 'one driver A B worker text child text esm {"a":1}\n', plain.stderr);
    t.is(packed.stdout, plain.stdout, packed.stderr);
  }
});

test.serial("a second run adds to the first, and what the code shows by now goes", async (t) => {
  const main = (name: string) => `require("fs").readFileSync([__dirname, ${hidden(name)}].join("/"))`;
  const files = { "main.js": main("a.txt"), "a.txt": "", "b.txt": "" };
  const { folder, files: first } = await traced("twice", files, [process.execPath, "main.js"]);
  t.deepEqual(first, [{ file: "a.txt", how: "read", from: "main.js" }]);
  await writeFile(path.join(folder, "main.js"), main("b.txt"));
  await slim(["trace", "--", process.execPath, "main.js"], { cwd: folder });
  t.deepEqual(
    (await readTraced(folder)).map(({ file }) => file),
    ["a.txt", "b.txt"],
  );
  const text = await readFile(path.join(folder, "slim.trace.json"), "utf8");
  t.is(text.split("\n").filter((line) => line.includes(".txt")).length, 2);
  await writeFile(path.join(folder, "main.js"), 'require("fs").readFileSync(__dirname + "/b.txt")');
  await slim(["trace", "--", process.execPath, "main.js"], { cwd: folder });
  t.deepEqual(
    (await readTraced(folder)).map(({ file }) => file),
    ["a.txt"],
  );
});

test.serial("what the app writes is not noted, secrets never are, and files of elsewhere are spoken of", async (t) => {
  // Not in a folder that every machine has for itself, as temporary ones are.
  const elsewhere = await mkdtemp(path.join(os.homedir(), ".slim-test-"));
  t.teardown(() => rm(elsewhere, { recursive: true }));
  const outside = path.join(elsewhere, "a.json");
  await writeFile(outside, "{}");
  await sleep(20);
  const { ran, files, folder } = await traced(
    "written",
    {
      "main.js": `const fs = require("fs"); const at = (name) => [__dirname, name].join("/");
        fs.writeFileSync(at(${hidden("log.txt")}), ""); fs.appendFileSync(at(${hidden("old.log")}), "x");
        fs.readFileSync(at(${hidden("log.txt")})); fs.readFileSync(at(${hidden(".env")}));
        fs.closeSync(fs.openSync(at(${hidden("made.txt")}), "w+"));
        fs.readFileSync(at(${hidden("a.txt")})); fs.readFileSync(${hidden(outside)});`,
      "a.txt": "",
      "old.log": "",
      ".env": "SECRET=1",
    },
    [process.execPath, "main.js"],
  );
  t.deepEqual(files, [{ file: "a.txt", how: "read", from: "main.js" }]);
  t.regex(ran.stderr, /warning: slim\.trace\.json: \.env looks like a secret and is left out/);
  t.true(ran.stderr.includes(`warning: main.js: reads ${outside}, which is outside of the project`), ran.stderr);
  await rm(path.join(folder, "a.txt"));
  const { diagnostics } = await slimBuild([folder, "--base", "host", "--node", "host", "--dry-run"]);
  t.like(
    diagnostics.find(({ code }) => code === "trace-stale"),
    { severity: "warning", message: "names a.txt, which is not there", file: "slim.trace.json" },
  );
});

test.serial("an app of ES modules in TypeScript, under a test runner and a loader", async (t) => {
  const loader = pathToFileURL(path.join(checkout, "node_modules/tsx/dist/loader.mjs")).href;
  const { files, ran } = await traced(
    "typescript",
    {
      "package.json": '{"name":"app","type":"module","main":"src/main.ts"}',
      "src/main.ts": `import { readFile } from "node:fs/promises";
        export async function run(name: string): Promise<string> {
          const found = await import(new URL(["./parts", name + ".ts"].join("/"), import.meta.url).href);
          return found.default + (await readFile(new URL(["../data", name + ".txt"].join("/"), import.meta.url)));
        }`,
      "src/parts/x.ts": 'export default "x" as string;',
      "data/x.txt": "",
      "test/a.test.ts": `import test from "node:test"; import { readFileSync } from "node:fs";
        import { run } from "../src/main.ts"; readFileSync("test/f.txt"); test("x", () => run("x"));`,
      "test/f.txt": "",
    },
    [process.execPath, `--import=${loader}`, "--test", "test/a.test.ts"],
  );
  t.is(ran.code, 0, ran.stdout + ran.stderr);
  t.deepEqual(files, [
    { file: "data/x.txt", how: "read", from: "src/main.ts" },
    { file: "src/parts/x.ts", how: "load", from: "src/main.ts" },
  ]);
});

test.serial("a server that is stopped has been traced until then", async (t) => {
  const folder = path.join(work, "server");
  writeFiles(folder, {
    "package.json": '{"name":"app","main":"main.js"}',
    "main.js": `require("fs").readFileSync([__dirname, ${hidden("a.txt")}].join("/"));
      setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(3)); console.log("ready");`,
    "a.txt": "",
  });
  const child = spawn(
    process.execPath,
    [path.join(checkout, "dist/cli.js"), "trace", "--", process.execPath, "main.js"],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await sleep(50);
  child.kill("SIGTERM");
  t.is(await new Promise((resolve) => child.once("close", resolve)), 3);
  t.deepEqual(await readTraced(folder), [{ file: "a.txt", how: "read", from: "main.js" }]);
});

test.serial("without a command, with one that is not there, and with a file that somebody broke", async (t) => {
  const folder = path.join(work, "wrong");
  writeFiles(folder, { "package.json": '{"name":"app","main":"main.js"}', "main.js": "" });
  const none = await slim(["trace"], { cwd: folder });
  t.is(none.code, 1);
  t.regex(none.stderr, /^error: there is no command to run \(slim trace -- npm test\)\n$/);
  const missing = await slim(["trace", "--", "./nowhere"], { cwd: folder });
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^error: \.\/nowhere: cannot start/);
  for (const text of ["{", '{"traceVersion":1,"files":[{"file":1}]}']) {
    await writeFile(path.join(folder, "slim.trace.json"), text);
    const { code, stderr } = await slim(["build", folder, "--dry-run"]);
    t.is(code, 1);
    t.regex(stderr, /^error: \S+slim\.trace\.json: is not .+ \(correct it, or delete it and run slim trace again\)\n$/);
  }
});
