import { cp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { membersOf, unpackArchive } from "../support/archive.ts";
import { esbuildBinary } from "../support/esbuild-binary.ts";
import { nodeBinary } from "../support/node-versions.ts";
import { copyCache, copyExpress, forgetLayers, lockedProject, sharedLock, workFolder } from "../support/project.ts";
import { cacheDir, type Printed, type SlimOptions, slim, slimBuild } from "../support/slim.ts";

const work = workFolder(test);
const project = path.join(work, "express");
let first: Printed;

test.before(async () => {
  await copyExpress(project);
  first = await slimBuild([project]);
});

/** The digest of a build that makes all layers again, or all but Node.js's own, which takes long. */
async function afresh(name: string, options: SlimOptions, parts: "all" | "quick"): Promise<Printed> {
  const cache = await copyCache(path.join(work, name));
  await forgetLayers(cache);
  if (parts === "quick") await rememberNodeLayer(cache);
  return slimBuild([project], { ...options, env: { ...options.env, SLIM_CACHE_DIR: cache } });
}

async function rememberNodeLayer(cache: string): Promise<void> {
  const digest = first.platforms[0]?.layers.find(({ name }) => name === "node")?.digest ?? "none";
  await cp(path.join(cacheDir, "records/layer"), path.join(cache, "records/layer"), {
    recursive: true,
    filter: async (file) => !file.endsWith(".json") || (await readFile(file, "utf8")).includes(digest),
  });
}

test("two runs give one digest, and the second makes nothing", async (t) => {
  const second = await slimBuild([project]);
  t.is(second.digest, first.digest);
  t.true(second.platforms[0]?.layers.every(({ cached }) => cached));
});

test("two folders give one digest", async (t) => {
  const other = path.join(work, "another place", "for the app");
  await copyExpress(other);
  t.is((await slimBuild([other])).digest, first.digest);
  t.is((await slimBuild([], { cwd: other })).digest, first.digest);
});

test("umask, time zone and locale do not show", async (t) => {
  const env = { TZ: "Pacific/Kiritimati", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", LANGUAGE: "tr" };
  const other = path.join(work, "umask");
  await copyExpress(other);
  const result = await afresh("umask-cache", { umask: "077", env }, "quick");
  t.is(result.digest, first.digest);
  t.false(result.platforms[0]?.layers.find(({ name }) => name === "os")?.cached, "the layer was made again");
});

for (const [line, parts] of [
  ["20", "all"],
  ["22", "quick"],
  ["24", "quick"],
  ["26", "all"],
] as const) {
  test(`Node.js ${line} builds the same digest`, async (t) => {
    const node = await nodeBinary(line);
    const result = await afresh(`node-${line}`, { node }, parts);
    t.is(result.digest, first.digest);
    t.deepEqual(
      result.platforms[0]?.layers.map(({ name, cached }) => [name, cached]),
      [
        ["os", false],
        ["node", parts === "quick"],
        ["app", false],
      ],
    );
  });
}

test("a cold cache gives the digest of a warm one", async (t) => {
  // Everything is fetched again but the layer that Node.js 20 and 26 make again above.
  const cache = path.join(work, "cold");
  await rememberNodeLayer(cache);
  const digest = first.platforms[0]?.layers.find(({ name }) => name === "node")?.digest.replace(":", "/") ?? "";
  await cp(path.join(cacheDir, "blobs", digest), path.join(cache, "blobs", digest));
  t.is((await slimBuild([project], { env: { SLIM_CACHE_DIR: cache } })).digest, first.digest);
  t.is(await readFile(path.join(project, "slim.lock"), "utf8"), await readFile(await sharedLock(), "utf8"));
});

test("one byte of the app changes the app's layer alone", async (t) => {
  const changed = path.join(work, "changed");
  await copyExpress(changed);
  const server = path.join(changed, "server.js");
  await writeFile(server, (await readFile(server, "utf8")).replace('"world"', '"World"'));
  const second = await slimBuild([changed]);
  t.not(second.digest, first.digest);
  const digests = ({ platforms }: Printed) => platforms[0]?.layers.map(({ name, digest }) => [name, digest]) ?? [];
  t.deepEqual(digests(second).slice(0, 2), digests(first).slice(0, 2));
  t.notDeepEqual(digests(second)[2], digests(first)[2]);
});

test("what is beside the app does not show", async (t) => {
  const other = path.join(work, "beside");
  await copyExpress(other);
  await writeFile(path.join(other, "notes.txt"), "nobody reads this");
  await rm(path.join(other, "node_modules/express/Readme.md"), { force: true });
  t.is((await slimBuild([other])).digest, first.digest);
});

test("SOURCE_DATE_EPOCH is the time of the image and of its files", async (t) => {
  const dated = await lockedProject(path.join(work, "dated"), {});
  const { file } = await esbuildBinary("x64");
  const archive = path.join(work, "dated.tar");
  const args = [file, "--bare", "-o", archive];
  const before = await slimBuild(args, { cwd: dated });
  const { config } = await unpackArchive(archive, path.join(work, "undated"));
  t.is(config.created, "1970-01-01T00:00:00Z");
  const after = await slimBuild(args, { cwd: dated, env: { SOURCE_DATE_EPOCH: "1700000000" } });
  t.not(after.digest, before.digest);
  const image = await unpackArchive(archive, path.join(work, "dated-image"));
  t.is(image.config.created, "2023-11-14T22:13:20Z");
  t.is(image.manifest.annotations?.["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
  const [layer] = image.manifest.layers;
  for (const { header } of layer ? await membersOf(image.blob(layer)) : []) {
    t.is(header.mtime?.toISOString(), "2023-11-14T22:13:20.000Z");
  }
  const { code, stderr } = await slim(["build", file, "--bare"], {
    cwd: dated,
    env: { SOURCE_DATE_EPOCH: "yesterday" },
  });
  t.is(code, 1);
  t.regex(stderr, /SOURCE_DATE_EPOCH is "yesterday"/);
});
