import { copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import type * as Library from "../../src/index.ts";
import { type Unpacked, unpackArchive } from "../support/archive.ts";
import { nodeBinary } from "../support/node-versions.ts";
import { listing, lockedProject, workFolder, writeProject } from "../support/project.ts";
import { cacheDir, checkout, type Printed, slim, slimBuild } from "../support/slim.ts";

const { build }: typeof Library = await import(path.join(checkout, "dist/index.js"));
const work = workFolder(test);
const cwd = path.join(work, "project");
let plain: Printed;
let count = 0;

test.before(async () => {
  await lockedProject(cwd, {
    "index.js": "console.log(1)",
    "other.js": "console.log('other')",
    "package.json": JSON.stringify({
      name: "tested",
      version: "1.2.3",
      license: "ISC",
      repository: "github:owner/name",
      engines: { node: "24.x" },
    }),
  });
  plain = await slimBuild(["-o", path.join(work, "plain.tar")], { cwd });
});

/** The image of a build with these options. */
async function built(...args: string[]): Promise<Unpacked> {
  count += 1;
  const archive = path.join(work, `${count}.tar`);
  await slimBuild([...args, "-o", archive], { cwd });
  return unpackArchive(archive, path.join(work, `${count}`));
}

test("-o - writes the archive to stdout, byte for byte as into a file, and nothing else", async (t) => {
  const { code, bytes } = await slim(["build", "-o", "-", "-t", "a/b:1"], { cwd });
  t.is(code, 0);
  const file = path.join(work, "file.tar");
  await slimBuild(["-o", file, "-t", "a/b:1"], { cwd });
  t.true(bytes.equals(await readFile(file)));
});

test("the reference by digest is the only line on stdout", async (t) => {
  const untagged = await slim(["build"], { cwd });
  t.is(untagged.stdout, `${plain.digest}\n`);
  const tagged = await slim(["build", "-t", "localhost:5000/team/app:1", "-t", "b:2"], { cwd });
  t.is(tagged.stdout, `localhost:5000/team/app@${plain.digest}\n`);
});

test("tags name the image in every output", async (t) => {
  const { index, docker } = await built("-t", "example.com/team/app:1", "-t", "app", "-t", "team/other:2");
  t.deepEqual(docker[0]?.RepoTags, ["example.com/team/app:1", "app:latest", "team/other:2"]);
  const names = index.manifests.map(({ annotations }) => annotations?.["org.opencontainers.image.ref.name"]);
  t.deepEqual(names, ["1", "latest", "2"]);
  const whole = index.manifests.map(({ annotations }) => annotations?.["io.containerd.image.name"]);
  t.deepEqual(whole, ["example.com/team/app:1", "docker.io/library/app:latest", "docker.io/team/other:2"]);
  t.deepEqual(new Set(index.manifests.map(({ digest }) => digest)), new Set([plain.digest] as never));
});

test("--json and --metadata-file are the same object, of the documented form", async (t) => {
  const metadata = path.join(work, "metadata.json");
  const { stdout } = await slim(["build", "--json", "--metadata-file", metadata, "-o", path.join(work, "j.tar")], {
    cwd,
  });
  t.is(await readFile(metadata, "utf8"), stdout);
  const printed = JSON.parse(stdout) as Printed;
  t.deepEqual(Object.keys(printed), [
    ...["digest", "mediaType", "size", "tags", "platforms", "outputs", "diagnostics", "timings"],
  ]);
  const { platforms, timings, outputs } = printed;
  t.deepEqual(Object.keys(platforms[0] ?? {}), ["platform", "digest", "size", "unpackedSize", "layers"]);
  for (const layer of platforms[0]?.layers ?? []) {
    t.deepEqual(Object.keys(layer), ["name", "digest", "diffId", "size", "mediaType", "files", "cached"]);
  }
  t.is(
    platforms[0]?.size,
    platforms[0]?.layers.reduce((sum, { size }) => sum + size, 0),
  );
  t.deepEqual(outputs, [{ type: "archive", path: path.join(work, "j.tar") }]);
  t.is(typeof timings.total, "number");
});

test("how the image is run can be said", async (t) => {
  const { config, manifest } = await built(
    ...["--env", "A=1", "--env", "B=x=y", "--env", "NODE_ENV=test", "--user", "1000:1000", "--workdir", "/tmp"],
    ...["--expose", "8080", "--expose", "53/udp", "--label", "l=1", "--annotation", "a=2", "--label", "m=n o"],
    ...["--cmd=--flag", "--cmd", "value", "--entry", "other.js"],
  );
  t.true(["A=1", "B=x=y", "NODE_ENV=test"].every((one) => config.config?.Env?.includes(one)));
  t.false(config.config?.Env?.includes("NODE_ENV=production"));
  t.is(config.config?.User, "1000:1000");
  t.is(config.config?.WorkingDir, "/tmp");
  t.deepEqual(config.config?.ExposedPorts, { "8080/tcp": {}, "53/udp": {} });
  t.like(config.config?.Labels, { l: "1", m: "n o", "org.opencontainers.image.title": "tested" });
  t.like(manifest.annotations, { a: "2", "org.opencontainers.image.source": "https://github.com/owner/name" });
  t.false("l" in (manifest.annotations ?? {}));
  t.deepEqual(config.config?.Cmd, ["--flag", "value"]);
  t.regex(config.config?.Entrypoint?.at(-1) ?? "", /^\/app\/other\./);
});

test("--cmd takes a JSON array as well", async (t) => {
  const { config } = await built("--cmd", '["one", "two words"]');
  t.deepEqual(config.config?.Cmd, ["one", "two words"]);
});

test("--node takes a version, the running Node.js or a binary", async (t) => {
  const file = await nodeBinary("22");
  // Not packed, for that takes long: what would be packed says enough.
  const version = async (node: string) => {
    const { closures } = await build({ cwd, node, dryRun: true, cacheDir });
    const components = [...(closures[0]?.components.values() ?? [])];
    return components.find(({ name }) => name === "node")?.version ?? "none";
  };
  t.regex(await version("22"), /^22\./);
  t.regex(await version("lts"), /^24\./);
  t.regex(await version(file), /^22\./);
  t.is(`v${await version("host")}`, process.version);
  const host = await slim(["build", "--dry-run", "--json", "--node", "host"], { cwd, node: file });
  const given = await slim(["build", "--dry-run", "--json", "--node", file], { cwd });
  const sizeOf = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as Printed).platforms[0]?.unpackedSize;
  t.is(sizeOf(host), sizeOf(given));
});

