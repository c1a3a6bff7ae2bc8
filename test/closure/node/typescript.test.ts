import path from "node:path";
import test from "ava";
import { canIsolate, runIsolated, withFolder, writeEntries } from "../../support/image-run.ts";
import { closureOf, type Files, writeFiles } from "../../support/node-app.ts";

const run = canIsolate ? test : test.skip;
if (!canIsolate)
  test("TypeScript apps run only where root may isolate a program", (t) => t.not(process.env.CI, "true"));

const commonjs: Files = {
  "package.json": '{"name":"app"}',
  "tsconfig.json":
    '{\n  // comments are allowed\n  "extends": "./base.json", "compilerOptions": { "module": "commonjs", "experimentalDecorators": true, }, }',
  "base.json": '{"compilerOptions":{"baseUrl":".","paths":{"@/*":["src/*"]}}}',
  "src/main.ts":
    'import { Service } from "@/service";\nimport helper from "./helper";\nimport fs = require("fs");\nconst s: Service = new Service();\nconsole.log(s.name(), helper(2), Service.name, fs.existsSync("/app"), require.main === module);',
  "src/service.ts":
    'import { Kind } from "@/kind";\nfunction log(_: unknown, key: string) { console.log("decorated", key); }\nexport class Service { @log name(): string { return Kind[Kind.B]; } }',
  "src/kind.ts": "export enum Kind { A, B }",
  "src/helper.tsx":
    "export default (n: number): string => { const h = (t: string, p: object, ...c: string[]) => t + c.join(''); const React = { createElement: h }; return (<b>{String(n)}</b>) as unknown as string; }",
};

const modules: Files = {
  "package.json": '{"name":"app","type":"module"}',
  "tsconfig.json": '{"compilerOptions":{"module":"nodenext","paths":{"#lib/*":["./src/lib/*"],"~/*":["./src/*"]}}}',
  "src/main.ts":
    'import { x } from "./a.js";\nimport { y } from "~/lib/b.js";\nimport type { T } from "./types.ts";\nconst t: T = await Promise.resolve(1);\nconsole.log(x, y, t, (await import("./lazy.js")).default);',
  "src/a.ts": 'export const x: string = "a";',
  "src/lib/b.ts": 'export const y = "b" as const;',
  "src/types.ts": "export type T = number;",
  "src/lazy.ts": 'export default "lazy";',
};

for (const mode of ["bundle", "files"] as const) {
  run(`${mode}: TypeScript with aliases, decorators, enums and JSX`, async (t) => {
    t.is(await output(commonjs, mode), "decorated name\nB b2 Service true true\n");
  });
  run(`${mode}: TypeScript as ES modules`, async (t) => {
    t.is(await output(modules, mode), "a b 1 lazy\n");
  });
}

run("TypeScript that is found in a folder is compiled", async (t) => {
  const files = {
    "package.json": "{}",
    "tsconfig.json": '{"compilerOptions":{"module":"commonjs"}}',
    "main.ts":
      'import fs from "fs";\nimport path from "path";\nimport { kind } from "./entities/kind";\nconst folder = path.join(__dirname, "entities");\nfor (const name of fs.readdirSync(folder)) console.log(name, require(path.join(folder, name)).kind === kind, require.resolve("./entities/" + name));',
    "entities/kind.ts": "export enum Kind { A }\nexport const kind: Kind = Kind.A;",
  };
  t.is(await output(files, "bundle", "main.ts"), "kind.ts true /app/entities/kind.ts\n");
});

run("an import by an alias of a file that is also read", async (t) => {
  const files = {
    "package.json": '{"type":"module"}',
    "tsconfig.json": '{"compilerOptions":{"module":"nodenext","paths":{"~/*":["./*"]}}}',
    "main.ts":
      'import fs from "node:fs";\nimport data from "~/data.json" with { type: "json" };\nconsole.log(data, fs.readFileSync(new URL("./data.json", import.meta.url), "utf8"));',
    "data.json": '{ "a": 1 }',
  };
  t.is(await output(files, "bundle", "main.ts"), '{ a: 1 } { "a": 1 }\n');
});

run("stacks of TypeScript name the source with source maps", async (t) => {
  const files = {
    "package.json": "{}",
    "tsconfig.json": '{"compilerOptions":{"module":"commonjs"}}',
    "main.ts": 'interface A { x: number }\n\nimport { f } from "./f";\n\nconsole.log(f());',
    "f.ts":
      'type T = {\n  a: 1\n};\nexport const f = (): string => {\n  return String(new Error("x").stack).split("\\n")[1] ?? "";\n};',
  };
  t.regex(await output(files, "bundle", "main.ts", true), /f\.ts:5/);
});

function output(files: Files, mode: "bundle" | "files", entry = "src/main.ts", sourcemap = false): Promise<string> {
  return withFolder(async (folder) => {
    writeFiles(folder, files);
    const { entries, entrypoint } = await closureOf(folder, entry, { mode, sourcemap });
    return withFolder(async (root) => {
      await writeEntries(root, entries);
      const ran = runIsolated(path.join(root, "app"), [entrypoint]);
      return ran.code === 0 ? ran.stdout : `${ran.code}: ${ran.stderr}`;
    });
  });
}
