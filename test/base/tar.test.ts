import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import fc from "fast-check";
import { extract } from "tar-stream";
import { readTarHeaders, type TarMember, type TarSpan, writeTar } from "../../src/base/tar.ts";
import { workFolder } from "../support/project.ts";

const run = promisify(execFile);
const work = workFolder(test);
const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };

async function bytesOf(members: readonly TarMember[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of writeTar(members)) parts.push(chunk);
  return Buffer.concat(parts);
}

function file(name: string, content: Uint8Array): TarMember {
  const open = async function* () {
    yield content;
  };
  return { ...common, path: name, type: "file", size: content.length, open };
}

const part = fc
  .oneof(
    fc.stringMatching(/^[a-zA-Z0-9][\w.@+-]{0,30}$/),
    fc.stringMatching(/^[a-z]{90,200}$/),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  )
  .filter((text) => !/[/\0\n\\]/.test(text) && text !== "." && text !== ".." && Buffer.byteLength(text) < 250);
const name = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
const member = fc.oneof(
  fc.tuple(name, fc.uint8Array({ maxLength: 2000 })).map(([at, content]) => file(at, content)),
  name.map((at): TarMember => ({ ...common, path: at, type: "directory", mode: 0o755, size: 0 })),
  fc.tuple(name, name).map(([at, target]): TarMember => ({ ...common, path: at, type: "symlink", size: 0, target })),
);
const members = fc.uniqueArray(member, { maxLength: 8, selector: ({ path: at }) => at });

test("what is written is what tar-stream reads", async (t) => {
  for (const list of fc.sample(members, 100)) {
    const extraction = extract();
    const found: { name: string; type: string | undefined; link: string | undefined; content: Buffer }[] = [];
    extraction.end(await bytesOf(list));
    for await (const entry of extraction) {
      const parts: Buffer[] = [];
      for await (const chunk of entry) parts.push(chunk as Buffer);
      const { name: at, type, linkname } = entry.header;
      t.like(entry.header, { uid: 0, gid: 0, uname: "", gname: "" });
      found.push({ name: at.replace(/\/$/, ""), type, link: linkname ?? undefined, content: Buffer.concat(parts) });
    }
    t.deepEqual(
      found.map(({ name: at, type, link }) => [at, type, link]),
      list.map(({ path: at, type, target }) => [at, type, target]),
    );
    for (const [at, one] of list.entries()) t.is(found[at]?.content.length, one.size);
  }
});

test("slim's own reader finds every file in its place", async (t) => {
  await fc.assert(
    fc.asyncProperty(members, async (list) => {
      const bytes = await bytesOf(list);
      const spans: TarSpan[] = [];
      const read = async (at: number, length: number) => bytes.subarray(at, at + length);
      for await (const span of readTarHeaders(read, bytes.length, "test")) spans.push(span);
      const files = list.filter(({ type }) => type === "file");
      t.deepEqual(
        spans.map(({ path: at, size }) => [at, size]),
        files.map(({ path: at, size }) => [at, size]),
      );
      for (const [index, { open }] of files.entries()) {
        const { offset, size } = spans[index] as TarSpan;
        for await (const content of open?.() ?? [])
          t.deepEqual(bytes.subarray(offset, offset + size), Buffer.from(content));
      }
    }),
  );
});

test("any damage to a header, and every cut, is an error and not a hang", async (t) => {
  const bytes = await bytesOf([file("a", Buffer.from("content")), file("b".repeat(300), Buffer.alloc(600))]);
  const readAll = async (from: Buffer) => {
    const read = async (at: number, length: number) => from.subarray(at, at + length);
    for await (const _ of readTarHeaders(read, from.length, "test"));
  };
  await readAll(bytes);
  for (let length = 0; length < bytes.length - 1023; length += 64) {
    await t.throwsAsync(readAll(bytes.subarray(0, length)), { code: "INVALID" }, `${length} bytes`);
  }
  for (let at = 0; at < 500; at += 1) {
    // The digits of the checksum may be written in several ways.
    if (at >= 148 && at < 156) continue;
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0x10;
    await t.throwsAsync(readAll(copy), { code: "INVALID" }, `byte ${at}`);
  }
});

test("GNU tar lists the same names, and unpacks the same bytes", async (t) => {
  const long = `${"folder/".repeat(30)}${"name".repeat(40)}`;
  const names = [
    "plain",
    "ünï/cödé 日本",
    "a".repeat(100),
    "a".repeat(101),
    `${"p".repeat(155)}/${"n".repeat(100)}`,
    long,
  ];
  const archive = path.join(work, "gnu.tar");
  await writeFile(archive, await bytesOf(names.map((at) => file(at, Buffer.from(at)))));
  const { stdout } = await run("tar", ["--quoting-style=literal", "-tf", archive], {
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  t.deepEqual(stdout.trimEnd().split("\n"), names);
  for (const at of names) t.is((await run("tar", ["-xOf", archive, at])).stdout, at);
  await rm(archive);
});

test("a file that changed its size while it was read is an error", async (t) => {
  const member = { ...file("a", Buffer.from("four")), size: 5 };
  await t.throwsAsync(bytesOf([member]), { code: "INVALID" });
});
