import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { Cache } from "../../../src/layer/cache.ts";
import { decompress } from "../../../src/sources/debian/bytes.ts";
import { type Unpacked, unpackDeb } from "../../../src/sources/debian/deb.ts";
import { ar, deb, type Member, sha256 } from "../../support/debian-archive.ts";
import { failsWith } from "../../support/slim-error.ts";

interface Unpack {
  readonly cache: Cache;
  run(bytes: Buffer): Promise<Unpacked>;
}

async function unpacker(t: ExecutionContext): Promise<Unpack> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-deb-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const cache = new Cache(folder);
  return { cache, run: async (bytes) => unpackDeb(cache, await cache.add(chunks(bytes)), "pool/test.deb") };
}

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

const packageOf = (members: readonly Member[]) => deb({ name: "test", version: "1", members });

test("files, folders, links and their bytes", async (t) => {
  const { cache, run } = await unpacker(t);
  const found = await run(
    await packageOf([
      { name: "./", type: "directory", mode: 0o755 },
      { name: "./usr/", type: "directory", mode: 0o755 },
      { name: "./usr/bin/", type: "directory", mode: 0o755 },
      { name: "./usr/bin/a", mode: 0o4755, content: "one" },
      { name: "./usr/bin/empty", content: "" },
      { name: "./lib/b", type: "link", linkname: "./usr/bin/a", mode: 0o644 },
      { name: "./usr/c", type: "symlink", linkname: "../etc/c", mode: 0o777 },
      { name: "./usr/bin/two", content: "two" },
    ]),
  );
  t.deepEqual(
    found.files.map(({ path, type, mode }) => [path, type, mode.toString(8)]),
    [
      ["/usr", "directory", "755"],
      ["/usr/bin", "directory", "755"],
      ["/usr/bin/a", "file", "4755"],
      ["/usr/bin/empty", "file", "644"],
      ["/usr/lib/b", "file", "644"],
      ["/usr/c", "symlink", "777"],
      ["/usr/bin/two", "file", "644"],
    ],
  );
  const [a, b, two] = ["/usr/bin/a", "/usr/lib/b", "/usr/bin/two"].map((name) => {
    const file = found.files.find((one) => one.path === name);
    return file?.type === "file" ? file : undefined;
  });
  t.like(a, { offset: 0, size: 3, digest: `sha256:${sha256("one")}`, md5: "f97c5d29941bfb1b2fdab0874906ab82" });
  t.like(b, { offset: 0, size: 3, digest: `sha256:${sha256("one")}` });
  t.like(two, { offset: 3, size: 3, digest: `sha256:${sha256("two")}` });
  t.is(found.pack, `sha256:${sha256("onetwo")}`);
  t.is((await cache.blob(found.pack))?.size, 6);
});

test("control file and maintainer scripts", async (t) => {
  const { run } = await unpacker(t);
  const one = { name: "test", version: "1" };
  t.false((await run(await deb(one, [{ name: "./md5sums", content: "x" }]))).hasMaintainerScripts);
  const found = await run(await deb(one, [{ name: "./postinst", content: "#!/bin/sh" }]));
  t.true(found.hasMaintainerScripts);
  t.regex(found.control, /^Package: test\n/);
});

const unsafe: Readonly<Record<string, readonly Member[]>> = {
  "a path with ..": [{ name: "./usr/../../etc/passwd", content: "x" }],
  "an absolute path": [{ name: "/etc/passwd", content: "x" }],
  "a link out of the root": [{ name: "./usr/x", type: "symlink", linkname: "../../etc/passwd" }],
  "an absolute link out of the root": [{ name: "./usr/x", type: "symlink", linkname: "/../etc/passwd" }],
  "a hard link out of the root": [{ name: "./x", type: "link", linkname: "../../etc/passwd" }],
  "a hard link to nothing": [{ name: "./x", type: "link", linkname: "./y" }],
  "a hard link to a symbolic link": [
    { name: "./y", type: "symlink", linkname: "z" },
    { name: "./x", type: "link", linkname: "./y" },
  ],
  "a file below a link": [
    { name: "./etc", type: "symlink", linkname: "usr" },
    { name: "./etc/passwd", content: "x" },
  ],
  "a link above a file that came first": [
    { name: "./etc/passwd", content: "x" },
    { name: "./etc", type: "symlink", linkname: "usr" },
  ],
  "a file below a file": [
    { name: "./etc", content: "x" },
    { name: "./etc/passwd", content: "x" },
  ],
  "one path twice": [
    { name: "./etc/passwd", content: "x" },
    { name: "./etc//passwd", content: "y" },
  ],
  "one path twice in the merged /usr": [
    { name: "./lib/x", content: "x" },
    { name: "./usr/lib/x", content: "y" },
  ],
  "a device": [{ name: "./dev/sda", type: "character-device" }],
};

