import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { build } from "../../src/build.ts";
import type { Index } from "../../src/image/types.ts";
import { buildElf } from "../support/elf-builder.ts";
import { cacheDir, canRun, compile, imageOf, runHere } from "../support/program-image.ts";
import { failsWith } from "../support/slim-error.ts";
import { hasTool, unpackedPackage } from "../support/tools.ts";
import { Container } from "../support/unpacked-image.ts";

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-platforms-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A program that says for which machine it is, as `go build` lays it out for several. */
async function goPrograms(t: ExecutionContext): Promise<string> {
  const folder = await emptyFolder(t);
  await writeFile(path.join(folder, "go.mod"), "module example.test/program\n");
  const main = 'package main\nimport ("fmt"; "runtime")\nfunc main() { fmt.Println(runtime.GOARCH) }\n';
  await writeFile(path.join(folder, "main.go"), main);
  for (const arch of ["amd64", "arm64"]) {
    const env = { ...process.env, GOARCH: arch, GOOS: "linux", CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOPROXY: "off" };
    execFileSync("go", ["build", "-o", `dist/program_linux_${arch}/program`, "."], { cwd: folder, env, stdio: "pipe" });
  }
  return folder;
}

/** Runs a program of another machine in an unpacked image. */
async function runEmulated(container: Container, command: readonly string[], machine = "aarch64"): Promise<string> {
  await copyFile(`/usr/bin/qemu-${machine}-static`, path.join(container.root, "qemu"));
  return execFileSync("chroot", [container.root, "/qemu", ...command], { encoding: "utf8" });
}

async function indexIn(layout: string): Promise<Index> {
  const read = async (name: string) => JSON.parse(await readFile(path.join(layout, name), "utf8")) as Index;
  const [top] = (await read("index.json")).manifests;
  return read(path.join("blobs", ...(top?.digest ?? "").split(":")));
}

test.serial("binaries of several platforms: named, in any order, or found in a folder, are one index", async (t) => {
  if (!canRun(t) || !hasTool(t, "go")) return;
  if (!hasTool(t, "qemu-aarch64-static")) return;
  const folder = await goPrograms(t);
  const [amd, arm] = ["amd64", "arm64"].map((arch) => `dist/program_linux_${arch}/program`) as [string, string];
  const { result, container, folder: made } = await imageOf(t, { cwd: folder, path: "dist" });
  t.deepEqual(
    result.platforms.map(({ platform }) => platform),
    ["linux/amd64", "linux/arm64"],
  );
  t.is(result.mediaType, "application/vnd.oci.image.index.v1+json");
  const index = await indexIn(path.join(made, "image"));
  t.deepEqual(
    index.manifests.map(({ platform }) => platform?.architecture),
    ["amd64", "arm64"],
  );
  t.deepEqual(
    index.manifests.map(({ digest }) => digest),
    result.platforms.map(({ digest }) => digest as never),
  );
  t.is((await container.run()).stdout, "amd64\n");
  const other = await Container.unpack(path.join(made, "image"), "linux/arm64");
  t.teardown(() => other.remove());
  t.is(await runEmulated(other, ["/app/program"]), "arm64\n");

  const common = { cwd: folder, cacheDir, output: path.join(folder, "again.tar") };
  const named = await build({ ...common, binaries: [`linux/arm64=${arm}`, `linux/amd64=${amd}`] });
  t.is(named.digest, result.digest);
  t.is((await build({ ...common, binaries: [arm, amd] })).digest, result.digest);
  const one = await build({ ...common, path: "dist", platform: "linux/arm64" });
  t.is(one.digest, result.platforms[1]?.digest);

  const wrong = await failsWith(t, "PLATFORM", () => build({ ...common, binaries: [`linux/arm64=${amd}`] }));
  t.regex(wrong, /is for linux\/amd64, not linux\/arm64/);
  await mkdir(path.join(folder, "dist/second"));
  await copyFile(path.join(folder, amd), path.join(folder, "dist/second/another"));
  const twice = await failsWith(t, "CONFIG", () => build({ ...common, path: "dist" }));
  t.regex(twice, /is for linux\/amd64, and so is .*--entry NAME/);
  t.is((await build({ ...common, path: "dist", entry: "program" })).digest, result.digest);
  const nothing = await failsWith(t, "NOT_FOUND", () => build({ ...common, path: "dist", entry: "jq" }));
  t.regex(nothing, /no program jq \(there are another, program/);
});

test.serial("of a folder the programs for Linux are taken, whatever else lies there", async (t) => {
  const folder = await emptyFolder(t);
  const files = {
    "bin/program": buildElf({ type: 2 }),
    "freebsd/program": buildElf({ type: 2, osabi: 9 }),
    "lib/libanswer.so.1": buildElf({ soname: "libanswer.so.1" }),
    "lib/libc.so.6": buildElf({ soname: "libc.so.6", interpreter: "/lib64/ld-linux-x86-64.so.2" }),
    "program.o": buildElf({ type: 1 }),
    script: "#!/bin/sh\n",
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content, { mode: 0o755 });
  }
  const call = { path: folder, cwd: folder, cacheDir, dryRun: true, bare: true };
  const { closures } = await build(call);
  t.deepEqual([...(closures[0]?.entries.keys() ?? [])], ["/app", "/app/program"]);
  // As build servers hand them on.
  await chmod(path.join(folder, "bin/program"), 0o644);
  t.like((await build(call)).closures[0]?.entries.get("/app/program")?.entry, { type: "file", mode: 0o755 });
  await rm(path.join(folder, "bin"), { recursive: true });
  t.regex(await failsWith(t, "CONFIG", () => build(call)), /is not a project/);
});

