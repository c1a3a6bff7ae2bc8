import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { unpackArchive } from "../support/archive.ts";
import { startContainerd, startDocker } from "../support/daemon.ts";
import { esbuildBinary } from "../support/esbuild-binary.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { startRegistry } from "../support/registry-server.ts";
import { type Printed, type SlimRun, slim, slimBuild } from "../support/slim.ts";
import { hasTool, testWith } from "../support/tools.ts";

const run = promisify(execFile);
const docker = testWith(test.serial, "root", "dockerd", "docker", "skopeo");
const podman = testWith(test.serial, "root", "podman", "runc");
const containerd = testWith(test.serial, "root", "containerd", "ctr");
const work = workFolder(test);
const name = "example.com/team/program:1";
const archive = path.join(work, "program.tar");
let cwd: string;
let program: string;
let built: Printed;
/** The digest of the config: what Docker and Podman call the image's ID. */
let id: string;

test.before(async () => {
  program = (await esbuildBinary("x64")).file;
  cwd = await lockedProject(path.join(work, "project"), {});
  built = await slimBuild([program, "-o", archive, "-t", name, "--cmd=--version"], { cwd });
  id = (await unpackArchive(archive, path.join(work, "unpacked"))).manifest.config.digest;
});

type Environment = Readonly<Record<string, string>>;

/** Builds the same program with other outputs. */
function load(args: readonly string[], env: Environment, tag = name): Promise<SlimRun> {
  return slim(["build", "-t", tag, "--cmd=--version", ...args, program], { cwd, env });
}

function succeeded(t: ExecutionContext, { code, stderr }: SlimRun): void {
  t.is(code, 0, stderr);
}

const again = "example.com/team/again:1";

/** The engine has the layers: another image of them is loaded by its config alone. */
async function loadsLittle(t: ExecutionContext, args: readonly string[], env: Environment): Promise<void> {
  const { outputs } = await slimBuild(["-t", again, "--cmd=--help", ...args], { cwd, env });
  const [output] = outputs;
  t.is(output?.type, "engine");
  if (output?.type === "engine") t.true(output.sentBytes < 50_000, String(output.sentBytes));
}

/** A Podman with folders of its own. */
async function podmanAt(folder: string) {
  await mkdir(folder, { recursive: true });
  const conf = path.join(folder, "storage.conf");
  const root = path.join(folder, "root");
  await writeFile(conf, `[storage]\ndriver = "vfs"\ngraphroot = "${root}"\nrunroot = "${folder}/run"\n`);
  const env = { CONTAINERS_STORAGE_CONF: conf };
  const client = async (...args: string[]) => {
    const common = ["--cgroup-manager", "cgroupfs", "--runtime", "runc"];
    return (await run("podman", [...common, ...args], { env: { ...process.env, ...env } })).stdout;
  };
  return { env, client };
}

