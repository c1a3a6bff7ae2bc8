import { execFile } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import test from "ava";
import { unpackArchive } from "../support/archive.ts";
import { startContainerd, startDocker } from "../support/daemon.ts";
import { workFolder } from "../support/project.ts";
import { checkout, type Printed, slimBuild } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const run = promisify(execFile);
const docker = testWith(test.serial, "root", "dockerd", "docker");
const podman = testWith(test.serial, "root", "podman", "runc");
const containerd = testWith(test.serial, "root", "containerd", "ctr");
const work = workFolder(test);
const archive = path.join(work, "express.tar");
const name = "example.com/team/express:1";
const request = "fetch('http://127.0.0.1:8080/').then(async (r) => console.log(await r.text()))";
let result: Printed;
let id: string;

test.before(async () => {
  result = await slimBuild(["examples/express", "-o", archive, "-t", name], { cwd: checkout });
  id = (await unpackArchive(archive, path.join(work, "unpacked"))).manifest.config.digest;
});

/** Asks until the server inside is there. */
async function answerOf(ask: () => Promise<string>): Promise<unknown> {
  for (const deadline = Date.now() + 20_000; ; await sleep(200)) {
    const text = await ask().catch((error: Error) => error);
    if (typeof text === "string") return JSON.parse(text);
    if (Date.now() > deadline) throw text;
  }
}

docker("Docker loads the archive and runs it", async (t) => {
  const engine = await startDocker(path.join(work, "docker"));
  try {
    t.is(await engine.client("load", "-i", archive), `Loaded image: ${name}\n`);
    t.is((await engine.client("image", "inspect", "--format", "{{.Id}}", name)).trim(), id);
    for (const [network, signal] of [
      ["none", "TERM"],
      ["host", "INT"],
    ] as const) {
      const place = ["-e", "PORT=48713"];
      const container = `slim-${network}`;
      await engine.client("run", "-d", "--name", container, "--network", network, "--read-only", ...place, name);
      const ask = () => engine.client("exec", container, "/usr/local/bin/node", "-e", request.replace("8080", "48713"));
      t.like(await answerOf(ask), { hello: "world", uid: 65532 });
      const sent = performance.now();
      await engine.client("kill", "--signal", signal, container);
      await engine.client("wait", container);
      t.true(performance.now() - sent < 1000, `${signal}: ${performance.now() - sent} ms`);
    }
  } finally {
    await engine.stop();
  }
});

podman("Podman loads the archive and runs it", async (t) => {
  const folder = path.join(work, "podman");
  const places = ["--root", path.join(folder, "root"), "--runroot", path.join(folder, "run")];
  const common = [...places, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc"];
  const client = async (...args: string[]) => (await run("podman", [...common, ...args])).stdout;
  t.is(await client("load", "--quiet", "-i", archive), `Loaded image: ${name}\n`);
  t.is((await client("image", "inspect", "--format", "{{.Id}}", name)).trim(), id.replace("sha256:", ""));
  try {
    // What a machine that is a container itself may grant.
    const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    await client("run", "-d", "--name", "slim", "--network", "none", "--read-only", ...limits, name);
    const ask = () => client("exec", "slim", "/usr/local/bin/node", "-e", request);
    t.like(await answerOf(ask), { hello: "world", uid: 65532 });
    const sent = performance.now();
    await client("kill", "--signal", "TERM", "slim");
    await client("wait", "slim");
    t.true(performance.now() - sent < 1500, `${performance.now() - sent} ms`);
  } finally {
    await client("rm", "--force", "--time", "0", "slim").catch(() => {});
    await client("system", "reset", "--force").catch(() => {});
  }
});

containerd("containerd imports the archive under its name and digest", async (t) => {
  const engine = await startContainerd(path.join(work, "containerd"));
  try {
    await engine.client("image", "import", "--snapshotter", "native", archive);
    const line = (await engine.client("image", "ls")).split("\n").find((one) => one.startsWith(name));
    t.true(line?.includes(result.digest), line ?? "not listed");
    t.true(line?.includes("linux/amd64"), line);
  } finally {
    await engine.stop();
  }
});