test.serial("the variant of a processor is what the user says, for no header tells it", async (t) => {
  const folder = await emptyFolder(t);
  const program = buildElf({ bits: 32, machine: 40, type: 2, flags: 0x5000400 });
  for (const name of ["six", "seven"]) await writeFile(path.join(folder, name), program, { mode: 0o755 });
  const built = async (call: object) =>
    (await build({ cwd: folder, cacheDir, dryRun: true, bare: true, ...call })).platforms.map(
      ({ platform }) => platform,
    );
  const both = ["linux/arm/v7=seven", "linux/arm/v6=six"];
  t.deepEqual(await built({ binaries: both }), ["linux/arm/v6", "linux/arm/v7"]);
  t.deepEqual(await built({ binaries: both, platform: "linux/arm/v6" }), ["linux/arm/v6"]);
  t.deepEqual(await built({ path: "six" }), ["linux/arm/v7"]);
  t.deepEqual(await built({ path: "six", platform: "linux/arm/v6" }), ["linux/arm/v6"]);
  t.regex(await failsWith(t, "CONFIG", () => built({ path: "." })), /and so is .*linux\/arm\/v7=FILE/);
  const other = await failsWith(t, "PLATFORM", () => built({ binaries: ["linux/arm64=six"] }));
  t.regex(other, /six: is for linux\/arm\/v7, not linux\/arm64/);
  const neither = await failsWith(t, "PLATFORM", () => built({ binaries: both, platform: "linux/s390x" }));
  t.regex(neither, /no program is for linux\/s390x \(there are programs for linux\/arm\/v7, linux\/arm\/v6\)/);
});

test.serial("a package for two platforms: each has its own libraries, and both run", async (t) => {
  if (!canRun(t) || !hasTool(t, "qemu-aarch64-static")) return;
  t.timeout(180_000);
  const platform = "linux/arm64,linux/amd64";
  const { container, folder, result } = await imageOf(t, { packages: ["jq"], entry: "/usr/bin/jq", platform });
  t.is((await container.run({ args: ["-n", "6 * 7"] })).stdout, "42\n");
  const other = await Container.unpack(path.join(folder, "image"), "linux/arm64");
  t.teardown(() => other.remove());
  t.is(await runEmulated(other, ["/usr/bin/jq", "-n", "6 * 7"]), "42\n");
  const [amd, arm] = result.closures;
  t.true(amd?.entries.has("/usr/lib/x86_64-linux-gnu/libc.so.6"));
  t.true(arm?.entries.has("/usr/lib/aarch64-linux-gnu/libc.so.6"));
  t.true(arm?.entries.has("/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"));
});

