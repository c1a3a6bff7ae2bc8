import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { canIsolate } from "../../support/image-run.ts";
import { runBoth } from "../../support/node-app.ts";

const root = fileURLToPath(new URL("../../corpus", import.meta.url));
const ready = canIsolate && existsSync(path.join(root, "node_modules"));
if (!ready)
  test("the corpus needs root, and npm install --ignore-scripts --prefix test/corpus", (t) =>
    t.not(process.env.CI, "true"));

for (const name of readdirSync(path.join(root, "cases")).sort()) {
  (ready ? test.serial : test.serial.skip)(name, async (t) => {
    const entry = ["main.js", "main.mjs"]
      .map((file) => `cases/${name}/${file}`)
      .find((file) => existsSync(path.join(root, file)));
    const { plain, packed } = await runBoth(root, entry ?? "");
    t.not(plain.stdout, "", plain.stderr);
    t.is(packed.stdout, plain.stdout, packed.stderr);
    t.is(packed.code, plain.code);
  });
}
