import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { membersOf, unpackArchive, unpackRoot } from "../support/archive.ts";
import { Container, changeSpec, writeBundle } from "../support/container.ts";
import { esbuildBinary } from "../support/esbuild-binary.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { slimBuild } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const run = promisify(execFile);
const runc = testWith(test.serial, "root", "runc");
const qemu = testWith(test.serial, "root", "qemu-aarch64-static");
const work = workFolder(test);
const cwd = path.join(work, "project");

test.before(() =>
  lockedProject(cwd, {
    "index.js": `
    const { createHash } = require("node:crypto");
    console.log(process.arch, createHash("sha256").update("x").digest("hex").slice(0, 8), require("./data.json").value);
    setTimeout(() => console.log(new Intl.NumberFormat("de").format(1234.5)), 1);`,
    "data.json": '{"value": 42}',
  }),
);

runc("a static program becomes a scratch image of a few files, and runs from that alone", async (t) => {
  const { file, version } = await esbuildBinary("x64");
  const archive = path.join(work, "x64.tar");
  const { platforms } = await slimBuild([file, "-o", archive], { cwd });
  t.is(platforms[0]?.platform, "linux/amd64");
  t.deepEqual(
    platforms[0]?.layers.map(({ name }) => name),
    ["os", "app"],
  );
  const image = await unpackArchive(archive, path.join(work, "x64"));
  t.deepEqual(image.config.config?.Entrypoint, ["/app/esbuild"]);
  t.is(image.config.config?.User, "65532:65532");
  const bundle = await writeBundle(
    path.join(work, "x64-bundle"),
    await unpackRoot(image, path.join(work, "x64-root")),
    image.config,
  );
  await changeSpec(bundle, (spec) => spec.process.args.push("--version"));
  const container = new Container(bundle);
  t.is(await container.ended, 0, container.stderr);
  t.is(container.stdout, `${version}\n`);
});

runc("--bare is one layer with one file, and runs", async (t) => {
  const { file, version } = await esbuildBinary("x64");
  const archive = path.join(work, "bare.tar");
  const { platforms } = await slimBuild([file, "-o", archive, "--bare"], { cwd });
  t.is(platforms[0]?.layers.length, 1);
  t.is(platforms[0]?.layers[0]?.files, 1);
  const image = await unpackArchive(archive, path.join(work, "bare"));
  const [layer] = image.manifest.layers;
  const members = layer ? await membersOf(image.blob(layer)) : [];
  t.deepEqual(
    members.map(({ header }) => [header.type, header.name]),
    [
      ["directory", "app/"],
      ["file", "app/esbuild"],
    ],
  );
  const root = await unpackRoot(image, path.join(work, "bare-root"));
  // A container needs places for /proc and the like, which an engine makes and runc alone does not.
  await run("mkdir", ["-p", ...["proc", "dev", "sys"].map((name) => path.join(root, name))]);
  const bundle = await writeBundle(path.join(work, "bare-bundle"), root, image.config);
  await changeSpec(bundle, (spec) => spec.process.args.push("--version"));
  const container = new Container(bundle);
  t.is(await container.ended, 0, container.stderr);
  t.is(container.stdout, `${version}\n`);
});

qemu("the platform of a program is read from it: an arm64 one becomes an arm64 image, and runs", async (t) => {
  const { file, version } = await esbuildBinary("arm64");
  const archive = path.join(work, "arm64-program.tar");
  const { platforms } = await slimBuild([file, "-o", archive], { cwd });
  t.is(platforms[0]?.platform, "linux/arm64");
  const image = await unpackArchive(archive, path.join(work, "arm64-program"));
  t.is(image.config.architecture, "arm64");
  t.deepEqual(image.index.manifests[0]?.platform, { os: "linux", architecture: "arm64" });
  const root = await unpackRoot(image, path.join(work, "arm64-program-root"));
  t.is(await inEmulation(root, "/app/esbuild", "--version"), `${version}\n`);
});

qemu("an app in pure JavaScript is built for arm64 on any machine, and runs there", async (t) => {
  const archive = path.join(work, "arm64.tar");
  const { platforms } = await slimBuild([".", "-o", archive, "--platform", "linux/arm64"], { cwd });
  t.is(platforms[0]?.platform, "linux/arm64");
  const image = await unpackArchive(archive, path.join(work, "arm64"));
  t.is(image.config.architecture, "arm64");
  const root = await unpackRoot(image, path.join(work, "arm64-root"));
  t.is(await inEmulation(root, ...(image.config.config?.Entrypoint ?? [])), "arm64 2d711642 42\n1.234,5\n");
});

/** Runs a program of an unpacked arm64 image with nothing but that image around it. */
async function inEmulation(root: string, ...command: string[]): Promise<string> {
  const { stdout: found } = await run("sh", ["-c", "command -v qemu-aarch64-static"]);
  await run("cp", [found.trim(), path.join(root, "qemu")]);
  const { stdout } = await run("chroot", [root, "/qemu", ...command], { env: { PATH: process.env.PATH } });
  return stdout;
}