for (const [machine, architecture, platform] of [
  ["arm", "armhf", "linux/arm/v7"],
  ["ppc64le", "ppc64el", "linux/ppc64le"],
  ["s390x", "s390x", "linux/s390x"],
] as const) {
  test.serial(`${platform}: a program with its loader out of a sysroot`, async (t) => {
    if (!canRun(t) || !hasTool(t, `qemu-${machine}-static`)) return;
    const root = await unpackedPackage(t, `libc6-${architecture}-cross`);
    if (root === undefined) return;
    // The C library is a program too, which says its version; its loader is a file of its own.
    const [own = ""] = await readdir(path.join(root, "usr"));
    const sysroot = path.join(root, "usr", own);
    const folder = await emptyFolder(t);
    await copyFile(path.join(sysroot, "lib/libc.so.6"), path.join(folder, "program"));
    const { container, result } = await imageOf(t, { cwd: folder, path: "program", sysroot, bare: true });
    t.is(result.platforms[0]?.platform, platform);
    t.regex(await runEmulated(container, ["/app/program"], machine), /^GNU C Library .* version 2\./);
    const missing = await failsWith(t, "CLOSURE", () =>
      build({ cwd: folder, cacheDir, path: "program", base: "scratch", bare: true, dryRun: true }),
    );
    t.regex(missing, /ld\S+ is missing: \/app\/program -> \S*ld/);
  });
}

test.serial("a Node.js app for two platforms has one version of Node.js, and skopeo reads both", async (t) => {
  if (!hasTool(t, "skopeo")) return;
  t.timeout(300_000);
  const folder = await emptyFolder(t);
  await writeFile(path.join(folder, "package.json"), '{ "name": "two", "main": "main.js" }');
  await writeFile(path.join(folder, "main.js"), "console.log(process.arch);");
  const output = path.join(folder, "two.tar");
  const platform = "linux/amd64,linux/arm64";
  const result = await build({ path: folder, cwd: folder, cacheDir, platform, output });
  const versions = result.closures.map(
    ({ components }) => [...components.values()].find(({ name }) => name === "node")?.version,
  );
  t.is(versions.length, 2);
  t.is(versions[0], versions[1]);
  const inspect = (architecture: string, source: string) =>
    JSON.parse(execFileSync("skopeo", ["inspect", "--override-arch", architecture, source], { encoding: "utf8" }));
  for (const architecture of ["amd64", "arm64"]) {
    t.is(inspect(architecture, `oci-archive:${output}`).Architecture, architecture);
  }
  t.is(inspect("arm64", `docker-archive:${output}:@1`).Architecture, "arm64");
  // The app's files are the same, and so is its layer.
  const [amd, arm] = result.platforms.map(({ layers }) => layers.find(({ name }) => name === "app")?.digest);
  t.is(amd, arm);
});

test.serial("zstd is read by other tools", async (t) => {
  if (!canRun(t) || !hasTool(t, "zstd") || !hasTool(t, "gcc")) return;
  const folder = await emptyFolder(t);
  await writeFile(path.join(folder, "a.c"), '#include <stdio.h>\nint main() { puts("packed"); }\n');
  compile(folder, ["gcc", "-o", "program", "a.c"]);
  const file = path.join(folder, "program");
  const small = await imageOf(t, { path: file, compression: "zstd", compressionLevel: 12 });
  t.deepEqual(await small.container.run(), runHere(file));
  const types = small.result.platforms[0]?.layers.map(({ mediaType }) => mediaType);
  t.deepEqual([...new Set(types)], ["application/vnd.oci.image.layer.v1.tar+zstd"]);
  const plain = await imageOf(t, { path: file });
  t.deepEqual(
    small.result.platforms[0]?.layers.map(({ diffId }) => diffId),
    plain.result.platforms[0]?.layers.map(({ diffId }) => diffId),
  );
  t.true((small.result.platforms[0]?.size ?? 0) < (plain.result.platforms[0]?.size ?? 0));
  const level = await failsWith(t, "CONFIG", () =>
    build({ path: file, cwd: folder, compression: "zstd", compressionLevel: 20 }),
  );
  t.regex(level, /20 is not a level of zstd \(1 to 19\)/);
});
