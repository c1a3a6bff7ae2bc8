import { symlinkSync } from "node:fs";
import path from "node:path";
import test from "ava";
import type { NodeProject } from "../../../src/closure/node/index.ts";
import { withFolder } from "../../support/image-run.ts";
import { closureOf, type Files, writeFiles } from "../../support/node-app.ts";

const target = { node: "24.21.0", platform: { os: "linux", architecture: "amd64" } };

/** The files of the image that are no code. */
function assets(files: Files, entry: string, more: Partial<NodeProject> = {}): Promise<readonly string[]> {
  return withFolder(async (folder) => {
    writeFiles(folder, { "package.json": '{"name":"app","type":"module"}', ...files });
    const closure = await closureOf(folder, entry, { target, ...more });
    return closure.entries.map(({ entry: { path } }) => path).filter((name) => name.endsWith(".txt"));
  });
}

const reads = (what: string) => `import fs from "node:fs";\nimport path from "node:path";\n${what}`;
const root = 'import path from "node:path";\nimport { fileURLToPath } from "node:url";\n';

test("a place that another module exports is known, under any name and over several modules", async (t) => {
  const found = await assets(
    {
      "main.js": reads(
        'import { base as here } from "./lib/again.js";\nimport * as all from "./lib/place.js";\nimport settings from "./lib/settings.js";\nfs.readdirSync(path.join(here, "listed"));\nconst give = (x) => fs.readFileSync(x);\ngive(all.root + "/one.txt");\ngive(path.join(settings.data, "data/two.txt"));',
      ),
      "lib/place.js": `${root}const dir = path.dirname(fileURLToPath(import.meta.url));\nexport { dir as root };`,
      "lib/again.js": 'export { root as base } from "./place.js";',
      "lib/settings.js": `${root}export default { data: import.meta.dirname, port: 1 };`,
      "lib/listed/a.txt": "a",
      "lib/one.txt": "1",
      "lib/data/two.txt": "2",
      "lib/other.txt": "not asked for",
    },
    "main.js",
  );
  t.deepEqual(found, ["/app/lib/data/two.txt", "/app/lib/listed/a.txt", "/app/lib/one.txt"]);
});

test("a place that CommonJS exports is known, as people and as compilers write it", async (t) => {
  const place = 'path.join(__dirname, "..")';
  const files: Files = {
    "package.json": '{"name":"app"}',
    "srv/main.js":
      'const fs = require("fs"); const path = require("path"); const { UP } = require("./lib/a"); const b_1 = require("./lib/b"); fs.readFileSync(path.join(UP, "up/a.txt")); fs.readFileSync(path.join(b_1.UP, "up/b.txt"));',
    "srv/lib/a.js": `const path = require("path"); const UP = ${place}; module.exports = { UP };`,
    "srv/lib/b.js": `Object.defineProperty(exports, "__esModule", { value: true }); const path = require("path"); exports.UP = ${place};`,
    "srv/up/a.txt": "a",
    "srv/up/b.txt": "b",
    "srv/typed.ts":
      'import fs from "fs"; import path from "path"; import { UP } from "@/c"; fs.readFileSync(path.join(UP, "up/b.txt"));',
    "srv/lib/c.ts": `import path from "path"; export const UP: string = ${place};`,
    "tsconfig.json": '{"compilerOptions":{"module":"commonjs","paths":{"@/*":["./srv/lib/*"]}}}',
  };
  t.deepEqual(await assets(files, "srv/main.js"), ["/app/srv/up/a.txt", "/app/srv/up/b.txt"]);
  t.deepEqual(await assets(files, "srv/typed.ts"), ["/app/srv/up/b.txt"]);
});

test("modules that hand a place around in a circle are read to an end", async (t) => {
  const hands = (other: string) =>
    reads(
      `import * as other from "./${other}.js";\nexport const at = path.join(other.at ?? import.meta.dirname, "x");`,
    );
  t.deepEqual(await assets({ "main.js": hands("b"), "b.js": hands("main"), "x/x/x.txt": "" }, "main.js"), [
    "/app/x/x/x.txt",
  ]);
});

