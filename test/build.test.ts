import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type * as Library from "../src/index.ts";
import { sha256File } from "./support/archive.ts";
import { listing, lockedProject, workFolder } from "./support/project.ts";
import { cacheDir, checkout, slim } from "./support/slim.ts";

const library: typeof Library = await import(path.join(checkout, "dist/index.js"));
const work = workFolder(test);
const cwd = path.join(work, "project");

test.before(() => lockedProject(cwd, { "index.js": "console.log(1)" }));

test("build gives what the command line gives, with types and closures", async (t) => {
  const archive = path.join(work, "library.tar");
  const events: Library.ProgressEvent[] = [];
  const result = await library.build({
    cwd,
    output: archive,
    tags: ["team/app:1"],
    cacheDir,
    onProgress: (event) => events.push(event),
  });
  const other = path.join(work, "command.tar");
  await slim(["build", "-o", other, "-t", "team/app:1"], { cwd });
  t.is(await sha256File(archive), await sha256File(other));
  t.deepEqual(result.tags, ["team/app:1"]);
  t.deepEqual(result.outputs, [{ type: "archive", path: archive }]);
  t.true(result.closures[0]?.entries.has("/usr/local/bin/node"));
  t.true([...(result.closures[0]?.entries.values() ?? [])].every(({ reasons }) => reasons.length > 0));
  t.true(events.some((event) => event.type === "stage"));
});

test("an archive can be written to a stream", async (t) => {
  const stream = new PassThrough();
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
  });
  const { platforms } = await library.build({ cwd, output: stream, cacheDir });
  t.true(size > (platforms[0]?.size ?? Infinity));
  t.false(stream.writableEnded, "the stream is the caller's to end");
});

test("an error is a SlimError with code, place and hint", async (t) => {
  const error = await t.throwsAsync(library.build({ cwd, path: "nowhere", cacheDir }), {
    instanceOf: library.SlimError,
  });
  t.like(error, { code: "NOT_FOUND", where: path.join(cwd, "nowhere") });
  t.is(typeof (error as Library.SlimError).hint, "string");
});

test("an AbortSignal stops the build, and nothing is left", async (t) => {
  const out = path.join(work, "aborted");
  const before = await listing(cwd);
  for (const wait of [0, 20, 60, 120]) {
    const controller = new AbortController();
    const cache = path.join(work, `cache-${wait}`);
    const building = library.build({
      cwd,
      output: path.join(out, "image.tar"),
      cacheDir: cache,
      signal: controller.signal,
    });
    const outcome = t.throwsAsync(building, { instanceOf: library.SlimError, code: "ABORTED" }, `after ${wait} ms`);
    await sleep(wait);
    controller.abort();
    const aborted = performance.now();
    await outcome;
    t.true(performance.now() - aborted < 2000, `stops at once: ${performance.now() - aborted} ms after ${wait}`);
    t.deepEqual(await listing(out).catch(() => []), []);
    // What goes on in the background may need a moment to see that it is over.
    await sleep(300);
    t.deepEqual(
      (await listing(cache).catch(() => [])).filter((name) => name.endsWith(".tmp")),
      [],
      `after ${wait} ms`,
    );
  }
  t.deepEqual(await listing(cwd), before);
});

test("an AbortSignal stops the writing to a stream that nobody reads", async (t) => {
  const controller = new AbortController();
  const slow = new PassThrough({ highWaterMark: 1 });
  slow.once("data", () => {
    slow.pause();
    controller.abort();
  });
  const building = library.build({ cwd, output: slow, cacheDir, signal: controller.signal });
  await t.throwsAsync(building, { instanceOf: library.SlimError, code: "ABORTED" });
});

test("a stream that breaks is an error of the output", async (t) => {
  const broken = new PassThrough({ highWaterMark: 1 });
  broken.once("data", () => broken.destroy(new Error("broken pipe")));
  const building = library.build({ cwd, output: broken, cacheDir });
  await t.throwsAsync(building, { instanceOf: library.SlimError, code: "IO", message: /broken pipe/ });
});

test("the library writes nothing to the console and does not end the process", async (t) => {
  const script = `
    const { build } = await import(${JSON.stringify(path.join(checkout, "dist/index.js"))});
    process.exit = () => { throw new Error("process.exit was called"); };
    const outcomes = [];
    for (const call of [{}, { path: "nowhere" }, { output: "/dev/null/image.tar" }, { strict: true, dryRun: true }])
      outcomes.push(await build({ cwd: process.argv[1], cacheDir: process.argv[2], ...call }).then((r) => r.digest ?? "dry", (e) => e.code));
    const { writeFileSync } = await import("node:fs");
    writeFileSync(process.argv[3], JSON.stringify(outcomes));`;
  const seen = path.join(work, "outcomes.json");
  const args = ["--input-type=module", "-e", script, cwd, cacheDir, seen];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  t.is(printed, "");
  t.is(code, 0);
  const outcomes = JSON.parse(await readFile(seen, "utf8"));
  t.regex(outcomes[0], /^sha256:/);
  t.deepEqual(outcomes.slice(1), ["NOT_FOUND", "IO", "dry"]);
});

test("Ctrl-C ends the command line with 130 and leaves nothing half-written", async (t) => {
  const out = path.join(work, "interrupted");
  const cache = path.join(work, "interrupted-cache");
  const env = { ...process.env, SLIM_CACHE_DIR: cache };
  const args = [path.join(checkout, "dist/cli.js"), "build", "-o", path.join(out, "image.tar")];
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  await sleep(1500);
  child.kill("SIGINT");
  t.is(await new Promise((resolve) => child.once("close", resolve)), 130);
  t.is(stderr, "error: stopped\n");
  t.deepEqual(await listing(out).catch(() => []), []);
  t.deepEqual(
    (await listing(cache).catch(() => [])).filter((name) => name.endsWith(".tmp")),
    [],
  );
});
