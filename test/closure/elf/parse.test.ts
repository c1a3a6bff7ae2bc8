import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "ava";
import fc from "fast-check";
import { SlimError } from "../../../src/base/error.ts";
import { type Elf, parseElf } from "../../../src/closure/elf/parse.ts";
import { bytesReader, withFile } from "../../../src/closure/elf/reader.ts";
import { formatPlatform } from "../../../src/image/platform.ts";
import { buildElf } from "../../support/elf-builder.ts";
import { npmPackageFolder } from "../../support/npm-package-folder.ts";
import { hasTool, unpackedPackage } from "../../support/tools.ts";

const parse = (bytes: Uint8Array) => parseElf(bytesReader(bytes), "x");
const parseFile = (file: string) => withFile(file, (reader) => parseElf(reader, file));
const platformName = ({ platform }: Elf) => (platform === undefined ? undefined : formatPlatform(platform));

const gcc = "gcc";
const readelf = "readelf";

const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 300 });
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 5 });

test("says what was put in, for both classes and byte orders", async (t) => {
  const parts = fc.record({
    bits: fc.constantFrom(32, 64),
    endian: fc.constantFrom("little", "big"),
    machine: fc.integer({ min: 0, max: 0xffff }),
    flags: fc.integer({ min: 0, max: 0xffffffff }),
    needed: some(name),
    soname: name,
    rpath: name,
    runpath: name,
    interpreter: name,
    versionNeeds: some(
      fc.record({
        file: name,
        versions: fc.array(fc.record({ name, weak: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      }),
    ),
    versions: some(name),
  });
  await fc.assert(
    fc.asyncProperty(parts, async (parts) => {
      const bytes = buildElf(parts);
      const elf = await parse(bytes);
      for (const [key, value] of Object.entries(parts)) t.deepEqual(elf[key as keyof Elf], value, key);
      t.is(elf.linkage, "dynamic");
      t.is(elf.segmentsEnd, bytes.length);
    }),
    { numRuns: 300 },
  );
});

test("an image for every platform that the header can name, and none for others", async (t) => {
  const cases: [parts: Parameters<typeof buildElf>[0], platform: string | undefined][] = [
    [{ machine: 62 }, "linux/amd64"],
    [{ machine: 62, osabi: 3 }, "linux/amd64"],
    [{ machine: 62, osabi: 9 }, undefined],
    [{ machine: 62, bits: 32 }, undefined],
    [{ machine: 183 }, "linux/arm64"],
    [{ machine: 183, endian: "big" }, undefined],
    [{ machine: 3, bits: 32 }, "linux/386"],
    [{ machine: 40, bits: 32, flags: 0x5000400 }, "linux/arm/v7"],
    [{ machine: 40, bits: 32, flags: 0x5000200 }, "linux/arm/v5"],
    [{ machine: 40, bits: 32, flags: 0x5000002 }, "linux/arm/v7"],
    [{ machine: 40, bits: 32, interpreter: "/lib/ld-linux.so.3" }, "linux/arm/v5"],
    [{ machine: 40, bits: 32, interpreter: "/lib/ld-linux-armhf.so.3" }, "linux/arm/v7"],
    [{ machine: 21, flags: 2 }, "linux/ppc64le"],
    [{ machine: 21, flags: 1, endian: "big" }, undefined],
    [{ machine: 22, endian: "big" }, "linux/s390x"],
    [{ machine: 243 }, "linux/riscv64"],
    [{ machine: 258 }, "linux/loong64"],
    [{ machine: 8, bits: 32, endian: "big" }, undefined],
  ];
  for (const [parts, platform] of cases)
    t.is(platformName(await parse(buildElf(parts))), platform, JSON.stringify(parts));
});

test("tells programs that need no loader from libraries", async (t) => {
  t.is((await parse(buildElf({ type: 2 }))).linkage, "static");
  t.is((await parse(buildElf({ type: 3, flags1: 0x08000000 }))).linkage, "static-pie");
  t.is((await parse(buildElf({ type: 3, soname: "libx.so.1" }))).linkage, "library");
  t.is((await parse(buildElf({ type: 2, interpreter: "/lib/ld.so", needed: [] }))).linkage, "dynamic");
  t.is((await parse(buildElf({ type: 1 }))).linkage, "other");
});

test("real static programs of both platforms: esbuild, written in Go", async (t) => {
  for (const [suffix, platform] of [
    ["x64", "linux/amd64"],
    ["arm64", "linux/arm64"],
  ]) {
    const elf = await parseFile(path.join(await npmPackageFolder(`@esbuild/linux-${suffix}@0.28.2`), "bin/esbuild"));
    t.is(platformName(elf), platform);
    t.is(elf.linkage, "static");
    t.deepEqual(elf.needed, []);
  }
});

test("the C library of seven architectures", async (t) => {
  const cases = {
    "libc6-arm64-cross": ["linux/arm64", "ld-linux-aarch64.so.1"],
    "libc6-armhf-cross": ["linux/arm/v7", "ld-linux-armhf.so.3"],
    "libc6-armel-cross": ["linux/arm/v5", "ld-linux.so.3"],
    "libc6-i386-cross": ["linux/386", "ld-linux.so.2"],
    "libc6-ppc64el-cross": ["linux/ppc64le", "ld64.so.2"],
    "libc6-s390x-cross": ["linux/s390x", "ld64.so.1"],
    "libc6-riscv64-cross": ["linux/riscv64", "ld-linux-riscv64-lp64d.so.1"],
  } as const;
  for (const [debianPackage, [platform, loader]] of Object.entries(cases)) {
    const folder = await unpackedPackage(t, debianPackage);
    if (folder === undefined) return;
    const own = (await readdir(path.join(folder, "usr"))).find((one) => one.includes("-linux-")) ?? "";
    const elf = await parseFile(path.join(folder, "usr", own, "lib/libc.so.6"));
    t.is(platformName(elf), platform);
    t.is(elf.soname, "libc.so.6");
    t.deepEqual(elf.needed, [loader]);
    t.is(path.basename(elf.interpreter ?? ""), loader);
    t.true(elf.versions.includes("GLIBC_2.34"));
    t.deepEqual(
      elf.versionNeeds.map(({ file }) => file),
      [loader],
    );
  }
});

test("agrees with readelf about this machine's libraries", async (t) => {
  if (!hasTool(t, "readelf")) return;
  const libraries = execFileSync("sh", ["-c", "ls -d /usr/lib/*-linux-gnu/lib*.so.[0-9]* | head -150"], {
    encoding: "utf8",
  });
  const files = libraries.trim().split("\n");
  for (const file of files) {
    const text = execFileSync(readelf, ["-dVW", file], {
      encoding: "utf8",
      env: { LC_ALL: "C" },
      maxBuffer: 1 << 26,
    });
    const all = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1] ?? "");
    const elf = await parseFile(file);
    t.deepEqual([...elf.needed], all(/\(NEEDED\).*\[(.*)\]/g), file);
    t.deepEqual([elf.soname ?? ""], all(/\(SONAME\).*\[(.*)\]/g).concat(elf.soname === undefined ? [""] : []), file);
    t.deepEqual([elf.runpath].filter(Boolean), all(/\(RUNPATH\).*\[(.*)\]/g), file);
    t.deepEqual(
      elf.versionNeeds.map((need) => need.file),
      all(/ File: (\S+) /g),
      file,
    );
    const needs = elf.versionNeeds.flatMap(({ versions }) => versions.map((version) => version.name));
    t.deepEqual(needs, all(/ Name: (\S+)\s+Flags: \S+\s+Version: /g), file);
    t.deepEqual([...elf.versions], all(/ Rev: .*Name: (\S+)/g), file);
  }
  t.log(`${files.length} libraries compared with readelf`);
});

test("metadata of libraries that are opened at run time", async (t) => {
  const type = 0x407c0c0a;
  const note = (value: unknown) => ({ owner: "FDO", type, text: JSON.stringify(value) });
  const elf = await parse(
    buildElf({
      notes: [
        { owner: "GNU", type: 3, text: "an id" },
        note([
          { soname: ["libfoo.so.2", "libfoo.so.1"], feature: "foo", description: "Fö", priority: "suggested" },
          { soname: ["libbar.so.1"] },
        ]),
        note({ soname: "libold.so.1", priority: "required" }),
        { owner: "BAR", type, text: "not ours" },
      ],
    }),
  );
  t.deepEqual(elf.dlopen, [
    { sonames: ["libfoo.so.2", "libfoo.so.1"], priority: "suggested", feature: "foo", description: "Fö" },
    { sonames: ["libbar.so.1"], priority: "recommended" },
    { sonames: ["libold.so.1"], priority: "required" },
  ]);
  for (const bad of [null, 7, [{}], [{ soname: [] }], [{ soname: [1] }], [{ soname: "x", priority: "urgent" }]]) {
    await t.throwsAsync(parse(buildElf({ notes: [note(bad)] })), { instanceOf: SlimError, code: "ELF" });
  }
  await t.throwsAsync(parse(buildElf({ notes: [{ owner: "FDO", type, text: "[" }] })), { message: /not JSON/ });
});

test("metadata that a compiler put there", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-elf-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const json = '[{"soname":["libz.so.1"],"feature":"compress"}]';
  await writeFile(
    path.join(folder, "a.c"),
    `__attribute__((used, section(".note.dlopen"), aligned(4)))
     static const struct { unsigned n, d, t; char name[4]; _Alignas(4) char json[${json.length + 1}]; } note =
     { 4, ${json.length + 1}, 0x407c0c0a, "FDO", ${JSON.stringify(json)} };
     int main(void) { return 0; }`,
  );
  execFileSync(gcc, ["a.c", "-o", "a"], { cwd: folder });
  const elf = await parseFile(path.join(folder, "a"));
  t.deepEqual(elf.dlopen, [{ sonames: ["libz.so.1"], priority: "recommended", feature: "compress" }]);
  t.is(elf.linkage, "dynamic");
});

