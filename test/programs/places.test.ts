import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import type { ErrorCode } from "../../src/base/error.ts";
import { build } from "../../src/build.ts";
import { buildElf } from "../support/elf-builder.ts";
import { cacheDir, canRun, compile, folderOf, imageOf, runHere } from "../support/program-image.ts";
import { failsWith } from "../support/slim-error.ts";
import { hasTool } from "../support/tools.ts";

/** A program that answers what a library says. */
const files = {
  "main.c": '#include <stdio.h>\nint answer(void); int main() { printf("%d\\n", answer()); return 0; }',
  "lib.c": "int answer(void) { return 42; }",
};

/** Not below /tmp, which containers see another one of. */
const elsewhere = "/var/tmp";

test.serial("libraries in a folder that the program names are there at that place, links and all", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, files, elsewhere);
  await mkdir(path.join(folder, "build"));
  const lib = [
    "gcc",
    "-shared",
    "-fPIC",
    "-Wl,-soname,libanswer.so.1",
    "-o",
    "build/libanswer.so.1.0",
    "lib.c",
  ] as const;
  compile(folder, lib);
  await symlink("libanswer.so.1.0", path.join(folder, "build/libanswer.so.1"));
  await symlink("build", path.join(folder, "current"));
  const link = ["gcc", "-o", "program", "main.c", "build/libanswer.so.1"] as const;
  for (const flags of [["-Wl,--disable-new-dtags"], []]) {
    compile(folder, [...link, ...flags, `-Wl,-rpath,${folder}/current`]);
    const file = path.join(folder, "program");
    const { container, result } = await imageOf(t, { path: file });
    t.deepEqual(await container.run(), runHere(file));
    const [closure] = result.closures;
    const places = [...(closure?.entries ?? [])].flatMap(([place, { entry, layer }]) =>
      layer === "app" && entry.type !== "directory" ? [place] : [],
    );
    const own = ["build/libanswer.so.1", "build/libanswer.so.1.0", "current"].map((name) => path.join(folder, name));
    t.deepEqual(places.sort(), ["/app/program", ...own].sort());
    t.deepEqual(
      result.diagnostics.map(({ code, file: at }) => [code, at]),
      [["own-library", `${folder}/build/libanswer.so.1.0`]],
    );
  }
  // What the system has is the ground's, wherever a program looks for it.
  compile(folder, [
    "sh",
    "-c",
    `gcc -o zlib main.c lib.c -Wl,--no-as-needed -l:libz.so.1 -Wl,-rpath,/lib:/usr/lib:/usr/local`,
  ]);
  const { result } = await imageOf(t, { path: path.join(folder, "zlib") });
  t.deepEqual(result.diagnostics, []);
  t.true([...(result.closures[0]?.components.values() ?? [])].some(({ name }) => name === "zlib1g"));
});