test("--dry-run writes nothing", async (t) => {
  const folder = await writeProject(path.join(work, "dry"), { "index.js": "" });
  const before = await listing(folder);
  const { code, stdout, stderr } = await slim(["build", "--dry-run", "-o", "image.tar"], { cwd: folder });
  t.is(code, 0, stderr);
  t.is(stdout, "");
  t.deepEqual(await listing(folder), before);
});

test("slim.lock is written, has no host name, and does not change when nothing does", async (t) => {
  const folder = await writeProject(path.join(work, "lock"), { "index.js": "" });
  await slimBuild([], { cwd: folder });
  const file = path.join(folder, "slim.lock");
  const text = await readFile(file, "utf8");
  t.like(JSON.parse(text), { lockVersion: 1, debian: { suite: "trixie" } });
  t.notRegex(text, /https?:|file:|\/\/|localhost/);
  const { mtimeMs, ino } = await stat(file);
  await slimBuild([], { cwd: folder });
  t.like(await stat(file), { mtimeMs, ino });
});

for (const [name, text] of [
  ["slim.config.json", '{"user": "1234", "env": {"FROM": "config"}}'],
  ["slim.config.mjs", 'export default { user: String(1234), env: { FROM: "config" } };'],
  ["slim.config.js", 'export default { user: "1234", env: { FROM: "config" } };'],
  ["slim.config.ts", 'const user: string = "1234"; export default { user, env: { FROM: "config" } satisfies object };'],
  [
    "package.json",
    '{"name": "tested", "engines": {"node": "24.x"}, "slim": {"user": "1234", "env": {"FROM": "config"}}}',
  ],
] as const) {
  test(`options come from ${name}, and the command line wins`, async (t) => {
    const folder = await lockedProject(path.join(work, `config-${name}`), { "index.js": "", [name]: text });
    const archive = path.join(work, `${name}.tar`);
    await slimBuild(["-o", archive, "--env", "MORE=1"], { cwd: folder });
    const { config } = await unpackArchive(archive, path.join(work, `${name}-image`));
    t.is(config.config?.User, "1234");
    t.true(config.config?.Env?.includes("FROM=config"));
    t.true(config.config?.Env?.includes("MORE=1"));
    await slimBuild(["-o", archive, "--user", "5678"], { cwd: folder });
    t.is((await unpackArchive(archive, path.join(work, `${name}-image-2`))).config.config?.User, "5678");
  });
}

test("--config names another file", async (t) => {
  await writeFile(path.join(work, "elsewhere.json"), '{"workdir": "/srv"}');
  t.is((await built("--config", "../elsewhere.json")).config.config?.WorkingDir, "/srv");
});

