import { writeFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import test from "ava";
import { pack } from "tar-stream";
import type { SlimError } from "../../src/base/error.ts";
import type { Image } from "../../src/image/types.ts";
import { archiveStore } from "../../src/store/archive.ts";
import { workFolder } from "../support/project.ts";
import { contextOf, imageOf, readAll } from "../support/registry-images.ts";

const work = workFolder(test);
let archives = 0;

/** Writes a tar of the given files; a string is the target of a link. */
async function archiveOf(files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string") tar.entry({ name, type: "symlink", linkname: content });
    else tar.entry({ name }, Buffer.from(content));
  }
  tar.finalize();
  archives += 1;
  const file = path.join(work, `${archives}.tar`);
  await writeFile(file, await readAll(tar as AsyncIterable<Uint8Array>));
  return file;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const idOf = (image: Image) => image.manifest.config.digest.replace("sha256:", "");

/** The files of an image as `docker save` names them; a layer that is there already is a link to it. */
async function filesOf(image: Image, packed = false): Promise<Record<string, Uint8Array | string>> {
  const files: Record<string, Uint8Array | string> = {
    [`${idOf(image)}.json`]: await readAll(image.configBlob.open()),
  };
  for (const [index, layer] of image.layers.entries()) {
    const first = image.layers.findIndex(({ diffId }) => diffId === layer.diffId);
    const bytes = await readAll(layer.open());
    const link = first < index ? `../${first}/layer.tar` : undefined;
    files[`${index}/layer.tar`] = link ?? (packed ? bytes : gunzipSync(bytes));
  }
  return files;
}

const entryOf = (image: Image, RepoTags: readonly string[] | null) => ({
  Config: `${idOf(image)}.json`,
  RepoTags,
  Layers: image.layers.map((_, index) => `${index}/layer.tar`),
});

const read = async (file: string, ref?: string) => (await archiveStore(file).read(contextOf(), ref)) as Image;

for (const packed of [false, true]) {
  test(`an archive of docker save, layers ${packed ? "packed" : "plain"}, one of them twice`, async (t) => {
    const image = imageOf({ layers: ["os", "app", "os"] });
    const files = { ...(await filesOf(image, packed)), "manifest.json": json([entryOf(image, ["team/app:1"])]) };
    const found = await read(await archiveOf(files));
    t.is(found.manifest.config.digest, image.manifest.config.digest);
    t.deepEqual(await readAll(found.configBlob.open()), await readAll(image.configBlob.open()));
    for (const [index, layer] of found.layers.entries()) {
      const original = await readAll((image.layers[index] as (typeof image.layers)[number]).open());
      t.deepEqual(await readAll(layer.open()), packed ? original : gunzipSync(original));
      t.is<unknown, unknown>(layer.diffId, image.layers[index]?.diffId);
    }
    t.is((await read(await archiveOf(files))).descriptor.digest, found.descriptor.digest);
  });
}

test("of several images one is chosen by name", async (t) => {
  const [one, two] = [imageOf({ layers: ["one"] }), imageOf({ layers: ["two"] })];
  const second = { ...entryOf(two, ["example.com/two:latest"]), Layers: ["two/layer.tar"] };
  const files = {
    ...(await filesOf(one)),
    [`${idOf(two)}.json`]: await readAll(two.configBlob.open()),
    "two/layer.tar": gunzipSync(await readAll((two.layers[0] as (typeof two.layers)[number]).open())),
    "manifest.json": json([entryOf(one, ["one:1"]), second]),
  };
  const file = await archiveOf(files);
  t.is((await read(file, "docker.io/library/one:1")).manifest.config.digest, one.manifest.config.digest);
  t.is((await read(file, "example.com/two")).manifest.config.digest, two.manifest.config.digest);
  const several = await t.throwsAsync<SlimError>(read(file), { code: "NOT_FOUND" });
  t.is(several?.hint, "choose one of one:1, example.com/two:latest");
  await t.throwsAsync(read(file, "three"), { code: "NOT_FOUND", message: "holds no image named three" });
});

test("what is damaged is refused", async (t) => {
  const image = imageOf();
  const files = await filesOf(image);
  const good = [entryOf(image, null)];
  const withManifest = async (manifest: unknown, more = {}) =>
    read(await archiveOf({ ...files, ...more, "manifest.json": json(manifest) }));
  for (const wrong of [{}, [{}], [null], [{ ...good[0], Layers: [1] }], [{ ...good[0], Layers: ["0/layer.tar"] }]]) {
    await t.throwsAsync(withManifest(wrong), { code: "INVALID" });
  }
  await t.throwsAsync(withManifest([{ ...good[0], Layers: ["../../etc/passwd", "none"] }]), { code: "INVALID" });
  const config = Buffer.concat([await readAll(image.configBlob.open()), Buffer.from("\n")]);
  await t.throwsAsync(withManifest(good, { [`${idOf(image)}.json`]: config }), { code: "INTEGRITY" });
  const changed = Buffer.from(files["0/layer.tar"] as Uint8Array);
  changed[600] = (changed[600] ?? 0) ^ 1;
  const found = await withManifest(good, { "0/layer.tar": changed });
  await t.throwsAsync(readAll((found.layers[0] as (typeof found.layers)[number]).open()), { code: "INTEGRITY" });
});
