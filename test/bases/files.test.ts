import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import test from "ava";
import { digestOf } from "../../src/image/digest.ts";
import { Cache } from "../../src/layer/cache.ts";
import { Bases } from "../../src/sources/base/bases.ts";
import { BaseFiles } from "../../src/sources/base/files.ts";
import { listLayer } from "../../src/sources/base/listing.ts";
import { folderStore } from "../../src/store/folder.ts";
import { baseOf, type LayerFiles, layerOf, sha256 } from "../support/base-images.ts";
import { workFolder } from "../support/project.ts";
import { blobOf, contextOf, readAll } from "../support/registry-images.ts";
import { run } from "../support/registry-server.ts";
import { testWith } from "../support/tools.ts";

const real = testWith(test.serial, "root", "umoci");
const work = workFolder(test);
const context = contextOf();
const cache = new Cache(path.join(work, "cache"));

const layers: readonly LayerFiles[] = [
  {
    "./": "",
    "./usr/": "",
    "./usr/lib/": "",
    "./lib": "-> usr/lib",
    "./usr/lib/a.so.1": "a",
    "./usr/lib/a.so": "-> a.so.1",
    "./usr/lib/hard": "=> ./usr/lib/a.so.1",
    "etc/passwd": "root:x:0:0",
    "etc/gone": "x",
    "opt/full/one": "1",
    "opt/full/deep/two": "2",
    "opt/dir/three": "3",
    "opt/file": "f",
    "var/run": "-> /run",
    "run/": "",
  },
  {
    "lib/b.so": "through a link",
    "var/run/pid": "7",
    "etc/.wh.gone": "",
    "opt/full/.wh..wh..opq": "",
    "opt/full/new": "n",
    "opt/.wh.dir": "",
    "opt/dir/again": "again",
    "opt/file/": "",
    "opt/file/inside": "i",
    "usr/lib/later": "=> usr/lib/hard",
    "usr/lib/hard": "of its own",
  },
];

real("the files of a base are those that an engine unpacks", async (t) => {
  const layout = path.join(work, "layout");
  await folderStore(layout).write(context, await baseOf(layers), ["base:1"]);
  const bundle = path.join(work, "bundle");
  await run("umoci", ["unpack", "--image", `${layout}:1`, bundle]);
  const bases = new Bases({ context, cache, registry: {}, frozen: false });
  const base = await bases.image(`oci:${layout}`, work, { os: "linux", architecture: "amd64" });
  const expected = described(path.join(bundle, "rootfs"));
  const actual = new Map<string, string>();
  for (const place of base.files.paths()) {
    const file = base.files.at(place);
    if (file?.type === "file") {
      const bytes = await readAll((await base.content(file)).open());
      t.is(sha256(bytes), file.digest);
      actual.set(place, bytes.toString());
    } else actual.set(place, file?.type === "link" ? `-> ${file.target}` : "/");
  }
  t.deepEqual([...actual].sort(), [...expected].sort());
  t.is(base.files.find("/lib/a.so")?.path, "/usr/lib/a.so.1");
  t.is(base.files.placeOf("/lib/new"), "/usr/lib/new");
  t.is(base.files.find("/var/run/pid")?.path, "/run/pid");
  t.deepEqual(base.files.names("/lib"), ["a.so", "a.so.1", "b.so", "hard", "later"]);
});

/** Everything below a folder; links are not followed. */
function described(root: string, place = "/", found = new Map<string, string>()): Map<string, string> {
  for (const name of readdirSync(path.join(root, place))) {
    const at = path.join(place, name);
    const file = path.join(root, at);
    const stats = lstatSync(file);
    if (stats.isDirectory()) described(root, at, found.set(at, "/"));
    else found.set(at, stats.isSymbolicLink() ? `-> ${readlinkSync(file)}` : readFileSync(file, "utf8"));
  }
  return found;
}

const files = async (...all: LayerFiles[]) =>
  new BaseFiles(
    await Promise.all(all.map(async (one) => listLayer(context, cache, await layerOf(one), "base"))),
    "base",
  );

test("loops of links lead nowhere", async (t) => {
  const looped = await files({ a: "-> b", b: "-> a", "c/d": "-> ." });
  t.is(looped.find("/a/x"), undefined);
  t.is(looped.find("/c/d/d/d")?.path, "/c");
});

test("what leaves the root, lies about its content or unpacks without end is refused, and nothing is kept", async (t) => {
  await t.throwsAsync(files({ "../x": "" }), { code: "ARCHIVE_UNSAFE", message: /leaves its root/ });
  await t.throwsAsync(files({ a: "=> nothing" }), { code: "INVALID", message: /hard link to \/nothing/ });
  const layer = await layerOf({ lying: "x" });
  const lying = { ...layer, diffId: sha256("other") as typeof layer.diffId };
  await t.throwsAsync(listLayer(context, cache, lying, "base"), { code: "INTEGRITY", message: /unpacks to/ });
  const bomb = await layerOf({ bomb: Buffer.alloc(80 << 20) });
  await t.throwsAsync(listLayer(context, cache, bomb, "base"), { code: "ARCHIVE_UNSAFE", message: /more than/ });
  t.is(await cache.get("base-layer", bomb.diffId), undefined);
  t.is(await cache.get("base-layer", lying.diffId), undefined);
});

test("a tar that ends with the last byte of its last file is whole", async (t) => {
  const layer = await layerOf({ first: "1", last: "only this" });
  const tar = gunzipSync(await readAll(layer.open())).subarray(0, 3 * 512 + "only this".length);
  const short = { ...blobOf(gzipSync(tar), layer.descriptor.mediaType), name: "short", diffId: digestOf(tar) };
  const { members } = await listLayer(context, cache, short, "base");
  t.deepEqual(
    members.map(({ path }) => path),
    ["/first", "/last"],
  );
  const cut = tar.subarray(0, -9);
  const damaged = { ...blobOf(gzipSync(cut), layer.descriptor.mediaType), name: "cut", diffId: digestOf(cut) };
  await t.throwsAsync(listLayer(context, cache, damaged, "base"), { code: "INVALID", message: /cannot be read/ });
});

test("a listing that is known is not read again, but for bytes that the cache has lost", async (t) => {
  const layer = await layerOf({ known: "bytes" });
  let opened = 0;
  const counted = {
    ...layer,
    open: () => {
      opened += 1;
      return layer.open();
    },
  };
  await listLayer(context, cache, counted, "base");
  await listLayer(context, cache, counted, "base");
  t.is(opened, 1);

  const folder = path.join(work, "lost");
  await folderStore(folder).write(context, await baseOf([{ kept: "these bytes" }]), []);
  const pruned = new Cache(path.join(work, "pruned"));
  const bases = new Bases({ context, cache: pruned, registry: {}, frozen: false });
  const { files, content } = await bases.image(folder, work, { os: "linux", architecture: "amd64" });
  const file = files.at("/kept");
  if (file?.type !== "file") return t.fail();
  rmSync(path.join(pruned.dir, "blobs"), { recursive: true });
  t.is((await readAll((await content(file)).open())).toString(), "these bytes");
});
