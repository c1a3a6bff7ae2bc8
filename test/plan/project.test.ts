import path from "node:path";
import test from "ava";
import { findEntry, findProject } from "../../src/plan/project.ts";
import { workFolder, writeProject } from "../support/project.ts";

const work = workFolder(test);
const cases: [title: string, manifest: object, files: string[], entry: string | undefined][] = [
  ["main", { main: "lib/main.js" }, ["lib/main.js", "index.js"], "lib/main.js"],
  ["main without extension", { main: "./lib" }, ["lib/index.ts"], "lib/index.ts"],
  ["the start script before main", { main: "a.js", scripts: { start: "node b.js" } }, ["a.js", "b.js"], "b.js"],
  ["a start script with variables", { scripts: { start: "NODE_ENV=x node b.js" } }, ["b.js"], "b.js"],
  [
    "a start script of a shell is passed over",
    { main: "a.js", scripts: { start: "node b.js && x" } },
    ["a.js", "b.js"],
    "a.js",
  ],
  ["another start script is passed over", { main: "a.js", scripts: { start: "next start" } }, ["a.js"], "a.js"],
  ["the only bin", { bin: { one: "cli.js" } }, ["cli.js", "index.js"], "cli.js"],
  ["a bin as text", { bin: "cli.mjs" }, ["cli.mjs"], "cli.mjs"],
  ["several bins say nothing", { bin: { a: "a.js", b: "b.js" } }, ["a.js", "b.js", "index.js"], "index.js"],
  ["customary names", {}, ["src/index.ts"], "src/index.ts"],
  ["server before index", {}, ["index.js", "server.js"], "server.js"],
  ["nothing", {}, ["other.js"], undefined],
  ["main that is not there", { main: "dist/main.js" }, ["index.js"], undefined],
  ["main outside", { main: "../main.js" }, ["index.js"], undefined],
  ["fields of odd types", { main: 1, bin: null, scripts: [], name: {} }, ["index.js"], "index.js"],
];

for (const [title, manifest, files, expected] of cases) {
  test(`the entry of a project: ${title}`, async (t) => {
    const texts = Object.fromEntries(files.map((name) => [name, ""]));
    const folder = path.join(work, title.replaceAll(" ", "-"));
    await writeProject(folder, { ...texts, "package.json": JSON.stringify(manifest) });
    const project = await findProject(folder, work);
    if (project.kind !== "node") return t.fail("is not a Node.js project");
    const found = findEntry(project, undefined);
    if (expected === undefined) await t.throwsAsync(found, { code: "CONFIG" });
    else t.is((await found).file, expected);
  });
}

async function entryOf(title: string, manifest: object, files: Readonly<Record<string, string>>) {
  const folder = path.join(work, title.replaceAll(/\W/g, "-"));
  await writeProject(folder, { ...files, "package.json": JSON.stringify(manifest) });
  const project = await findProject(folder, work);
  if (project.kind !== "node") throw new Error("is not a Node.js project");
  return findEntry(project, undefined);
}

const js = { "main.js": "", "src/main.ts": "", "pre.mjs": "" };
const starts: [start: string, expected: object, codes?: string[]][] = [
  ["node main", { file: "main.js" }],
  ["node --max-old-space-size=99 main.js", { nodeOptions: ["--max-old-space-size=99"] }],
  ["node --conditions special main.js", { nodeOptions: ["--conditions", "special"] }],
  ["node --require=dotenv/config main.js", { preloads: [{ option: "--require", specifier: "dotenv/config" }] }],
  ["node --import ./pre.mjs main.js", { file: "main.js", preloads: [{ option: "--import", specifier: "./pre.mjs" }] }],
  [
    'NODE_OPTIONS="--import ./pre.mjs --enable-source-maps" PORT=80 node main.js',
    {
      env: { PORT: "80" },
      preloads: [{ option: "--import", specifier: "./pre.mjs" }],
      nodeOptions: ["--enable-source-maps"],
    },
  ],
  ["node main.js serve --port 80 'a b'", { file: "main.js", args: ["serve", "--port", "80", "a b"] }],
  [
    "node --import tsx --watch src/main.ts",
    { file: "src/main.ts", preloads: { length: 0 }, nodeOptions: { length: 0 } },
  ],
  ["node -r ts-node/register -r tsconfig-paths/register src/main.ts", { file: "src/main.ts", preloads: { length: 0 } }],
  ["node --experimental-strip-types src/main.ts", { file: "src/main.ts", nodeOptions: [] }],
  ["node --env-file=.env main.js", { file: "main.js", nodeOptions: [] }, ["start-script-part"]],
  ["node --loader ./hooks.mjs main.js", { file: "main.js", nodeOptions: [] }, ["start-script-part"]],
  ["tsx src/main.ts", { file: "src/main.ts" }],
  ["tsx watch --tsconfig x.json src/main.ts --flag", { file: "src/main.ts", args: ["--flag"] }],
  ["npx ts-node -r ./pre.mjs src/main.ts", { file: "src/main.ts", preloads: { length: 1 } }],
  ['nodemon --watch src --exec "ts-node src/main.ts"', { file: "src/main.ts" }],
  ["cross-env A=1 B=2 node main.js", { file: "main.js", env: { A: "1", B: "2" } }],
  ["dotenv -e .env.prod -- node main.js", { file: "main.js" }, ["start-script-part"]],
  ["npm run build && node main.js", { file: "main.js" }, ["start-script-part"]],
  ["npm run other", { file: "src/main.ts", args: ["x"] }],
  ["yarn other", { file: "src/main.ts" }],
  ["node --run other", { file: "src/main.ts" }],
];

