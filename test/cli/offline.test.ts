import { readdir } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { closedNetwork } from "../support/closed-network.ts";
import { copyExpress, listing, workFolder, writeProject } from "../support/project.ts";
import { slim, slimBuild } from "../support/slim.ts";

const work = workFolder(test);
const project = path.join(work, "express");

test.before(() => copyExpress(project));

test("with the lock and a warm cache a build needs no network", async (t) => {
  const before = await slimBuild([project]);
  const env = await closedNetwork(work);
  t.is((await slimBuild([project], { env })).digest, before.digest);
  t.is((await slimBuild([project, "--frozen"], { env })).digest, before.digest);
});

test("with a cold cache and no network it fails with one line and leaves nothing", async (t) => {
  const out = path.join(work, "out");
  const before = await listing(project);
  const begun = performance.now();
  const cache = path.join(work, "cold");
  const env = { ...(await closedNetwork(work)), SLIM_CACHE_DIR: cache };
  const { code, stdout, stderr } = await slim(["build", project, "-o", path.join(out, "image.tar")], { env });
  t.is(code, 1);
  t.is(stdout, "");
  t.regex(stderr, /^error: .*(?:127\.0\.0\.1|npm: ).*ECONNREFUSED.*check the network.*\n$/);
  t.is(stderr.trimEnd().split("\n").length, 1, stderr);
  t.true(performance.now() - begun < 20_000);
  t.deepEqual(await listing(out).catch(() => []), []);
  t.deepEqual(await listing(project), before);
  const left = await readdir(cache, { recursive: true }).catch(() => []);
  t.deepEqual(
    left.filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("--frozen without a lock fails with one line and writes nothing", async (t) => {
  const folder = await writeProject(path.join(work, "frozen"), { "index.js": "" });
  const before = await listing(folder);
  const { code, stdout, stderr } = await slim(["build", "--frozen", "-o", "image.tar"], { cwd: folder });
  t.is(code, 1);
  t.is(stdout, "");
  t.regex(stderr, /^error: \S+slim\.lock: would change: node .*run slim lock.*\n$/);
  t.deepEqual(await listing(folder), before);
});

test("--frozen refuses what the lock does not have, and leaves the lock as it is", async (t) => {
  const { code, stderr } = await slim(["build", project, "--frozen", "--node", "22"], {
    env: await closedNetwork(work),
  });
  t.is(code, 1);
  t.regex(stderr, /^error: slim\.lock: does not have Node\.js 22\.x .*\n$/);
});
