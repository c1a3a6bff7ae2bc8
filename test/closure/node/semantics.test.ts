import test from "ava";
import { canIsolate, nodeVersion, withFolder } from "../../support/image-run.ts";
import { runBoth, writeFiles } from "../../support/node-app.ts";
import { cases } from "./semantics.ts";

/** Each case: what the program prints, and how it ends, is the same in the bundle as where it lies. */
const run = canIsolate ? test : test.skip;
if (!canIsolate)
  test("semantics are compared only where root may isolate a program", (t) => t.not(process.env.CI, "true"));

for (const mode of ["bundle", "files"] as const) {
  for (const { name, files, entry = "main.js", since = 0, only } of cases) {
    if (Number.parseInt(nodeVersion, 10) < since || (only !== undefined && only !== mode)) continue;
    run(`${mode}: ${name}`, async (t) => {
      await withFolder(async (folder) => {
        writeFiles(folder, { "package.json": '{"name":"app"}', ...files });
        const { plain, packed } = await runBoth(folder, entry, { mode });
        t.not(plain.stdout, "", plain.stderr);
        t.is(packed.stdout, plain.stdout, packed.stderr);
        t.is(packed.code, plain.code);
      });
    });
  }
}