docker("Docker: loaded by a build, run, copied out, pulled from a registry", async (t) => {
  const engine = await startDocker(path.join(work, "docker"));
  t.teardown(() => engine.stop());
  const loaded = await load(["--load"], engine.env);
  succeeded(t, loaded);
  t.regex(loaded.stderr, /^example\.com\/team\/program:1: loaded into docker \(4\.\d MB sent\)$/m);
  t.is((await engine.client("image", "inspect", "--format", "{{.Id}}", name)).trim(), id);
  t.regex(await engine.client("run", "--rm", "--network", "none", name), /^\d+\.\d+\.\d+\n$/);
  await loadsLittle(t, ["--load=docker", program], engine.env);
  t.regex(await engine.client("run", "--rm", "--network", "none", again), /^Usage:|esbuild/m);

  const index = "example.com/team/index:1";
  const platforms = await slimBuild(["--platform", "linux/arm64,linux/amd64", "-t", index, "--load=docker"], {
    cwd: await lockedProject(path.join(work, "app"), { "index.js": "console.log(process.arch)" }),
    env: engine.env,
  });
  t.like(platforms.outputs[0], { type: "engine", engine: "docker", refs: [index] });
  t.is((await engine.client("run", "--rm", "--network", "none", index)).trim(), "x64");

  const saved = path.join(work, "saved.tar");
  succeeded(t, await slim(["copy", `docker:${name}`, `archive:${saved}`], { env: engine.env }));
  succeeded(t, await slim(["validate", saved]));
  t.is(id, (await unpackArchive(saved, path.join(work, "saved"))).manifest.config.digest);
  succeeded(t, await slim(["copy", saved, "docker:example.com/team/again:2"], { env: engine.env }));
  t.is((await engine.client("image", "inspect", "--format", "{{.Id}}", "example.com/team/again:2")).trim(), id);
  const missing = await slim(["copy", "docker:example.com/none:1", "archive:none.tar"], { env: engine.env, cwd: work });
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^error: docker: .*(?:No such image|reference does not exist).*\n$/);

  if (!hasTool(t, "docker-registry")) return;
  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  const ref = `${registry.host}/team/program:1`;
  succeeded(t, await slim(["push", archive, ref]));
  t.true((await engine.client("pull", ref)).includes(`Digest: ${built.digest}`));
  t.regex(await engine.client("images", "--digests"), new RegExp(`${ref.replace(/:1$/, "")} +1 +${built.digest} `));
  t.regex(await engine.client("run", "--rm", "--network", "none", ref), /^\d+\.\d+\.\d+\n$/);
  const { stdout } = await run("skopeo", ["inspect", "--tls-verify=false", `docker://${ref}`]);
  t.is(JSON.parse(stdout).Digest, built.digest);
  const podman = await podmanAt(path.join(work, "podman-pull"));
  await podman.client("pull", "--quiet", "--tls-verify=false", ref);
  t.is((await podman.client("image", "inspect", "--format", "{{.Digest}}", ref)).trim(), built.digest);
});

podman("Podman: found where Docker does not answer, run, copied out and in", async (t) => {
  const { env, client } = await podmanAt(path.join(work, "podman"));
  const nowhere = { ...env, DOCKER_HOST: `unix://${work}/none.sock` };
  const loaded = await load(["--load"], nowhere);
  succeeded(t, loaded);
  t.regex(loaded.stderr, /^example\.com\/team\/program:1: loaded into podman \(4\.\d MB sent\)$/m);
  t.is(`sha256:${(await client("image", "inspect", "--format", "{{.Id}}", name)).trim()}`, id);
  const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
  t.regex(await client("run", "--rm", "--network", "none", ...limits, name), /^\d+\.\d+\.\d+\n$/);

  await loadsLittle(t, ["--load=podman", program], env);
  t.regex(await client("run", "--rm", "--network", "none", ...limits, again), /^Usage:|esbuild/m);

  const copied = path.join(work, "from-podman");
  succeeded(t, await slim(["copy", `podman:${name}`, `oci:${copied}`], { env }));
  succeeded(t, await slim(["validate", copied]));
  succeeded(t, await slim(["copy", copied, "podman:example.com/team/again:2"], { env }));
  t.is(`sha256:${(await client("image", "inspect", "--format", "{{.Id}}", "example.com/team/again:2")).trim()}`, id);

  const explicit = await load(["--load", "docker"], nowhere);
  t.is(explicit.code, 1);
  t.regex(explicit.stderr, /^error: docker: .*Cannot connect to the Docker daemon at unix:.*\n$/);
  await client("system", "reset", "--force").catch(() => {});
});

