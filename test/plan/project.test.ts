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

test("options of Node.js in the start script are kept, and preloads are said to be left out", async (t) => {
  const start = "node --max-old-space-size=99 --require=./a.js main.js";
  await writeProject(path.join(work, "options"), {
    "main.js": "",
    "package.json": JSON.stringify({ scripts: { start } }),
  });
  const project = await findProject(path.join(work, "options"), work);
  if (project.kind !== "node") return t.fail("is not a Node.js project");
  const entry = await findEntry(project, undefined);
  t.deepEqual(entry.nodeOptions, ["--max-old-space-size=99"]);
  t.deepEqual(
    entry.diagnostics.map(({ code }) => code),
    ["start-script-preload"],
  );
});
