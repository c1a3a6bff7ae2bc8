import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { build } from "../../src/build.ts";
import { cacheDir, canRun } from "./program-image.ts";
import { Container } from "./unpacked-image.ts";

const root = fileURLToPath(new URL("../corpus", import.meta.url));

/**
 * Judges the cases of the corpus that `part` takes: each program runs in its own image, and from the project's folder
 * in its place, with the same Node.js and the same nothing around.
 */
export function judge(part: (at: number) => boolean): void {
  let layers = "";
  test.before(async () => {
    layers = await mkdtemp(path.join(os.tmpdir(), "slim-layers-"));
  });
  test.after.always(() => rm(layers, { recursive: true, force: true }));
  for (const name of readdirSync(path.join(root, "cases"))
    .sort()
    .filter((_, at) => part(at))) {
    test.serial(name, async (t) => {
      if (!existsSync(path.join(root, "node_modules"))) {
        t.log("npm run corpus installs its packages");
        return t.not(process.env.CI, "true");
      }
      if (!(await canRun(t))) return;
      const entry = entryOf(name);
      const layout = await mkdtemp(path.join(os.tmpdir(), "slim-corpus-"));
      t.teardown(() => rm(layout, { recursive: true, force: true }));
      const output = path.join(layout, "image");
      await build({ cwd: root, cacheDir, entry, node: "24", output, format: "oci-layout" });
      const container = await Container.stack(output, layers);
      t.teardown(() => container.remove());
      const plain = await container.run({
        command: ["/usr/local/bin/node", ...started(entry)],
        mounts: { "/app": root },
      });
      const packed = await container.run();
      t.is(plain.code, 0, plain.stderr);
      t.not(plain.stdout, "", plain.stderr);
      t.is(packed.stdout, plain.stdout, packed.stderr);
      t.is(packed.code, plain.code);
    });
  }
}

function entryOf(name: string): string {
  const files = ["main.js", "main.mjs", "main.ts", "main.tsx"].map((file) => `cases/${name}/${file}`);
  const entry = files.find((file) => existsSync(path.join(root, file)));
  if (entry === undefined) throw new Error(`cases/${name} has no main.js, main.mjs, main.ts or main.tsx`);
  return entry;
}

/** How the program runs as it lies: what Node.js does not read itself, tsx compiles, or ts-node for the sake of types. */
function started(entry: string): readonly string[] {
  const file = path.posix.join("/app", entry);
  if (!/tsx?$/.test(entry)) return [file];
  const config = path.posix.join(path.posix.dirname(entry), "tsconfig.json");
  if (readFileSync(path.join(root, config), "utf8").includes("emitDecoratorMetadata"))
    return [
      "/app/node_modules/ts-node/dist/bin.js",
      "--transpileOnly",
      "--project",
      path.posix.join("/app", config),
      file,
    ];
  return ["/app/node_modules/tsx/dist/cli.mjs", "--tsconfig", path.posix.join("/app", config), file];
}