for (const [what, members] of Object.entries(unsafe)) {
  test(`${what} is refused, and nothing is kept`, async (t) => {
    const { cache, run } = await unpacker(t);
    const bytes = await packageOf(members);
    await failsWith(t, "ARCHIVE_UNSAFE", () => run(bytes));
    t.deepEqual(await readdir(path.join(cache.dir, "blobs"), { recursive: true }), [
      "sha256",
      `sha256/${sha256(bytes)}`,
    ]);
  });
}

test("a bomb is stopped", async (t) => {
  const { cache, run } = await unpacker(t);
  const bytes = await packageOf([{ name: "./zeros", content: Buffer.alloc(2 ** 27) }]);
  t.regex(await failsWith(t, "ARCHIVE_UNSAFE", () => run(bytes)), /unpacks to more than/);
  t.is((await cache.usage()).files, 1);
});

test("a bomb in the control archive is stopped", async (t) => {
  const { run } = await unpacker(t);
  const bytes = await deb({ name: "test", version: "1" }, [{ name: "./md5sums", content: Buffer.alloc(2 ** 25) }]);
  await failsWith(t, "ARCHIVE_UNSAFE", () => run(bytes));
});

test("what is damaged is refused", async (t) => {
  const { run } = await unpacker(t);
  const good = await packageOf([{ name: "./x", content: "x".repeat(5000) }]);
  await run(good);
  await failsWith(t, "DEBIAN", () => run(Buffer.from("")));
  await failsWith(t, "DEBIAN", () => run(Buffer.from("no archive at all")));
  await failsWith(t, "ARCHIVE_UNSAFE", () => run(good.subarray(0, good.length - 20)));
  await failsWith(t, "DEBIAN", () => run(ar({ "control.tar.gz": Buffer.from("") })));
  const members = { "debian-binary": Buffer.from("2.0\n"), "control.tar.gz": gzipSync("") };
  await failsWith(t, "DEBIAN", () => run(ar({ ...members, "data.tar.gz": gzipSync("") })));
  for (const [name, content] of [
    ["data.tar", "x".repeat(1024)],
    ["data.tar.gz", "no gzip"],
    ["data.tar.xz", "no xz"],
    ["data.tar.xz", ""],
    ["data.tar.zst", "no zstd"],
  ] as const) {
    const control = good.subarray(8 + 60 + 4 + 60, 8 + 60 + 4 + 60 + Number(good.toString("latin1", 72 + 48, 72 + 58)));
    const bytes = ar({
      "debian-binary": Buffer.from("2.0\n"),
      "control.tar.gz": control,
      [name]: Buffer.from(content),
    });
    await failsWith(t, "DEBIAN", () => run(bytes));
  }
  // A failure leaves nothing behind that would hold up the next one.
  t.is((await run(good)).files.length, 1);
});

test("unpacking that is left in its middle ends no process", async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-xz-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "data.tar.xz");
  const packed = execFileSync("xz", ["-0", "-c"], { input: randomBytes(3e6), maxBuffer: 1e7 });
  await writeFile(file, packed);
  for (let round = 0; round < 30; round += 1) {
    const bytes = decompress("data.tar.xz", { file, start: 0, size: packed.length }, 1e8, "pool/test.deb");
    for (let read = 0; read <= round % 10; read += 1) await bytes.next();
    // Long enough for the next part of the file to have been read ahead.
    await sleep(3);
    const next = bytes.next();
    if (round % 2 === 1) await next;
    await bytes.return(undefined);
  }
  t.pass("an exception that nobody catches would fail this file");
});
