import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { type BuildCall, build } from "../../src/build.ts";
import type { Image } from "../../src/image/types.ts";
import { folderStore } from "../../src/store/folder.ts";
import { RegistryClient } from "../../src/store/registry/index.ts";
import { validate } from "../../src/store/validate.ts";
import { compile, runHere } from "../support/program-image.ts";
import { lockedProject, workFolder, writeProject } from "../support/project.ts";
import { contextOf } from "../support/registry-images.ts";
import { run, startRegistry } from "../support/registry-server.ts";
import { cacheDir } from "../support/slim.ts";
import { hasTool, testWith } from "../support/tools.ts";
import { Container } from "../support/unpacked-image.ts";

const real = testWith(test.serial, "root", "runc", "skopeo", "umoci", "docker-registry");
const work = workFolder(test);
const context = contextOf();
const platform = "linux/amd64";
let count = 0;

/** Builds into a layout, checks it, and runs it with nothing around. */
async function runs(call: BuildCall) {
  const output = path.join(work, `image-${++count}`);
  const result = await build({ cacheDir, platform, ...call, output, format: "oci-layout" });
  const image = (await folderStore(output).read(context)) as Image;
  const { problems } = await validate(context, image);
  const container = await Container.unpack(output);
  try {
    return { result, image, problems, ran: await container.run() };
  } finally {
    await container.remove();
  }
}

real("a program of musl on a base with musl", async (t) => {
  if (!hasTool(t, "musl-gcc")) return;
  const cwd = await lockedProject(path.join(work, "musl"), {
    "a.c": '#include <stdio.h>\nint main() { puts("hello"); }\n',
  });
  compile(cwd, ["musl-gcc", "-o", "program", "a.c"]);
  const base = path.join(work, "musl.tar");
  await build({ cwd, cacheDir, platform, packages: ["musl"], entry: "/lib/ld-musl-x86_64.so.1", output: base });
  const { ran, result, problems } = await runs({ cwd, path: "program", base });
  t.deepEqual(ran, runHere(path.join(cwd, "program")));
  t.deepEqual(problems, []);
  t.deepEqual([...(result.closures[0]?.entries.keys() ?? [])], ["/app", "/app/program"]);
});

real("an image of slim under another: its Node.js, libraries and certificates are there already", async (t) => {
  const cwd = await lockedProject(path.join(work, "under"), { "index.js": "" });
  const base = path.join(work, "node.tar");
  const under = await build({ cwd, cacheDir, platform, output: base });
  const script =
    'const fs = require("fs"); console.log(process.version, process.getuid(), fs.existsSync(process.env.SSL_CERT_FILE))';
  const over = await writeProject(path.join(work, "over"), { "index.js": script });
  const expected = /^v24\.\S+ 65532 true\n$/;
  const first = await runs({ cwd: over, base });
  t.regex(first.ran.stdout, expected, first.ran.stderr);
  t.deepEqual(
    first.result.platforms[0]?.layers.map(({ digest }) => digest).slice(0, -1),
    under.platforms[0]?.layers.map(({ digest }) => digest),
  );
  t.is(first.result.platforms[0]?.layers.at(-1)?.name, "app");

  // The same in the forms of others: Docker's archive, and Docker's types in a registry.
  const docker = path.join(work, "docker.tar");
  await run("skopeo", ["copy", "-q", `oci-archive:${base}`, `docker-archive:${docker}:under:1`]);
  const archived = await runs({ cwd: over, base: `archive:${docker}:under:1` });
  t.regex(archived.ran.stdout, expected, archived.ran.stderr);
  t.deepEqual(archived.problems, []);
  t.deepEqual(archived.image.config.rootfs.diff_ids, first.image.config.rootfs.diff_ids);

  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  const name = `${registry.host}/under:1`;
  await run("skopeo", [
    "copy",
    "-q",
    "--format",
    "v2s2",
    "--dest-tls-verify=false",
    `oci-archive:${base}`,
    `docker://${name}`,
  ]);
  const remote = (await new RegistryClient().read(context, name)) as Image;
  t.true(remote.manifest.layers.every(({ mediaType }) => mediaType.includes("docker")));
  const converted = await runs({ cwd: over, base: name });
  t.regex(converted.ran.stdout, expected, converted.ran.stderr);
  t.deepEqual(converted.problems, [], "types of OCI and Docker do not mix");
  t.deepEqual(
    converted.image.manifest.layers.slice(0, -1).map(({ digest, size }) => ({ digest, size })),
    remote.manifest.layers.map(({ digest, size }) => ({ digest, size })),
  );
});

real("on a base that has nothing but folders, Debian brings the rest to where its links lead", async (t) => {
  // As static bases are: folders that are real where Debian today has links, and files of their own.
  const root = path.join(work, "static");
  await run("umoci", ["init", "--layout", root]);
  await run("umoci", ["new", "--image", `${root}:1`]);
  const files = path.join(work, "static-files");
  for (const folder of ["lib64", "lib", "usr", "opt/local", "etc", "tmp"])
    await mkdir(path.join(files, folder), { recursive: true });
  await run("ln", ["-s", "/opt/local", path.join(files, "usr/local")]);
  await writeFile(path.join(files, "etc/passwd"), "root:x:0:0::/:\nfew:x:77:77::/:\n");
  await run("umoci", ["insert", "--image", `${root}:1`, files, "/"]);
  await run("umoci", ["config", "--image", `${root}:1`, "--config.user", "77:77", "--config.env", "KEPT=yes"]);
  const cwd = await lockedProject(path.join(work, "app"), {
    "index.js": "console.log(process.version, process.getuid(), process.env.KEPT, process.execPath)",
  });
  const { ran, result, problems } = await runs({ cwd, base: `oci:${root}:1` });
  t.regex(ran.stdout, /^v24\.\S+ 77 yes \/opt\/local\/bin\/node\n$/, ran.stderr);
  t.deepEqual(
    problems.filter(({ severity }) => severity === "error"),
    [],
  );
  const entries = result.closures[0]?.entries;
  t.true(entries?.has("/opt/local/bin/node"));
  for (const place of ["/etc/passwd", "/lib64", "/usr", "/tmp", "/home/nonroot"]) t.false(entries?.has(place), place);
  t.true(entries?.has("/etc/os-release"), "the base is no system of its own");
});
