import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { unpackArchive, unpackRoot } from "../support/archive.ts";
import { Container, writeBundle } from "../support/container.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { checkout, slimBuild } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const run = promisify(execFile);
const runc = testWith(test.serial, "root", "runc");
const work = workFolder(test);

const manifest = (fields: object) => JSON.stringify({ name: "tested", engines: { node: "24.x" }, ...fields });
const cases: Readonly<Record<string, { readonly files: Readonly<Record<string, string>>; readonly entry: string }>> = {
  CommonJS: {
    entry: "index.js",
    files: {
      "index.js": `
        const { hello } = require("./lib/hello");
        const one = require("one");
        exports.self = 1;
        console.log(hello("cjs"), one.name, typeof module, require.main === module, [1, 2].map((n) => n * 2));
        process.on("exit", (code) => console.log("exit", code));
        process.exitCode = 3;`,
      "lib/hello.js": "exports.hello = (name) => 'hello ' + name;",
      "node_modules/one/package.json": '{"name":"one","version":"1.0.0","main":"main.cjs"}',
      "node_modules/one/main.cjs": "class One {} module.exports = One;",
    },
  },
  "ES modules with top-level await": {
    entry: "index.js",
    files: {
      "package.json": manifest({ type: "module" }),
      "index.js": `
        import { readFile } from "node:fs/promises";
        import data from "./data.json" with { type: "json" };
        import two, { named } from "two";
        import { later } from "./later.js";
        const { dynamic } = await import("./dynamic.js");
        console.log(await later(5), data.value, two, named, dynamic(), typeof import.meta.url);
        console.log(typeof (await readFile("/etc/passwd", "utf8")));
        await new Promise((resolve) => setTimeout(resolve, 5));
        console.log("done");`,
      "data.json": '{"value": [1, "ü"]}',
      "later.js": "const ready = await Promise.resolve('ready'); export const later = async (n) => ready + n;",
      "dynamic.js": "export const dynamic = () => 'dynamic';",
      "node_modules/two/package.json":
        '{"name":"two","version":"2.0.0","exports":{"import":"./two.mjs","require":"./two.cjs"}}',
      "node_modules/two/two.mjs": "export default 'two as a module'; export const named = 'named';",
      "node_modules/two/two.cjs": "module.exports = 'two as CommonJS';",
    },
  },
  TypeScript: {
    entry: "src/main.ts",
    files: {
      "package.json": manifest({ type: "module", main: "src/main.ts" }),
      "src/main.ts": `
        import type { Shape } from "./shape.ts";
        import { area, Kind } from "./shape.ts";
        interface Local { readonly a: number }
        const local: Local = { a: 1 };
        class Point { constructor(readonly x: number, private y = 2) {} sum(): number { return this.x + this.y; } }
        const shape = { kind: Kind.Square, side: 3 } satisfies Shape;
        console.log(area(shape), local.a, new Point(5).sum(), Kind[Kind.Square], await Promise.resolve(<string>"cast"));`,
      "src/shape.ts": `
        export enum Kind { Circle, Square }
        export type Shape = { kind: Kind; side: number };
        export const area = (shape: Shape): number => shape.side ** 2;`,
    },
  },
};

for (const [name, { files, entry }] of Object.entries(cases)) {
  runc(`${name}: the image prints what Node.js prints without it`, async (t) => {
    const folder = path.join(work, name.replaceAll(" ", "-"));
    const project = await lockedProject(path.join(folder, "project"), files);
    const tsx = path.join(checkout, "node_modules/tsx/dist/loader.mjs");
    const plain = await run(process.execPath, ["--import", tsx, entry], { cwd: project }).catch((error) => error);
    const archive = path.join(folder, "app.tar");
    await slimBuild([project, "-o", archive]);
    const image = await unpackArchive(archive, path.join(folder, "image"));
    const root = await unpackRoot(image, path.join(folder, "root"));
    const container = new Container(await writeBundle(path.join(folder, "bundle"), root, image.config));
    const code = await container.ended;
    t.is(container.stdout, plain.stdout);
    t.is(container.stderr, plain.stderr);
    t.is(code, plain.code ?? 0);
    t.not(plain.stdout, "");
  });
}

runc("a TypeScript file without any project around it becomes an image", async (t) => {
  const folder = path.join(work, "alone");
  const project = await lockedProject(folder, {
    "tool.mts": "const text: string = 'alone'; console.log(text, process.pid);",
  });
  const archive = path.join(folder, "app.tar");
  await slimBuild([path.join(project, "tool.mts"), "-o", archive]);
  const image = await unpackArchive(archive, path.join(folder, "image"));
  const root = await unpackRoot(image, path.join(folder, "root"));
  const container = new Container(await writeBundle(path.join(folder, "bundle"), root, image.config));
  t.is(await container.ended, 0, container.stderr);
  t.is(container.stdout, "alone 1\n");
});
