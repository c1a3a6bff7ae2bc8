import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { nodeClosure } from "../../../src/closure/node/index.ts";
import { Readings } from "../../../src/closure/node/readings.ts";
import { Cache } from "../../../src/layer/cache.ts";
import { quiet, withFolder } from "../../support/image-run.ts";
import { projectOf, writeFiles } from "../../support/node-app.ts";

// What build.js defines.
Object.assign(globalThis, { SLIM_CODE: "test" });

const files = {
  "package.json": '{"name":"app","dependencies":{"p":"1"}}',
  "main.ts": 'import { a } from "./a.js";\nconsole.log(a as string, require("fs").readFileSync("./d.txt"))',
  "a.js":
    'const path=require("path"); exports.a=require("fs").readFileSync(path.dirname(require.resolve("p"))+"/data.txt")',
  "d.txt": "d",
  "node_modules/p/package.json": '{"name":"p","version":"1.0.0","main":"one/index.js"}',
  "node_modules/p/one/index.js": "",
  "node_modules/p/one/data.txt": "1",
  "node_modules/p/two/index.js": "",
  "node_modules/p/two/data.txt": "2",
};

/** The closure with and without readings from before, as plain data. */
async function both(folder: string, cache: Cache) {
  const plain = async (sources: { cache?: Cache }) => {
    const { entries, diagnostics } = await nodeClosure(quiet, projectOf(folder, "main.ts"), sources);
    const shown = entries.map(({ entry, reasons, modules }) => [
      entry.path,
      entry.type === "file" ? entry.content.digest : "",
      reasons,
      modules,
    ]);
    return { shown, diagnostics };
  };
  return [await plain({ cache }), await plain({})] as const;
}

test("what was read before gives the same closure, whatever was changed since", async (t) => {
  await withFolder(async (folder) => {
    const app = path.join(folder, "app");
    const cache = new Cache(path.join(folder, "cache"));
    writeFiles(app, files);
    const change = async (name: string, text?: string) => {
      if (text === undefined) rmSync(path.join(app, name));
      else writeFileSync(path.join(app, name), text);
      const [cached, fresh] = await both(app, cache);
      t.deepEqual(cached, fresh, name);
      return JSON.stringify(fresh);
    };
    const first = await change("main.ts", files["main.ts"]);
    t.is(await change("main.ts", files["main.ts"]), first);
    t.true(first.includes("one/data.txt"));
    // The code is the same; what it means is decided by another file.
    const moved = await change("node_modules/p/package.json", '{"name":"p","version":"1.0.0","main":"two/index.js"}');
    t.true(moved.includes("two/data.txt") && !moved.includes("one/data.txt"));
    await change("a.js", 'exports.a=require("p"); new (require("worker_threads").Worker)(__filename)');
    await change("tsconfig.json", '{"compilerOptions":{"target":"es2017"}}');
    await change("package.json", '{"name":"app","type":"module","dependencies":{"p":"1"}}');
    await change("d.txt");
  });
});

test("a file is read again only when what decides it is different", async (t) => {
  await withFolder(async (folder) => {
    const cache = new Cache(folder);
    let made = 0;
    const read = async (key: string, answer: string | undefined, code = "test") => {
      Object.assign(globalThis, { SLIM_CODE: code });
      const readings = await Readings.open(cache, "project");
      await readings?.read(
        "a.js",
        key,
        () => answer,
        async (locate) => {
          made += 1;
          const text = locate("p") ?? "";
          return { format: "commonjs", text, asks: [], patchesLoader: false, withoutMetadata: false };
        },
      );
      await readings?.save();
      return made;
    };
    t.is(await read("a", "/p"), 1);
    t.is(await read("a", "/p"), 1);
    t.is(await read("b", "/p"), 2);
    t.is(await read("b", "/q"), 3);
    t.is(await read("b", undefined), 4);
    t.is(await read("b", undefined), 4);
    t.is(await read("b", undefined, "other"), 5);
  });
});