for (const [start, expected, codes = []] of starts) {
  test(`the start script ${start}`, async (t) => {
    const entry = await entryOf(start, { main: "no.js", scripts: { start, other: "tsx src/main.ts x" } }, js);
    t.like(entry, expected);
    t.deepEqual(
      entry.diagnostics.map(({ code }) => code),
      codes,
    );
  });
}

for (const start of ["node main.js | cat", "node $FILE", "node main.js; x", "npm start", "vite preview", "node"]) {
  test(`a start script that names no file is said: ${start}`, async (t) => {
    const entry = await entryOf(`${start} said`, { scripts: { start } }, { "index.js": "" });
    t.is(entry.file, "index.js");
    t.like(entry.diagnostics, { length: 1, 0: { code: "start-script", severity: "warning" } });
    const error = await t.throwsAsync(entryOf(`${start} alone`, { scripts: { start } }, { "x.js": "" }));
    t.true(error?.message.includes(start));
  });
}

test("a start script for development gives way to the one for production", async (t) => {
  const scripts = { start: "nest start", "start:prod": "node dist/main" };
  const manifest = { scripts, devDependencies: { "@nestjs/cli": "1" } };
  const entry = await entryOf("development", manifest, { "dist/main.js": "", "index.js": "" });
  t.like(entry, { file: "dist/main.js", diagnostics: { length: 0 } });
});

test("the program of a package that the app depends on is its entry", async (t) => {
  const files = { "node_modules/@s/serve/package.json": '{"bin":"./cli.js"}', "node_modules/@s/serve/cli.js": "" };
  const manifest = { scripts: { start: "serve ./public -p 80" }, dependencies: { "@s/serve": "1" } };
  const entry = await entryOf("program", manifest, files);
  t.like(entry, { file: "node_modules/@s/serve/cli.js", args: ["./public", "-p", "80"] });
  t.deepEqual(
    entry.diagnostics.map(({ code }) => code),
    ["start-script-program"],
  );
});

test("a program with an output of its own for images is an error that names it", async (t) => {
  const files = {
    "next.config.mjs": "",
    "server.js": "",
    "node_modules/next/package.json": '{"bin":{"next":"n.js"}}',
    "node_modules/next/n.js": "",
  };
  const manifest = { scripts: { start: "next start -p 80" }, dependencies: { next: "1" } };
  const error = await t.throwsAsync(entryOf("output", manifest, files));
  t.like(error, { code: "CONFIG" });
  t.regex((error as unknown as { hint: string }).hint, /\.next\/standalone/);
  const { "next.config.mjs": _config, ...written } = files;
  t.like(await entryOf("output itself", manifest, written), { file: "server.js", diagnostics: { length: 0 } });
});

test("a folder without package.json is the app that a build wrote into it", async (t) => {
  const folder = await writeProject(path.join(work, "output-of-build"), { ".output/server/index.mjs": "" });
  const project = await findProject(path.join(folder, ".output"), work);
  if (project.kind !== "node") return t.fail("is not a Node.js project");
  t.is(project.folder, folder);
  t.is((await findEntry(project, undefined)).file, ".output/server/index.mjs");
});