test("bundlers move code away from the files it names: those are sought from the entry, too", async (t) => {
  const found = await assets(
    {
      "out/server/index.mjs": 'import "./chunks/app/app.mjs";',
      "out/server/chunks/app/app.mjs":
        'const files = { "/p.txt": { path: "../public/p.txt" } };\nexport const read = (fs, dir, name) => fs.readFileSync(dir + files[name].path);',
      "out/public/p.txt": "p",
      "out/public/q.txt": "not named",
    },
    "out/server/index.mjs",
  );
  t.deepEqual(found, ["/app/out/public/p.txt"]);
});

test("a folder that is named as a path from the working directory is there, and one that an import names is not", async (t) => {
  const found = await assets(
    {
      "server/main.js": 'import "lib/code"; export const assets = "build/client", word = "words", up = "../x";',
      "package.json": '{"name":"app","type":"module"}',
      "tsconfig.json": '{"compilerOptions":{"baseUrl":"."}}',
      "lib/code/index.js": "",
      "lib/code/a.txt": "",
      "build/client/b.txt": "",
      "words/c.txt": "",
    },
    "server/main.js",
  );
  t.deepEqual(found, ["/app/build/client/b.txt"]);
});

test("data that a framework's output names from the working directory is there, and code is not started for it", async (t) => {
  const files: Files = {
    "package.json": '{"name":"app"}',
    "main.js": 'require("fs").readdirSync(__dirname + "/.out")',
    ".out/page.js":
      'const e = n(1), t = n(2); e.readFileSync(t.join(process.cwd(), "data/x.txt")); e.readFileSync(t.join(process.cwd(), ".env.txt")); t("src/app.js")',
    "data/x.txt": "",
    "data/y.txt": "",
    "src/app.js": "not JavaScript (",
  };
  t.deepEqual(await assets(files, "main.js"), ["/app/data/x.txt"]);
});

test("a link out of the project in a folder that is taken is left out, and that is said", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, {
      "outside.txt": "",
      "app/package.json": '{"name":"app"}',
      "app/main.js": 'require("fs").readdirSync(__dirname + "/data")',
      "app/data/y.txt": "",
    });
    symlinkSync("../../outside.txt", path.join(folder, "app/data/x.txt"));
    const { entries, diagnostics } = await closureOf(path.join(folder, "app"), "main.js", { target });
    t.false(entries.some(({ entry }) => /outside|x\.txt/.test(entry.path)));
    t.like(diagnostics, { length: 1, 0: { code: "outside-project", severity: "warning", file: "main.js", line: 1 } });
  });
});

test("a file that is read by its name in another case is said", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, {
      "package.json": '{"name":"app"}',
      "main.js":
        'const fs = require("fs");\nfs.readFileSync(__dirname + "/Views/A.txt");\nfs.readdirSync(__dirname + "/gone");',
      "views/a.txt": "",
    });
    const { diagnostics } = await closureOf(folder, "main.js", { target });
    t.like(diagnostics, { length: 1, 0: { code: "other-case", file: "main.js", line: 2 } });
    t.regex(diagnostics[0]?.message ?? "", /Views\/A\.txt.*views\/a\.txt/);
  });
});

test("what a bundler left beside the project is said", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, {
      "public/p.txt": "",
      "server/package.json": "{}",
      "server/index.mjs": 'import "./chunks/a.mjs";',
      "server/chunks/a.mjs": 'export const file = "../public/p.txt", other = "../public/q.txt";',
    });
    const { diagnostics } = await closureOf(path.join(folder, "server"), "index.mjs", { target });
    t.like(diagnostics, { length: 1, 0: { code: "outside-project", file: "chunks/a.mjs", line: 1 } });
  });
});
