import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { buildElf, type ElfParts } from "../support/elf-builder.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { slim } from "../support/slim.ts";

const work = workFolder(test);

/** What the build of an app says whose package has this addon. */
async function buildWith(name: string, parts: ElfParts): Promise<string> {
  const folder = await lockedProject(path.join(work, name), {
    "package.json": '{"name":"app","main":"main.js","dependencies":{"n":"1.0.0"},"engines":{"node":"24.x"}}',
    "main.js": 'require("n")',
    "node_modules/n/package.json": '{"name":"n","version":"1.0.0"}',
    "node_modules/n/index.js": 'module.exports = require("./build/Release/n.node")',
  });
  const release = path.join(folder, "node_modules/n/build/Release");
  await mkdir(release, { recursive: true });
  await writeFile(path.join(release, "n.node"), buildElf(parts));
  const { stderr, code } = await slim(["build", folder, "--platform", "linux/amd64", "--dry-run"]);
  return `${code} ${stderr}`;
}

const place = "/app/node_modules/n/build/Release/n.node";

test.serial("a library that an addon needs and nobody has is an error with the chain", async (t) => {
  const said = await buildWith("missing", { needed: ["libnobody.so.7", "libc.so.6"] });
  t.true(said.startsWith("1 "), said);
  t.true(said.includes(`libnobody.so.7 is missing: ${place} -> libnobody.so.7`), said);
});

test.serial("an addon that wants a newer C library than the image's is an error with the chain", async (t) => {
  const versionNeeds = [{ file: "libc.so.6", versions: [{ name: "GLIBC_2.999", weak: false }] }];
  const said = await buildWith("newer", { needed: ["libc.so.6"], versionNeeds });
  t.true(said.startsWith("1 "), said);
  t.regex(
    said,
    /libc\.so\.6 does not have GLIBC_2\.999: \/app\/node_modules\/n\/build\/Release\/n\.node -> libc\.so\.6/,
  );
});

test.serial("an addon for another processor or for musl is an error before its libraries are looked for", async (t) => {
  t.regex(await buildWith("arm", { machine: 183, needed: ["libc.so.6"] }), /^1 .*n\.node is for arm64/);
  t.regex(await buildWith("musl", { needed: ["libc.musl-x86_64.so.1"] }), /^1 .*n\.node is for musl/);
  t.regex(await buildWith("fine", { needed: ["libc.so.6"] }), /^0 /);
});
