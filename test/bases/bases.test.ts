import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { type BuildCall, type BuildResult, build } from "../../src/build.ts";
import { imagesOf } from "../../src/image/image.ts";
import type { Artifact, Image } from "../../src/image/types.ts";
import { lock } from "../../src/lock.ts";
import { folderStore } from "../../src/store/folder.ts";
import { openStore } from "../../src/store/open.ts";
import { RegistryClient } from "../../src/store/registry/index.ts";
import { validate } from "../../src/store/validate.ts";
import { baseOf, type LayerFiles } from "../support/base-images.ts";
import { closedNetwork } from "../support/closed-network.ts";
import { buildElf, type ElfParts } from "../support/elf-builder.ts";
import { workFolder, writeProject } from "../support/project.ts";
import { StrictRegistry } from "../support/registry.ts";
import { contextOf } from "../support/registry-images.ts";
import { failsWith } from "../support/slim-error.ts";

/*
 * Bases that are made up, so that no test needs Debian, npm or another network than its own: the
 * environment has none.
 */

const work = workFolder(test);
const cacheDir = path.join(work, "cache");
const context = contextOf();
const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };
let environment: Readonly<Record<string, string>> = {};
let count = 0;

test.before(async () => {
  environment = await closedNetwork(work);
});

const glibcLoader = "/lib64/ld-linux-x86-64.so.2";
const muslLoader = "/lib/ld-musl-x86_64.so.1";

/** What every system here has. */
const system: LayerFiles = {
  "etc/passwd": "root:x:0:0:root:/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
  "etc/group": "root:x:0:\napp:x:1000:\n",
  "etc/nsswitch.conf": "hosts: files dns\n",
  "etc/ssl/certs/ca-certificates.crt": "roots",
  "etc/os-release": "ID=made-up\n",
  "tmp/": "",
  "dev/": "",
  "proc/": "",
  "sys/": "",
};

/** Debian as it lays out its C library of that version. */
function glibc(minor: number, machine = 62): LayerFiles {
  const folder = machine === 62 ? "usr/lib/x86_64-linux-gnu" : "usr/lib/aarch64-linux-gnu";
  const loader = machine === 62 ? "usr/lib64/ld-linux-x86-64.so.2" : "usr/lib/ld-linux-aarch64.so.1";
  const versions = ["libc.so.6", ...[2, 17, 28, 34, 41].filter((one) => one <= minor).map((one) => `GLIBC_2.${one}`)];
  return {
    lib: "-> usr/lib",
    lib64: "-> usr/lib64",
    "usr/lib64/": "",
    [loader]: `-> /${folder}/ld.so`,
    [`${folder}/ld.so`]: buildElf({ soname: path.basename(loader), machine }),
    [`${folder}/libc.so.6`]: buildElf({ soname: "libc.so.6", versions, machine }),
  };
}

const musl: LayerFiles = { "lib/ld-musl-x86_64.so.1": buildElf({ soname: "libc.musl-x86_64.so.1" }) };

/** What passes for Node.js: the address of its release is inside. */
function node(version: string, parts: ElfParts = {}): Uint8Array {
  const program = buildElf({ type: 2, interpreter: glibcLoader, needed: ["libc.so.6"], ...parts });
  return Buffer.concat([program, Buffer.from(`\0https://x/download/release/v${version}/node-v${version}.tar.gz\0`)]);
}

async function project(files: Readonly<Record<string, string>> = {}): Promise<string> {
  count += 1;
  return writeProject(path.join(work, `project-${count}`), { "index.js": "console.log(1)", ...files });
}

/** Writes a base as a layout; gives back its path. */
async function layout(artifact: Artifact): Promise<string> {
  count += 1;
  const folder = path.join(work, `base-${count}`);
  await folderStore(folder).write(context, artifact, []);
  return folder;
}

interface Made {
  readonly result: BuildResult;
  readonly image: Image;
  readonly artifact: Artifact;
  /** Paths that the build added. */
  readonly added: readonly string[];
}

/** Builds on a base and checks what came out. */
async function made(t: { deepEqual(a: unknown, b: unknown): unknown }, call: BuildCall): Promise<Made> {
  count += 1;
  const output = path.join(work, `made-${count}.tar`);
  const result = await build({ cacheDir, environment, platform: "linux/amd64", output, ...call });
  const { store } = await openStore(output, work);
  const artifact = await store.read(context);
  t.deepEqual(
    (await validate(context, artifact)).problems.filter(({ severity }) => severity === "error"),
    [],
  );
  const [image] = imagesOf(artifact);
  const added = [...(result.closures[0]?.entries.keys() ?? [])];
  return { result, image: image as Image, artifact, added };
}

