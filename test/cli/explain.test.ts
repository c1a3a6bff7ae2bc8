import path from "node:path";
import test from "ava";
import { lockedProject, workFolder } from "../support/project.ts";
import { slim, slimBuild } from "../support/slim.ts";

const work = workFolder(test);

test("every file of an image has the chain that leads to it, and the runtime both its digests", async (t) => {
  const cwd = await lockedProject(path.join(work, "explained"), {
    "package.json": '{ "name": "explained", "dependencies": { "one": "1.0.0" }, "engines": { "node": "24.x" } }',
    "index.js": 'require("one");\nrequire("fs").readFileSync(__dirname + "/data.txt");',
    "data.txt": "x",
    "node_modules/one/package.json": '{ "name": "one", "version": "1.0.0" }',
    "node_modules/one/index.js": "// first line\nrequire('./two')",
    "node_modules/one/two.js": "",
  });
  const archive = path.join(work, "explained.tar");
  const { digest } = await slimBuild(["-o", archive, "--closure-file", "closure.json"], { cwd });
  t.regex(digest, /^sha256:/);
  const why = async (place: string) => (await slim(["explain", archive, place], { cwd })).stdout;

  t.is(
    await why("/app/node_modules/one/two.js"),
    "/app/index.js  entry\n  /app/node_modules/one/index.js  require one  index.js:1\n    /app/node_modules/one/two.js  require ./two  node_modules/one/index.js:2\n",
  );
  t.is(await why("/app/data.txt"), "/app/index.js  entry\n  /app/data.txt  asset data.txt  index.js:2\n");
  t.regex(await why("/usr/lib/x86_64-linux-gnu/libm.so.6"), /^\/usr\/local\/bin\/node .*\n {2}.*DT_NEEDED libm\.so\.6/);
  const [, published, cut] =
    /preset runtime, published as (sha256:[0-9a-f]{64}) and cut to (sha256:[0-9a-f]{64})\n/.exec(
      await why("/usr/local/bin/node"),
    ) ?? [];
  t.truthy(published);
  t.not(published, cut);

  const sizes = await slim(["explain", archive], { cwd });
  t.regex(sizes.stdout, /node/);
  const absent = await slim(["explain", archive, "/bin/sh"], { cwd });
  t.is(absent.code, 1);
  t.regex(absent.stderr, /^error: .*\/bin\/sh.*\n$/);
  // On another machine the closure file says it.
  const env = { SLIM_CACHE_DIR: path.join(work, "empty-cache") };
  t.regex((await slim(["explain", archive], { cwd, env })).stderr, /--closure-file/);
  const elsewhere = await slim(["explain", archive, "/app/data.txt", "--closure-file", "closure.json"], { cwd, env });
  t.is(elsewhere.stdout, await why("/app/data.txt"));
});
