import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { writeAtomically } from "../../src/base/files.ts";
import { workFolder } from "../support/project.ts";

const work = workFolder(test);
const write = (file: string, text: string) => writeAtomically(file, (handle) => handle.writeFile(text));

test("a symbolic link is written through, also one that leads to nothing yet", async (t) => {
  const folder = path.join(work, "links");
  await mkdir(path.join(folder, "real/deep"), { recursive: true });
  await symlink("real/deep", path.join(folder, "linked"));
  await symlink("../file", path.join(folder, "real/deep/link"));
  await write(path.join(folder, "linked/link"), "new");
  t.is(await readFile(path.join(folder, "real/file"), "utf8"), "new");
  await writeFile(path.join(folder, "real/file"), "old");
  await write(path.join(folder, "linked/link"), "newer");
  t.is(await readFile(path.join(folder, "real/file"), "utf8"), "newer");
  t.is(await readlink(path.join(folder, "real/deep/link")), "../file");
});

test("what is no file keeps its place, and nothing is left beside it", async (t) => {
  const folder = path.join(work, "pipes");
  await mkdir(folder);
  const pipe = path.join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  await symlink("pipe", path.join(folder, "link"));
  for (const name of ["pipe", "link"]) {
    await t.throwsAsync(write(path.join(folder, name), "x"), { message: "is neither a file nor a folder" });
  }
  t.true((await stat(pipe)).isFIFO());
  t.deepEqual((await readdir(folder)).sort(), ["link", "pipe"]);
});

test("a name may be as long as names are", async (t) => {
  const file = path.join(work, "ü".repeat(127));
  await write(file, "x");
  t.is(await readFile(file, "utf8"), "x");
});
