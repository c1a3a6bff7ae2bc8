import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import { writeAll } from "../../../src/base/files.ts";
import { parseElf } from "../../../src/closure/elf/parse.ts";
import { bytesReader, withFile } from "../../../src/closure/elf/reader.ts";
import { planTrim, type Trim, trimmed } from "../../../src/closure/elf/trim.ts";
import { buildElf } from "../../support/elf-builder.ts";
import { npmPackageFolder } from "../../support/npm-package-folder.ts";
import { hasTool, unpackedPackage } from "../../support/tools.ts";

let folder = "";
test.before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "slim-trim-"));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

async function trimFile(from: string, to: string): Promise<Trim> {
  return await withFile(from, async (reader) => {
    const trim = await planTrim(reader, from);
    const handle = await open(to, "w", 0o755);
    try {
      await writeAll(handle, trimmed(reader, trim));
    } finally {
      await handle.close();
    }
    return trim;
  });
}

async function trimBytes(bytes: Uint8Array): Promise<{ trim: Trim; bytes: Uint8Array }> {
  const reader = bytesReader(bytes);
  const trim = await planTrim(reader, "x");
  const parts: Uint8Array[] = [];
  for await (const part of trimmed(reader, trim)) parts.push(part);
  return { trim, bytes: Uint8Array.from(Buffer.concat(parts)) };
}

const compiler = "gcc";
/** The machine's own architecture, as npm names it; the packages exist for these two. */
const arch = process.arch === "arm64" ? "arm64" : "x64";

test("the Node.js runtime runs without what no loader reads", async (t) => {
  const node = path.join(await npmPackageFolder(`node-linux-${arch}@24.21.0`), "bin/node");
  const to = path.join(folder, "node");
  const trim = await trimFile(node, to);
  t.is(trim.appendedBytes, 0);
  t.is((await stat(to)).size, trim.size);
  if (arch === "x64") t.is(trim.size, 108_508_384);
  const script =
    "console.log(process.version, require('crypto').createHash('sha256').update('x').digest('hex').length)";
  t.is(execFileSync(to, ["-e", script], { encoding: "utf8" }), "v24.21.0 64\n");
  t.log(`${(await stat(node)).size} -> ${trim.size} bytes`);
});

test("a static Go program runs", async (t) => {
  const esbuild = path.join(await npmPackageFolder(`@esbuild/linux-${arch}@0.28.2`), "bin/esbuild");
  const to = path.join(folder, "esbuild");
  const trim = await trimFile(esbuild, to);
  t.is(trim.appendedBytes, 0);
  t.is(execFileSync(to, ["--version"], { encoding: "utf8" }), "0.28.2\n");
});

test("Go's build information survives", async (t) => {
  const root = await unpackedPackage(t, "gron");
  if (root === undefined) return;
  const file = path.join(root, "usr/bin/gron");
  const to = path.join(folder, "gron");
  await trimFile(file, to);
  const [before, after] = [await readFile(file), await readFile(to)];
  const marker = Buffer.from("\xff Go buildinf:", "latin1");
  t.not(before.indexOf(marker), -1);
  t.is(after.indexOf(marker), before.indexOf(marker));
  t.is(execFileSync(to, { input: '{"a":1}', encoding: "utf8" }), "json = {};\njson.a = 1;\n");
});

test("programs and libraries of a C compiler run, also when trimmed twice", async (t) => {
  if (!hasTool(t, "gcc")) return;
  await writeFile(path.join(folder, "lib.c"), "int answer(void) { return 42; }");
  await writeFile(path.join(folder, "main.c"), "int answer(void); int main(void) { return answer(); }");
  const gcc = (...args: string[]) => execFileSync(compiler, ["-g", ...args], { cwd: folder });
  gcc("-shared", "-fPIC", "lib.c", "-o", "libanswer.so");
  gcc("main.c", "-L.", "-lanswer", "-Wl,-rpath,$ORIGIN", "-o", "dynamic");
  gcc("main.c", "lib.c", "-static", "-o", "static");
  gcc("main.c", "lib.c", "-static-pie", "-o", "static-pie");
  for (const name of ["libanswer.so", "dynamic", "static", "static-pie"]) {
    const file = path.join(folder, name);
    const original = await readFile(file);
    const once = await trimBytes(original);
    t.is(once.trim.appendedBytes, 0, name);
    t.true(once.bytes.length < original.length, name);
    t.deepEqual(await parseElf(bytesReader(once.bytes), "x"), await parseElf(bytesReader(original), "x"), name);
    t.is(Buffer.compare((await trimBytes(once.bytes)).bytes, once.bytes), 0, name);
    await writeFile(file, once.bytes);
    await chmod(file, 0o755);
  }
  for (const name of ["dynamic", "static", "static-pie"]) {
    const error = t.throws(() => execFileSync(path.join(folder, name))) as Error & { status?: number };
    t.is(error.status, 42, name);
  }
});

test("what was appended for the program to read is seen", async (t) => {
  const file = execFileSync("sh", ["-c", "ls /usr/lib/*-linux-gnu/libdl.so.2"], { encoding: "utf8" }).trim();
  const bytes = await readFile(file);
  t.is((await trimBytes(bytes)).trim.appendedBytes, 0);
  t.is((await trimBytes(Buffer.concat([bytes, Buffer.from("payload")]))).trim.appendedBytes, 7);
  const bare = buildElf({ type: 2 });
  t.is((await trimBytes(bare)).trim.appendedBytes, 0);
  t.is((await trimBytes(Buffer.concat([bare, Buffer.alloc(100_000)]))).trim.appendedBytes, 100_000);
  const { bytes: cut } = await trimBytes(bytes);
  t.is((await trimBytes(Buffer.concat([cut, Buffer.from("payload")]))).trim.appendedBytes, 7);
});

test("works for every class and byte order: headers zeroed, the rest as it was", async (t) => {
  for (const name of ["libc6-armhf-cross", "libc6-s390x-cross", "libc6-i386-cross", "libc6-ppc64el-cross"]) {
    const root = await unpackedPackage(t, name);
    if (root === undefined) return;
    const own = (await readdir(path.join(root, "usr"))).find((one) => one.includes("-linux-")) ?? "";
    const original = await readFile(path.join(root, "usr", own, "lib/libc.so.6"));
    const { bytes, trim } = await trimBytes(original);
    t.is(trim.appendedBytes, 0);
    const expected = Uint8Array.from(original.subarray(0, trim.size));
    const wide = original[4] === 2;
    expected.fill(0, ...((wide ? [40, 48] : [32, 36]) as [number, number]));
    expected.fill(0, wide ? 60 : 48, wide ? 64 : 52);
    t.is(Buffer.compare(bytes, expected), 0, name);
    t.deepEqual(await parseElf(bytesReader(bytes), "x"), await parseElf(bytesReader(original), "x"));
  }
});

test("object files and what is not ELF are refused", async (t) => {
  await t.throwsAsync(planTrim(bytesReader(buildElf({ type: 1 })), "a.o"), {
    instanceOf: SlimError,
    message: "neither a program nor a library",
  });
  await t.throwsAsync(planTrim(bytesReader(Buffer.from("#!/bin/sh")), "a"), { message: "not an ELF file" });
});
