import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { unpackArchive } from "../support/archive.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { checkout, type Printed, slimBuild } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const exec = promisify(execFile);
const skopeo = testWith(test.serial, "skopeo");
const work = workFolder(test);
const archive = path.join(work, "app.tar");
const layout = path.join(work, "layout");
let result: Printed;

// A small program, because skopeo packs the layers of a Docker archive anew.
test.before(async () => {
  const cwd = await lockedProject(work, {});
  const program = path.join(checkout, "node_modules/@esbuild/linux-x64/bin/esbuild");
  result = await slimBuild([program, "-o", archive, "-t", "example.com/team/app:1"], { cwd });
  await slimBuild([program, "-o", layout, "--format", "oci-layout", "-t", "example.com/team/app:1"], { cwd });
});

async function run(...args: string[]): Promise<string> {
  const { stdout } = await exec("skopeo", ["--insecure-policy", ...args]);
  return stdout;
}

for (const source of ["oci-archive", "docker-archive"]) {
  skopeo(`skopeo inspects the archive as ${source}`, async (t) => {
    const inspected = JSON.parse(await run("inspect", `${source}:${archive}`));
    t.is(inspected.Os, "linux");
    t.is(inspected.Layers.length, 2);
    t.true(inspected.Env.includes("SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"));
    if (source === "oci-archive") t.is(inspected.Digest, result.digest);
  });

  skopeo(`skopeo copies the archive as ${source}`, async (t) => {
    const to = path.join(work, source);
    await run("copy", "--quiet", `${source}:${archive}`, `dir:${to}`);
    t.true((await readdir(to)).includes("manifest.json"));
    const copied = path.join(work, `${source}-oci`);
    await run("copy", "--quiet", `${source}:${archive}`, `oci:${copied}:copied`);
    const inspected = JSON.parse(await run("inspect", "--config", `oci:${copied}:copied`));
    const { config } = await unpackArchive(archive, path.join(work, `${source}-unpacked`));
    t.deepEqual(inspected.rootfs.diff_ids, config.rootfs.diff_ids);
    t.deepEqual(inspected.config.Entrypoint, config.config?.Entrypoint);
  });
}

skopeo("a copy as oci-archive keeps the digest", async (t) => {
  const copied = path.join(work, "same");
  await run("copy", "--quiet", "--preserve-digests", `oci-archive:${archive}`, `oci:${copied}:copied`);
  t.is(JSON.parse(await run("inspect", `oci:${copied}:copied`)).Digest, result.digest);
});

skopeo("skopeo reads the layout folder", async (t) => {
  t.is(JSON.parse(await run("inspect", `oci:${layout}:1`)).Digest, result.digest);
});