test.serial("a program that names a loader of its own brings its C library too", async (t) => {
  if (!canRun(t) || !hasTool(t, "gcc")) return;
  const folder = await folderOf(t, files, elsewhere);
  await mkdir(path.join(folder, "store"));
  for (const name of ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"])
    await copyFile(name, path.join(folder, "store", path.basename(name)));
  const loader = path.join(folder, "store/ld-linux-x86-64.so.2");
  compile(folder, ["gcc", "-o", "program", "main.c", "lib.c", `-Wl,-dynamic-linker,${loader},-rpath,${folder}/store`]);
  const file = path.join(folder, "program");
  const { container, result } = await imageOf(t, { path: file });
  t.deepEqual(await container.run(), runHere(file));
  t.false([...(result.closures[0]?.components.values() ?? [])].some(({ name }) => name === "libc6"));
});

test.serial("a library beside the program that is too old is called by its name, and so is what to do", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await folderOf(t, {
    ...files,
    "old.map": "A_1 { global: answer; };",
    "new.map": "A_2 { global: answer; };",
  });
  await mkdir(path.join(folder, "lib"));
  const lib = (map: string) =>
    compile(folder, [
      "gcc",
      "-shared",
      "-fPIC",
      "-Wl,-soname,liba.so.1",
      `-Wl,--version-script,${map}`,
      "-o",
      "lib/liba.so.1",
      "lib.c",
    ]);
  lib("new.map");
  compile(folder, ["gcc", "-o", "program", "main.c", "lib/liba.so.1", "-Wl,-rpath,$ORIGIN/lib"]);
  lib("old.map");
  const message = await failsWith(t, "CLOSURE", () => build({ path: "program", cwd: folder, cacheDir, dryRun: true }));
  t.regex(message, /\/lib\/liba\.so\.1 does not have A_2: \/app\/program -> liba\.so\.1 \(put the one there/);
  t.false(message.includes("\0"));
  // For another machine, and damaged: called as they are here.
  const said = async (code: ErrorCode, content: Uint8Array | string) => {
    await writeFile(path.join(folder, "lib/liba.so.1"), content);
    const call = { path: "program", cwd: folder, cacheDir, dryRun: true };
    return (await failsWith(t, code, () => build(call))).replaceAll(folder, "FOLDER");
  };
  const other = await said("CLOSURE", buildElf({ machine: 183, soname: "liba.so.1" }));
  t.regex(
    other,
    /liba\.so\.1 is missing \(\/app\/lib\/liba\.so\.1 is for another machine\): \/app\/program -> liba\.so\.1/,
  );
  t.regex(await said("ELF", "junk"), /^FOLDER\/lib\/liba\.so\.1: not an ELF file/);
});

test.serial("a library that is named by a path from wherever the program is started", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await folderOf(t, files);
  compile(folder, ["gcc", "-shared", "-fPIC", "-o", "libanswer.so", "lib.c"]);
  compile(folder, ["gcc", "-o", "program", "main.c", "./libanswer.so"]);
  const message = await failsWith(t, "CLOSURE", () => build({ path: "program", cwd: folder, cacheDir, dryRun: true }));
  t.regex(message, /\.\/libanswer\.so is missing: .* \(its place depends on .* soname\)/);
});

test.serial("a static program alone needs nothing from anywhere", async (t) => {
  if (!hasTool(t, "gcc")) return;
  const folder = await folderOf(t, files);
  compile(folder, ["gcc", "-static", "-o", "program", "main.c", "lib.c"]);
  const call = { path: "program", cwd: folder, bare: true, cacheDir: path.join(folder, "cache") };
  const { platforms } = await build({ ...call, debianMirror: "file:///nowhere/debian" });
  t.is(platforms[0]?.layers[0]?.files, 1);
});

test.serial("an older glibc opens libraries for names", async (t) => {
  const loader = "/lib64/ld-linux-x86-64.so.2";
  const libraries = ["libc.so.6", "libnss_files.so.2", "libnss_dns.so.2", "libnss_other.so.2"];
  const sysroot = async (version: string) =>
    folderOf(t, {
      [loader.slice(1)]: buildElf({ soname: path.basename(loader) }),
      ...Object.fromEntries(
        libraries.map((soname) => [
          `lib64/${soname}`,
          buildElf({ soname, versions: [soname, "GLIBC_2.2.5", version] }),
        ]),
      ),
    });
  const folder = await folderOf(t, {
    program: buildElf({ type: 2, interpreter: loader, needed: ["libc.so.6"], symbols: ["getpwuid_r"] }),
    other: buildElf({ type: 2, interpreter: loader, needed: ["libc.so.6"], symbols: ["getpid"] }),
  });
  const taken = async (name: string, version: string) => {
    const call = { path: name, cwd: folder, cacheDir, dryRun: true, bare: true, sysroot: await sysroot(version) };
    const [closure] = (await build(call)).closures;
    return [...(closure?.entries.keys() ?? [])].filter((place) => place.includes("libnss"));
  };
  t.deepEqual(await taken("program", "GLIBC_2.31"), ["/lib64/libnss_dns.so.2", "/lib64/libnss_files.so.2"]);
  t.deepEqual(await taken("program", "GLIBC_2.34"), []);
  t.deepEqual(await taken("other", "GLIBC_2.31"), []);
});