test("a base with everything: the app alone is added, and the base's config is inherited", async (t) => {
  const config = {
    User: "app",
    Env: ["PATH=/usr/bin", "LANG=C"],
    WorkingDir: "/srv",
    Cmd: ["serve"],
    ExposedPorts: { "80/tcp": {} },
    Labels: { team: "base" },
  };
  const layers = [{ ...system, ...glibc(41) }, { "usr/local/bin/node": node("24.1.0") }];
  const image = await baseOf(layers, { platform: amd64, config });
  const base = await layout(image);
  const cwd = await project();
  const { result, image: built, added } = await made(t, { cwd, base, expose: ["443"] });
  t.deepEqual(added, ["/app", "/app/.index.pack", "/app/index.js", "/app/package.json"]);
  t.deepEqual(
    built.layers.map(({ descriptor }) => descriptor.digest).slice(0, 2),
    image.layers.map(({ descriptor }) => descriptor.digest),
  );
  t.deepEqual(built.config.history?.slice(0, 2), image.config.history);
  t.is(built.config.history?.length, 3);
  t.deepEqual(built.config.config as unknown, {
    User: "app",
    Env: ["PATH=/usr/bin", "NODE_ENV=production", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "LANG=C"],
    WorkingDir: "/app",
    ExposedPorts: { "80/tcp": {}, "443/tcp": {} },
    Entrypoint: ["/usr/local/bin/node", "/app/index.js"],
    Labels: {
      team: "base",
      "org.opencontainers.image.base.digest": image.descriptor.digest,
      ...(result.platforms.length && {
        "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
        "org.opencontainers.image.title": "tested",
        "org.opencontainers.image.version": "1.2.3",
      }),
    },
  });
  t.is(built.manifest.annotations?.["org.opencontainers.image.base.digest"], image.descriptor.digest);
  t.like(result.platforms[0], { base: { name: base, digest: image.descriptor.digest } });
  t.deepEqual(result.diagnostics, []);
  t.is(await readFile(path.join(cwd, "slim.lock"), "utf8").catch(() => "none"), "none", "a file is not locked");
  const again = await build({ cwd, base, cacheDir, environment, platform: "linux/amd64", dryRun: true });
  t.deepEqual([...(again.closures[0]?.entries.keys() ?? [])], added);
});

test("the base's Node.js is taken where it satisfies what is asked for, wherever it lies", async (t) => {
  const on = async (files: LayerFiles, config: object, call: BuildCall, manifest = "{}") => {
    const base = await layout(await baseOf([{ ...system, ...glibc(41), ...files }], { platform: amd64, config }));
    const cwd = await project({ "package.json": manifest });
    return { cwd, base, cacheDir, environment, platform: "linux/amd64", dryRun: true, ...call };
  };
  const entrypoint = async (call: BuildCall) =>
    (await made(t, { ...call, dryRun: false })).image.config.config?.Entrypoint?.[0];
  const distroless = await on({ "nodejs/bin/node": node("22.9.1") }, {}, {}, '{"engines":{"node":">=20"}}');
  t.is(await entrypoint(distroless), "/nodejs/bin/node");
  t.is(await entrypoint({ ...distroless, node: "22" }), "/nodejs/bin/node");
  const ownPath = await on(
    { "opt/bin/node": node("20.19.0"), "usr/bin/node": "#!/bin/sh\n" },
    { Env: ["PATH=/usr/bin:/opt/bin"] },
    {},
  );
  t.is(await entrypoint(ownPath), "/opt/bin/node", "nobody asked for another, and a script is passed over");
  const split = {
    "usr/bin/node": buildElf({ type: 2, interpreter: glibcLoader, needed: ["libnode.so.115", "libc.so.6"] }),
  };
  const library = Buffer.concat([buildElf({ soname: "libnode.so.115" }), node("20.1.0")]);
  const debian = await on({ ...split, "usr/lib/x86_64-linux-gnu/libnode.so.115": library }, {}, { node: "20" });
  t.is(await entrypoint(debian), "/usr/bin/node");
  const other = await failsWith(t, "NETWORK", () => build({ ...distroless, node: "24" }));
  t.regex(other, /npm/, "another version is fetched");
});

