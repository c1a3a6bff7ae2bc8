import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "ava";
import { Cache } from "../../src/layer/cache.ts";
import { bytesContent, type Entry } from "../../src/layer/entry.ts";
import { buildLayer } from "../../src/layer/layer.ts";

const context = { signal: new AbortController().signal, report: () => {}, env: {} };
const options = { compression: "gzip", level: 6, mtime: 0 } as const;
const owner = { uid: 0, gid: 0 };
const entries: readonly Entry[] = [
  { type: "directory", path: "/a", mode: 0o755, ...owner },
  { type: "file", path: "/a/b", mode: 0o644, content: bytesContent("hello"), ...owner },
];

async function read(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

test("a layer that is known is packed again only when somebody reads it", async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-layer-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const cache = new Cache(folder);
  const first = await buildLayer(context, cache, "app", entries, options);
  const bytes = await read(first.open());
  const file = cache.pathOf(first.descriptor.digest);
  await rm(file);

  const again = await buildLayer(context, new Cache(folder), "app", entries, options);
  t.deepEqual(again.descriptor, first.descriptor);
  t.is(again.diffId, first.diffId);
  await t.throwsAsync(stat(file), { code: "ENOENT" });
  t.deepEqual(await read(again.open()), bytes);
});

test("files that are one are hard links, where nothing tells them apart", async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-layer-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const named = (name: string, more: Partial<Entry & { type: "file" }> = {}): Entry => ({
    type: "file",
    path: `/${name}`,
    mode: 0o755,
    content: bytesContent("one"),
    inode: "p:1",
    ...owner,
    ...more,
  });
  const long = `b${"x".repeat(120)}`;
  const given = [
    named("a"),
    named(long),
    named("c", { mode: 0o644 }),
    named("d", { inode: "p:2" }),
    named("e", { content: bytesContent("two") }),
    named("f"),
  ];
  const layer = await buildLayer(context, new Cache(path.join(folder, "cache")), "os", given, options);
  t.is(layer.files, 4);
  t.is(layer.unpackedSize, 12);
  const root = path.join(folder, "root");
  await mkdir(root);
  execFileSync("tar", ["-xzf", "-", "-C", root], { input: await read(layer.open()) });
  const inode = async (name: string) => (await stat(path.join(root, name))).ino;
  const first = await inode("a");
  t.is(await inode(long), first);
  t.is(await inode("f"), first);
  for (const name of ["c", "d", "e"]) t.not(await inode(name), first, name);
});

for (const [what, names] of [
  ["twice", ["/a", "/a"]],
  ["out of order", ["/b", "/a"]],
  ["relative", ["a"]],
  ["with ..", ["/a/../b"]],
  ["that delete files of lower layers", ["/.wh.a"]],
] as const) {
  test(`paths ${what} are refused`, async (t) => {
    const wrong = names.map((name): Entry => ({ type: "directory", path: name, mode: 0o755, ...owner }));
    await t.throwsAsync(buildLayer(context, new Cache("/nowhere"), "app", wrong, options), { message: /^the path / });
  });
}