containerd("containerd: an index is imported whole, and runs", async (t) => {
  const engine = await startContainerd(path.join(work, "containerd"));
  t.teardown(() => engine.stop());
  const arm = (await esbuildBinary("arm64")).file;
  const programs = [`linux/amd64=${program}`, `linux/arm64=${arm}`];
  const tag = "example.com/team/index:1";
  const result = await slimBuild(["-t", tag, "--bare", "--load=containerd", ...programs], { cwd, env: engine.env });
  t.like(result.outputs[0], { type: "engine", engine: "containerd", refs: [tag] });
  await loadsLittle(t, ["--bare", "--load=containerd", ...programs], engine.env);
  const line = (await engine.client("images", "ls")).split("\n").find((one) => one.startsWith(`${tag} `));
  t.true(line?.includes(result.digest), line ?? "not listed");
  t.true(line?.includes("linux/amd64,linux/arm64"), line);
  succeeded(t, await load(["--load", "containerd"], { ...engine.env, CONTAINERD_NAMESPACE: "k8s.io" }));
  t.true((await engine.client("--namespace", "k8s.io", "images", "ls", "-q")).includes(name));
});

test("kind is given a file that is whole, and that is gone afterwards", async (t) => {
  // kind needs nodes that no test can start; this stands in for its command line.
  const bin = path.join(work, "bin");
  const temporary = path.join(work, "tmp");
  await mkdir(bin);
  await mkdir(temporary);
  const script = `#!/bin/sh\necho "$1 $2" >> ${bin}/log\n[ "$1" = get ] || cp "$3" ${bin}/image.tar\n`;
  await writeFile(path.join(bin, "kind"), script);
  await chmod(path.join(bin, "kind"), 0o755);
  const env = { PATH: `${bin}:${process.env.PATH}`, TMPDIR: temporary };
  const loaded = await load(["--load", "kind"], env);
  succeeded(t, loaded);
  t.regex(loaded.stderr, /^example\.com\/team\/program:1: loaded into kind \(4\.\d MB sent\)$/m);
  t.is(await readFile(path.join(bin, "log"), "utf8"), "get clusters\nload image-archive\n");
  t.deepEqual(await readFile(path.join(bin, "image.tar")), await readFile(archive));
  t.deepEqual(await readdir(temporary), []);
});

test("an engine that has not what it said is given everything", async (t) => {
  // As when somebody removes an image between the question and the load.
  const bin = path.join(work, "forgetful");
  await mkdir(bin);
  const diffIds = (await unpackArchive(archive, path.join(work, "again"))).config.rootfs.diff_ids;
  const script = `#!/bin/sh
case "$1 $2" in
"version "*) echo linux/amd64 ;;
"info "*) echo null ;;
"image ls") echo sha256:1 ;;
"image inspect") echo '${JSON.stringify(diffIds)}' ;;
"load "*) [ -e ${bin}/first.tar ] && exec cat > ${bin}/second.tar; cat > ${bin}/first.tar; echo "no such file" >&2; exit 1 ;;
esac`;
  await writeFile(path.join(bin, "docker"), script);
  await chmod(path.join(bin, "docker"), 0o755);
  succeeded(t, await load(["--load", "docker"], { PATH: `${bin}:${process.env.PATH}` }));
  t.true((await readFile(path.join(bin, "first.tar"))).length < 50_000);
  t.deepEqual(await readFile(path.join(bin, "second.tar")), await readFile(archive));
});

test("where there is no engine, or no name, one line says so", async (t) => {
  const empty = { PATH: path.join(work, "project") };
  const none = await load(["--load"], empty);
  t.is(none.code, 1);
  t.is(
    none.stderr,
    "error: no container engine: docker: is not installed; podman: is not installed; ctr: is not installed; " +
      "nerdctl: is not installed (start one, or write a file with -o and load that)\n",
  );
  const podman = await load(["--load", "podman"], empty);
  t.is(podman.stderr, "error: podman: is not installed\n");
  const unnamed = await slim(["build", "--load", program], { cwd });
  t.regex(unnamed.stderr, /^error: --load: there is no name for the image \(.+\)\n$/);
  t.is((await load(["--load=dokcer"], {})).code, 2);
});
