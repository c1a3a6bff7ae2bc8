import path from "node:path";
import test from "ava";
import { canIsolate, runIsolated, withFolder, writeEntries } from "../../support/image-run.ts";
import { closureOf, writeFiles } from "../../support/node-app.ts";

const files = {
  "package.json": '{"name":"app","type":"module","dependencies":{"pkg":"1"}}',
  "first.mjs": 'import { order } from "./order.mjs"; order.push("first");',
  "old.cjs": '(globalThis.order ??= []).push("old " + (require.main === module));',
  "order.mjs": "export const order = (globalThis.order ??= []);",
  "node_modules/pkg/package.json": '{"name":"pkg","exports":{"./load":{"require":"./load.js"}}}',
  "node_modules/pkg/load.js": '(globalThis.order ??= []).push("pkg");',
  "main.js": 'import { order } from "./order.mjs"; console.log(order.join(), process.argv.slice(2).join());',
};
const preloads = [
  { option: "--require", specifier: "./old.cjs" },
  { option: "--require", specifier: "pkg/load" },
  { option: "--import", specifier: "./first.mjs" },
] as const;

for (const mode of ["bundle", "files"] as const) {
  (canIsolate ? test : test.skip)(
    `what Node.js loads before the entry is there, and one with the app: ${mode}`,
    async (t) => {
      await withFolder(async (folder) => {
        const app = path.join(folder, "app");
        writeFiles(app, files);
        const closure = await closureOf(app, "main.js", { preloads, mode });
        const image = path.join(folder, "image");
        await writeEntries(image, closure.entries);
        const ran = runIsolated(path.join(image, "app"), [...closure.nodeOptions, closure.entrypoint, "x"]);
        t.deepEqual(ran, { stdout: "old false,pkg,first x\n", stderr: "", code: 0 });
      });
    },
  );
}

test("a preload that is not there is an error", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, files);
    const missing = [{ option: "--import", specifier: "dotenv/config" }] as const;
    await t.throwsAsync(closureOf(folder, "main.js", { preloads: missing }), {
      code: "CLOSURE",
      message: /dotenv\/config/,
    });
  });
});

test("files and folders that the entry is given as arguments are there", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, { ...files, "public/a.txt": "", "app.js": "", "conf.json": "{}", "other.txt": "" });
    const closure = await closureOf(folder, "main.js", { args: ["./public", "app.js", "--conf=conf.json", "."] });
    const paths = closure.entries.map(({ entry }) => entry.path);
    t.deepEqual(
      paths.filter((name) => /public|app\.js|conf|other/.test(name)),
      ["/app/app.js", "/app/conf.json", "/app/public/a.txt"],
    );
  });
});
