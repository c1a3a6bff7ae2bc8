import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { Cache } from "../../src/layer/cache.ts";
import { listing, workFolder } from "../support/project.ts";

const work = workFolder(test);
async function* of(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

test("a record is given back, and a damaged one is as none", async (t) => {
  const cache = new Cache(path.join(work, "records"));
  await cache.put("kind", "a key of any / form", { value: [1, "ü"] });
  t.deepEqual(await cache.get("kind", "a key of any / form"), { value: [1, "ü"] });
  t.is(await cache.get("kind", "another"), undefined);
  const [name = ""] = await readdir(path.join(cache.dir, "records/kind"));
  const file = path.join(cache.dir, "records/kind", name);
  const text = await readFile(file, "utf8");
  for (const damaged of [text.replace("1", "2"), text.slice(0, -1), "", "\n"]) {
    await writeFile(file, damaged);
    t.is(await cache.get("kind", "a key of any / form"), undefined, JSON.stringify(damaged));
  }
});

test("a damaged blob is removed and as none", async (t) => {
  const { digest, size } = await new Cache(path.join(work, "blobs")).add(of("some ", "bytes"));
  t.is(size, 10);
  const cache = new Cache(path.join(work, "blobs"));
  const file = cache.pathOf(digest);
  await rm(file);
  await writeFile(file, "some bites");
  t.is(await cache.blob(digest), undefined);
  t.is(await cache.blob(digest), undefined);
  t.is((await cache.add(of("some bytes"))).digest, digest);
  t.is((await cache.blob(digest))?.size, 10);
});

test("a stream that fails leaves nothing, and its error is passed on", async (t) => {
  const cache = new Cache(path.join(work, "failing"));
  const failure = new Error("broken");
  async function* broken() {
    yield Buffer.from("half");
    throw failure;
  }
  t.is(await t.throwsAsync(cache.add(broken())), failure);
  t.deepEqual(
    (await listing(cache.dir)).filter((name) => !["blobs", "blobs/sha256"].includes(name)),
    [],
  );
});

test("many may add the same and others at once", async (t) => {
  const folder = path.join(work, "many");
  const added = await Promise.all(
    Array.from({ length: 40 }, (_, at) => new Cache(folder).add(of(`${at % 4}`.repeat(1000)))),
  );
  t.is(new Set(added.map(({ digest }) => digest)).size, 4);
  t.is((await readdir(path.join(folder, "blobs/sha256"))).length, 4);
  for (const { digest } of added) t.is((await new Cache(folder).blob(digest))?.size, 1000);
});