test("a base with musl: its Node.js, and addons that are made for musl", async (t) => {
  const needs = { needed: ["libc.musl-x86_64.so.1"] };
  const runtime = node("24.1.0", { interpreter: muslLoader, ...needs });
  const alias = { "lib/libc.musl-x86_64.so.1": "-> ld-musl-x86_64.so.1" };
  const base = await layout(
    await baseOf([{ ...system, ...musl, ...alias, "usr/bin/node": runtime }], { platform: amd64 }),
  );
  const cwd = await project({ "index.js": 'require("n")' });
  const addon = path.join(cwd, "node_modules/n");
  await mkdir(path.join(addon, "prebuilds/linux-x64"), { recursive: true });
  await writeFile(path.join(addon, "package.json"), '{"name":"n","version":"1.0.0"}');
  await writeFile(path.join(addon, "index.js"), "");
  await writeFile(path.join(addon, "prebuilds/linux-x64/n.glibc.node"), buildElf({ needed: ["libc.so.6"] }));
  await writeFile(path.join(addon, "prebuilds/linux-x64/n.musl.node"), buildElf(needs));
  const { added } = await made(t, { cwd, base });
  t.deepEqual(
    added.filter((place) => place.endsWith(".node")),
    ["/app/node_modules/n/prebuilds/linux-x64/n.musl.node"],
  );

  const without = await layout(await baseOf([{ ...system, ...musl }], { platform: amd64 }));
  t.regex(
    await failsWith(t, "PLATFORM", () => build({ cwd, base: without, cacheDir, environment, platform: "linux/amd64" })),
    /the base has musl, for which no Node\.js 24\.x is published, and no Node\.js \(take a base/,
  );
});

test("programs and addons are checked against the base's C library", async (t) => {
  const onGlibc = await layout(await baseOf([{ ...system, ...glibc(28) }], { platform: amd64 }));
  const onMusl = await layout(await baseOf([{ ...system, ...musl }], { platform: amd64 }));
  const program = async (name: string, parts: ElfParts) => {
    const file = path.join(work, name);
    await writeFile(file, buildElf({ type: 2, ...parts }));
    return file;
  };
  const asks = (version: string) => [{ file: "libc.so.6", versions: [{ name: version, weak: false }] }];
  const needed = ["libc.so.6"];
  const old = await program("old", { interpreter: glibcLoader, needed, versionNeeds: asks("GLIBC_2.17") });
  const recent = await program("recent", { interpreter: glibcLoader, needed, versionNeeds: asks("GLIBC_2.34") });
  const forMusl = await program("for-musl", { interpreter: muslLoader, needed: ["libc.so"] });
  const call = (file: string, base: string) => ({ path: file, base, cacheDir, environment });

  const { added, result, image } = await made(t, call(old, onGlibc));
  t.deepEqual(added, ["/app", "/app/old"]);
  t.is(image.config.config?.WorkingDir, "/");
  t.deepEqual([...(result.closures[0]?.base?.used.keys() ?? [])].sort(), [
    "/lib",
    "/lib64",
    "/usr/lib/x86_64-linux-gnu/ld.so",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib64/ld-linux-x86-64.so.2",
  ]);
  t.regex(
    await failsWith(t, "CLOSURE", () => build(call(recent, onGlibc))),
    /libc\.so\.6 does not have GLIBC_2\.34: \/app\/recent -> libc\.so\.6 \(what .* has is too old/,
  );
  t.regex(await failsWith(t, "CLOSURE", () => build(call(old, onMusl))), /ld-linux-x86-64\.so\.2 is missing.*has musl/);
  t.regex(await failsWith(t, "CLOSURE", () => build(call(forMusl, onGlibc))), /ld-musl.*does not have musl/);
  t.deepEqual((await made(t, call(forMusl, onMusl))).added, ["/app", "/app/for-musl"]);
});

test("libraries are found where the base's loader looks: by its configuration only if it has a cache of it", async (t) => {
  const files = {
    ...system,
    ...glibc(34),
    "etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
    "etc/ld.so.conf.d/own.conf": "/opt/lib\n",
    "opt/lib/libown.so.1": buildElf({ soname: "libown.so.1" }),
  };
  const file = path.join(work, "configured");
  await writeFile(file, buildElf({ type: 2, interpreter: glibcLoader, needed: ["libown.so.1"] }));
  const cached = await layout(await baseOf([{ ...files, "etc/ld.so.cache": "" }], { platform: amd64 }));
  t.deepEqual((await made(t, { path: file, base: cached })).added, ["/app", "/app/configured"]);
  const uncached = await layout(await baseOf([files], { platform: amd64 }));
  await t.throwsAsync(build({ path: file, base: uncached, cacheDir, environment }), {
    message: /libown|connect|refused/i,
  });
});

test("what lies under a link of the base is put where that leads; a folder is no file", async (t) => {
  const files = {
    ...system,
    ...glibc(34),
    app: "-> srv/app",
    "srv/app/": "",
    "srv/app/index.js": "old",
    "srv/app/taken/": "",
  };
  const base = await layout(await baseOf([files, { "usr/bin/node": node("24.1.0") }], { platform: amd64 }));
  const cwd = await project();
  const { added, image, result } = await made(t, { cwd, base });
  t.like(result.diagnostics, [
    { code: "base-replaced", message: "/srv/app/index.js of the base is replaced by other files" },
  ]);
  t.deepEqual(added, ["/srv/app/.index.pack", "/srv/app/index.js", "/srv/app/package.json"]);
  t.deepEqual(image.config.config?.Entrypoint, ["/usr/bin/node", "/app/index.js"]);
  await writeFile(path.join(cwd, "taken"), "x");
  t.regex(
    await failsWith(t, "CLOSURE", () =>
      build({ cwd, base, cacheDir, environment, include: ["taken"], dryRun: true, platform: "linux/amd64" }),
    ),
    /\/srv\/app\/taken: is a folder in the base and something else here/,
  );
});

test("an account has to be one of the base; root is said", async (t) => {
  const files = { ...system, ...glibc(34), "usr/bin/node": node("24.1.0") };
  const base = await layout(await baseOf([files], { platform: amd64, config: { User: "0" } }));
  const call = { cwd: await project(), base, cacheDir, environment, platform: "linux/amd64", dryRun: true };
  const { diagnostics } = await build(call);
  t.deepEqual(
    diagnostics.map(({ code }) => code),
    ["base-user"],
  );
  t.deepEqual((await build({ ...call, user: "app:app" })).diagnostics, []);
  t.regex(
    await failsWith(t, "CONFIG", () => build({ ...call, user: "nobody" })),
    /"nobody" is not in \/etc\/passwd of /,
  );
});

test("a library of musl is looked for in the base alone", async (t) => {
  const base = await layout(await baseOf([{ ...system, ...musl, "etc/passwd": "-> gone" }], { platform: amd64 }));
  const file = path.join(work, "needs-more");
  await writeFile(file, buildElf({ type: 2, interpreter: muslLoader, needed: ["libmore.so.1"] }));
  const call = { path: file, base, cacheDir, environment };
  const message = await failsWith(t, "CLOSURE", () => build(call));
  t.regex(message, /libmore\.so\.1 is missing: .*has musl, for which Debian has no libraries: take a base that has it/);
  await writeFile(file, buildElf({ type: 2, interpreter: muslLoader }));
  t.regex(await failsWith(t, "CONFIG", () => build({ ...call, user: "app" })), /"app" is not an account of the image/);
});

test("platforms: one of an index, all of it, and the error says what there is", async (t) => {
  const images = await Promise.all(
    [amd64, arm64].map((platform) => {
      const machine = platform === amd64 ? 62 : 183;
      const interpreter = platform === amd64 ? glibcLoader : "/lib/ld-linux-aarch64.so.1";
      const files = { ...system, ...glibc(34, machine), "usr/bin/node": node("24.1.0", { machine, interpreter }) };
      return baseOf([files], { platform });
    }),
  );
  const { composeIndex } = await import("../../src/image/image.ts");
  const index = composeIndex(images, {});
  const base = await layout(index);
  const cwd = await project();
  const both = await made(t, { cwd, base, platform: "linux/amd64,linux/arm64/v8" });
  t.deepEqual(
    imagesOf(both.artifact).map(({ layers }) => layers[0]?.descriptor.digest),
    images.map(({ layers }) => layers[0]?.descriptor.digest),
  );
  t.like(both.artifact, {
    index: { annotations: { "org.opencontainers.image.base.digest": index.descriptor.digest } },
  });
  const [arm] = imagesOf((await made(t, { cwd, base, platform: "linux/arm64" })).artifact);
  t.is(arm?.config.architecture, "arm64");
  const call = { cwd, base, cacheDir, environment, platform: "linux/s390x" };
  t.regex(
    await failsWith(t, "PLATFORM", () => build(call)),
    /no image for linux\/s390x \(there is linux\/amd64, linux\/arm64\)/,
  );
  const single = await layout(images[0] as Image);
  t.regex(
    await failsWith(t, "PLATFORM", () => build({ ...call, base: single })),
    /is for linux\/amd64, not linux\/s390x/,
  );
});

test.serial("a registry: locked by digest, read once, mounted, and never sent or fetched again", async (t) => {
  const registry = await StrictRegistry.start();
  t.teardown(() => registry.stop());
  const client = new RegistryClient();
  const name = `${registry.host}/team/base`;
  const files = { ...system, ...glibc(34), "usr/bin/node": node("24.1.0") };
  const first = await baseOf([files], { platform: amd64 });
  await client.push(context, first, [`${name}:1`]);
  const [layer] = first.layers;
  const digest = layer?.descriptor.digest ?? "";
  const cwd = await project();
  const file = path.join(cwd, "slim.lock");
  const tags = [`${registry.host}/team/app:1`];
  const call = { cwd, base: `${name}:1`, cacheDir, environment, platform: "linux/amd64" };
  const fetched = () =>
    registry.requests.splice(0).filter(({ url, method }) => method === "GET" && url.includes("team/base"));

  registry.requests.length = 0;
  const built = await build({ ...call, tags, push: true });
  t.like(built.outputs[0], { mountedBlobs: 1, uploadedBlobs: 2 });
  t.is(registry.requests.filter(({ method, url }) => method === "GET" && url.includes(digest)).length, 1);
  fetched();
  t.deepEqual(JSON.parse(await readFile(file, "utf8")), {
    lockVersion: 1,
    bases: { [`${name}:1`]: first.descriptor.digest },
  });

  t.is((await build({ ...call, tags, push: true, frozen: true })).digest, built.digest);
  t.deepEqual(fetched(), []);
  // Another machine: it reads the base, and sends nothing of it.
  const elsewhere = { ...call, cacheDir: path.join(work, "other-cache"), frozen: true };
  t.like((await build({ ...elsewhere, tags, push: true })).outputs[0], {
    uploadedBlobs: 0,
    mountedBlobs: 0,
    skippedBlobs: 3,
  });
  const all = fetched().map(({ url }) => url);
  t.is(all.length, 3, `manifest, config and layer, each once: ${all.join(" ")}`);

  const second = await baseOf([files, { "etc/new": "1" }], { platform: amd64 });
  await client.push(context, second, [`${name}:1`]);
  t.is((await build({ ...call, dryRun: true })).closures[0]?.base?.digest, first.descriptor.digest);
  t.deepEqual(
    (await lock({ ...call, update: [`${name}:1`] })).changes.map(({ to }) => to),
    [second.descriptor.digest],
  );
  const byDigest = `${name}@${first.descriptor.digest}`;
  t.is((await build({ ...call, base: byDigest, dryRun: true, frozen: true })).closures[0]?.base?.name, byDigest);
  t.regex(
    await failsWith(t, "LOCK", () => build({ ...call, base: `${name}:2`, frozen: true })),
    /does not have the base .*team\/base:2/,
  );
  t.regex(
    await failsWith(t, "NOT_FOUND", () => build({ ...call, base: `${name}:2` })),
    /no such image in the registry/,
  );

  // The registry forgets what the lock names.
  registry.repository("team/base").manifests.clear();
  const empty = { ...call, cacheDir: path.join(work, "empty-cache") };
  t.regex(
    await failsWith(t, "NOT_FOUND", () => build(empty)),
    /the base that slim\.lock names \(slim lock --update base/,
  );
  t.deepEqual(registry.violations, []);
});

test("a base's layer that is not what it says is refused, and nothing is written", async (t) => {
  const image = await baseOf([{ ...system, ...glibc(34), "usr/bin/node": node("24.1.0") }], { platform: amd64 });
  const base = await layout(image);
  const { digest } = image.layers[0]?.descriptor ?? { digest: "" };
  const file = path.join(base, "blobs", ...digest.split(":"));
  const bytes = await readFile(file);
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
  await writeFile(file, bytes);
  const own = path.join(work, "tampered-cache");
  const call = { cwd: await project(), base, cacheDir: own, environment, platform: "linux/amd64" };
  const output = path.join(work, "tampered.tar");
  await t.throwsAsync(build({ ...call, output }), { message: /digest|incorrect|invalid|unpacks/ });
  await t.throwsAsync(readFile(output), { code: "ENOENT" });
});

test("what is no base", async (t) => {
  const call = { cwd: await project(), cacheDir, environment, platform: "linux/amd64" };
  t.regex(await failsWith(t, "NOT_FOUND", () => build({ ...call, base: "./nothing.tar" })), /no such image/);
  t.regex(await failsWith(t, "CONFIG", () => build({ ...call, base: "Not A Reference" })), /Not A Reference/);
  t.regex(await failsWith(t, "CONFIG", () => build({ ...call, base: "" })), /is empty/);
  execFileSync("mkfifo", [path.join(call.cwd, "pipe")]);
  t.regex(await failsWith(t, "CONFIG", () => build({ ...call, base: "./pipe" })), /neither a file nor a folder/);
});