test("what is wrong is said with the file's name", async (t) => {
  const error = async (bytes: Uint8Array) => {
    const thrown = await t.throwsAsync<SlimError>(parseElf(bytesReader(bytes), "bin/tool"), { instanceOf: SlimError });
    t.is(thrown?.code, "ELF");
    return thrown?.toLine();
  };
  const good = buildElf({ soname: "libx.so.1", needed: ["libc.so.6"] });
  const patched = (at: number, ...values: number[]) => {
    const bytes = good.slice();
    bytes.set(values, at);
    return bytes;
  };
  t.is(await error(new Uint8Array()), "bin/tool: not an ELF file");
  t.is(await error(Buffer.from("#!/bin/sh\n")), "bin/tool: not an ELF file");
  t.is(await error(good.subarray(0, 10)), "bin/tool: truncated");
  t.is(await error(good.subarray(0, good.length - 1)), "bin/tool: truncated");
  t.is(await error(patched(4, 3)), "bin/tool: damaged: neither 32 nor 64 bits");
  t.is(await error(patched(5, 0)), "bin/tool: damaged: unknown byte order");
  t.is(await error(patched(56, 0xff, 0xff)), "bin/tool: has too many program headers");
  t.is(await error(patched(54, 57)), "bin/tool: damaged: odd size of program headers");
  t.is(await error(patched(64 + 8, 0, 0, 0, 0, 0, 0, 0, 0x80)), "bin/tool: damaged: a number is larger than any file");
  t.is(await error(patched(32, 0, 0, 0, 0, 0, 0, 0, 1)), "bin/tool: damaged: a number is larger than any file");
});

test("every cut of a real library is truncated, or all of what is loaded", async (t) => {
  const [file = ""] = execFileSync("sh", ["-c", "ls /usr/lib/*-linux-gnu/libdl.so.2"], { encoding: "utf8" }).split(
    "\n",
  );
  const bytes = await readFile(file);
  const { segmentsEnd } = await parse(bytes);
  for (let size = 0; size < bytes.length; size += 61) {
    const cut = parse(bytes.subarray(0, size));
    if (size >= segmentsEnd) await t.notThrowsAsync(cut);
    else await t.throwsAsync(cut, { instanceOf: SlimError, message: size < 16 ? /./ : /truncated/ });
  }
});
