import { cpSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { canIsolate, runIsolated, withFolder, writeEntries } from "../../support/image-run.ts";
import { closureOf, type Files, writeFiles } from "../../support/node-app.ts";
import { npmPackageFolder } from "../../support/npm-package-folder.ts";
import { checkout } from "../../support/slim.ts";

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

run("names of classes that speak of themselves, and aliases that look like imports of a package", async (t) => {
  const files = {
    "package.json": '{"name":"app"}',
    "tsconfig.json":
      '{"extends":"@acme/config/base.json","compilerOptions":{"module":"commonjs","experimentalDecorators":true}}',
    "node_modules/@acme/config/package.json": "{}",
    "tooling/config/base.json": '{"extends":"../shared.json"}',
    "tooling/shared.json": '{"compilerOptions":{"baseUrl":"..","paths":{"#lib/*":["src/lib/*"]}}}',
    "src/main.ts":
      'import { one } from "#lib/one";\nfunction log(_: unknown, _key: string) {}\nclass Foo { @log a = 1; static own = () => Foo.name; }\nconsole.log(one, Foo.own(), new Foo().constructor.name);',
    "src/lib/one.ts": "export const one = 1;",
  };
  const linked = (folder: string) => {
    rmSync(path.join(folder, "node_modules/@acme/config"), { recursive: true });
    symlinkSync("../../tooling/config", path.join(folder, "node_modules/@acme/config"));
  };
  for (const mode of ["bundle", "files"] as const)
    t.is(await output(files, mode, "src/main.ts", false, linked), "1 Foo Foo\n", mode);
});

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

run("names of classes and functions are what the source says", async (t) => {
  const files = {
    "package.json": "{}",
    "main.ts": `const A: object = class A { static self = A; };
const f = function f(n: number): unknown { return n > 0 ? f : 0; };
class B { name = "b"; }
console.log((A as { name: string }).name, f.name, B.name);`,
  };
  t.is(await output(files, "bundle", "main.ts"), "A f B\n");
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

/** Services that are given to each other by the types of their constructors, as in NestJS. */
const injected: Files = {
  "package.json": '{"name":"app","dependencies":{"reflect-metadata":"1"}}',
  "tsconfig.json": `{"compilerOptions":{"module":"commonjs","target":"es2021","moduleResolution":"node10","ignoreDeprecations":"6.0",
    "experimentalDecorators":true,"emitDecoratorMetadata":true,"paths":{"@/*":["./src/*"]},"sourceMap":true,"declaration":true,"incremental":true}}`,
  "src/main.ts": `import "reflect-metadata";
import { make } from "./make";
import { Service } from "@/service";

const service = make(Service);
console.log(Service.name, service.greet(), Reflect.getMetadata("design:type", service, "when").name, Object.keys(service).join());
void import("./late").then(({ Late }) => console.log(make(Late).line()));`,
  "src/make.ts": `type Class<T> = new (...args: any[]) => T;
export function Injectable(_: unknown): void {}
export function Field(_: unknown, __: string): void {}
export function make<T>(type: Class<T>): T {
  const needs: Class<unknown>[] = Reflect.getMetadata("design:paramtypes", type) ?? [];
  return new type(...needs.map((one) => make(one)));
}`,
  "src/service.ts": `import { Field, Injectable } from "./make";
import { Store } from "./store";
import type { Unused } from "./unused";
@Injectable
export class Service {
  @Field when?: Date;
  private readonly unset?: Unused;
  constructor(private readonly store: Store) {}
  greet(): string {
    return \`hello \${this.store.name}\${this.unset ?? ""}\`;
  }
}`,
  "src/store.ts": 'import { Injectable } from "./make";\n@Injectable\nexport class Store { readonly name = "store"; }',
  "src/unused.ts": "export interface Unused { a: 1 }",
  "src/late.ts": `import { Injectable } from "./make";
interface Nothing { a: 1 }

@Injectable
export class Late {
  line(nothing?: Nothing): string {
    return /late\\.ts:\\d+/.exec(String(new Error(String(nothing)).stack))?.[0] ?? "no place";
  }
}`,
};

for (const version of ["5.9.3", "7"]) {
  run(`TypeScript ${version} of the project writes types for decorators`, async (t) => {
    t.timeout(180_000);
    const compiler = version === "7" ? path.join(checkout, "node_modules/typescript") : `typescript@${version}`;
    const folder = version === "7" ? compiler : await npmPackageFolder(compiler);
    const metadata = await npmPackageFolder("reflect-metadata@0.2.2");
    await withFolder(async (app) => {
      writeFiles(app, injected);
      cpSync(metadata, path.join(app, "node_modules/reflect-metadata"), { recursive: true });
      const without = await closureOf(app, "src/main.ts");
      t.true(without.diagnostics.some(({ code }) => code === "decorator-metadata"));
      symlinkSync(folder, path.join(app, "node_modules/typescript"));
      const { entries, entrypoint, diagnostics } = await closureOf(app, "src/main.ts", { sourcemap: true });
      t.deepEqual(diagnostics, []);
      await withFolder(async (root) => {
        await writeEntries(root, entries);
        const ran = runIsolated(path.join(root, "app"), [entrypoint]);
        // Without `useDefineForClassFields`, as the target says, `when` and `unset` are no fields.
        t.is(ran.stdout, "Service hello store Date store\nlate.ts:7\n", ran.stderr);
      });
    });
  });
}

for (const mode of ["bundle", "files"] as const) {
  run(`source maps bring the places of TypeScript into stacks: ${mode}`, async (t) => {
    const files = {
      "package.json": '{"name":"app","type":"module"}',
      "src/main.ts":
        '#!/usr/bin/env node\ninterface A {}\nimport { stack } from "./stack.ts";\n\nconsole.log(stack());',
      "src/stack.ts":
        "type B = 1;\n\nexport const stack = (): string =>\n  (new Error().stack ?? '').match(/\\w+\\.[jt]s:\\d+/g)?.join() ?? '';",
    };
    t.is(await output(files, mode, "src/main.ts", true), "stack.ts:4,main.ts:5\n");
  });
}

function output(
  files: Files,
  mode: "bundle" | "files",
  entry = "src/main.ts",
  sourcemap = false,
  change = (_folder: string) => {},
): Promise<string> {
  return withFolder(async (folder) => {
    writeFiles(folder, files);
    change(folder);
    const { entries, entrypoint, nodeOptions } = await closureOf(folder, entry, { mode, sourcemap });
    return withFolder(async (root) => {
      await writeEntries(root, entries);
      const ran = runIsolated(path.join(root, "app"), [...nodeOptions, entrypoint]);
      return ran.code === 0 ? ran.stdout : `${ran.code}: ${ran.stderr}`;
    });
  });
}