test("an archive and a layout folder hold the same image, and a layout is replaced as a whole", async (t) => {
  const layout = path.join(work, "layout");
  t.is((await slimBuild(["--format", "oci-layout", "-o", layout], { cwd })).digest, plain.digest);
  const before = await listing(layout);
  await slimBuild(["--format", "oci-layout", "-o", layout, "--user", "1"], { cwd });
  t.is((await listing(layout)).length, before.length);
  await slimBuild(["--format", "oci-layout", "-o", layout], { cwd });
  t.deepEqual(await listing(layout), before);
  t.true((await slim(["validate", layout])).stdout.startsWith(`${plain.digest} is valid`));
});

test("a folder that is there stays the folder it is, and nothing but one image is replaced", async (t) => {
  const here = path.join(work, "here");
  await mkdir(here);
  const { ino } = await stat(here);
  const into = async () => slim(["build", cwd, "--format", "oci-layout", "-o", "."], { cwd: here });
  for (const _ of [1, 2]) t.is((await into()).code, 0);
  t.is((await stat(here)).ino, ino);
  t.deepEqual((await readdir(here)).sort(), ["blobs", "index.json", "oci-layout"]);
  const index = JSON.parse(await readFile(path.join(here, "index.json"), "utf8"));
  const [first] = index.manifests;
  const digest = `sha256:${"0".repeat(64)}`;
  await writeFile(
    path.join(here, "index.json"),
    JSON.stringify({ ...index, manifests: [first, { ...first, digest }] }),
  );
  t.regex((await into()).stderr, /^error: \.: is an OCI layout of several images, which would be lost .+$/m);
  await writeFile(path.join(here, "notes.txt"), "mine");
  t.regex((await into()).stderr, /^error: \.: is a folder with other files in it .+$/m);
  t.is(await readFile(path.join(here, "notes.txt"), "utf8"), "mine");
});

test("slim inspect shows config, layers and components", async (t) => {
  const archive = path.join(work, "plain.tar");
  const { code, stdout } = await slim(["inspect", archive, "--json"]);
  t.is(code, 0);
  const inspected = JSON.parse(stdout);
  t.is(inspected.digest, plain.digest);
  t.like(inspected.platforms[0], { platform: plain.platforms[0]?.platform, size: plain.platforms[0]?.size });
  t.deepEqual(
    inspected.platforms[0].layers.map(({ name }: { name: string }) => name),
    ["os", "node", "app"],
  );
  const purls = inspected.platforms[0].components.map(({ purl }: { purl: string }) => purl);
  t.true(
    purls.some((purl: string) => /^pkg:deb\/debian\/libc6@2\.41.*arch=/.test(purl)),
    purls.join(" "),
  );
  const text = await slim(["inspect", `archive:${archive}`]);
  t.true(text.stdout.includes(plain.digest) && text.stdout.includes("pkg:deb/debian/ca-certificates@"));
});

test("slim validate finds what is damaged", async (t) => {
  const archive = path.join(work, "plain.tar");
  const bytes = await readFile(archive);
  const good = await slim(["validate", archive]);
  t.is(good.code, 0);
  t.true(good.stdout.startsWith(`${plain.digest} is valid`));
  const invalid = async (name: string, damaged: Buffer, reason: RegExp) => {
    const file = path.join(work, `${name}.tar`);
    await writeFile(file, damaged);
    const { code, stdout, stderr } = await slim(["validate", file]);
    t.is(code, 1, name);
    t.is(stdout, "", name);
    t.regex(stderr, reason, name);
    t.notRegex(stderr, /\n\s+at |defect/, name);
  };
  const flipped = (at: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  await invalid("truncated", bytes.subarray(0, bytes.length >> 1), /truncated/);
  await invalid("no end", bytes.subarray(0, bytes.length - 1024), /truncated/);
  await invalid("flipped in a layer", flipped(bytes.length >> 1), /digest|incorrect|invalid/);
  await invalid("flipped in index.json", flipped(512 + 512 + 512 + 40), /./);
  await invalid("empty", Buffer.alloc(0), /tar|truncated/);
  await invalid("no tar", Buffer.from("x".repeat(5000)), /is not a tar archive/);
  const manifest = bytes.indexOf('"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest');
  await invalid("flipped in the manifest", flipped(manifest + 60), /digest/);
});

test("an archive under another name is the same image", async (t) => {
  const copy = path.join(work, "copy with: colons.tar");
  await copyFile(path.join(work, "plain.tar"), copy);
  t.is((await slim(["validate", copy])).code, 0);
  t.is((await slim(["inspect", path.join(work, "absent.tar")])).code, 1);
});
