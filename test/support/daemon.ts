import { execFile, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, readlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A container engine on folders and a socket of its own. */
export interface Daemon {
  /** What tells clients where it is. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs its client and gives what that printed. */
  client(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A Docker engine without network and without any change to the machine. */
export async function startDocker(folder: string): Promise<Daemon> {
  const host = `unix://${path.join(folder, "docker.sock")}`;
  const args = ["--storage-driver", "vfs", "--iptables=false", "--bridge=none", "-H", host];
  args.push("--data-root", path.join(folder, "data"), "--exec-root", path.join(folder, "exec"));
  return start(folder, ["dockerd", ...args, "-p", path.join(folder, "pid")], "docker", { DOCKER_HOST: host });
}

/** containerd alone. */
export async function startContainerd(folder: string): Promise<Daemon> {
  const socket = path.join(folder, "containerd.sock");
  const config = path.join(folder, "config.toml");
  await mkdir(folder, { recursive: true });
  await writeFile(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
  const args = ["--config", config, "--address", socket];
  const places = ["--root", path.join(folder, "root"), "--state", path.join(folder, "state")];
  const env = { CONTAINERD_ADDRESS: socket, CONTAINERD_SNAPSHOTTER: "native" };
  return start(folder, ["containerd", ...args, ...places], "ctr", env);
}

async function start(
  folder: string,
  [program = "", ...args]: readonly string[],
  command: string,
  env: Readonly<Record<string, string>>,
): Promise<Daemon> {
  await mkdir(folder, { recursive: true });
  const log = path.join(folder, "log");
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const out = createWriteStream(log);
  child.stdout.pipe(out, { end: false });
  child.stderr.pipe(out, { end: false });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  // A test process that dies must not leave an engine behind.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const client = async (...more: string[]) => {
    const { stdout } = await run(command, more, { env: { ...process.env, ...env }, maxBuffer: 1 << 26 });
    return stdout;
  };
  const stop = async () => {
    process.removeListener("exit", kill);
    child.kill("SIGTERM");
    await Promise.race([ended, sleep(20_000).then(kill)]);
    await ended;
    await unmountBelow(folder);
  };
  for (const deadline = Date.now() + 60_000; ; await sleep(200)) {
    const answer = await client("version").catch(() => undefined);
    if (answer !== undefined) return { env, client, stop };
    if (Date.now() > deadline || child.exitCode !== null) {
      await stop();
      throw new Error(`${program} does not start: ${(await readFile(log, "utf8")).slice(-2000)}`);
    }
  }
}

/** Engines leave mounts behind when containers were killed; the folder could not be removed. */
async function unmountBelow(folder: string): Promise<void> {
  const real = await readlink(folder).catch(() => folder);
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" ")[1] ?? "");
  for (const mount of mounts.reverse())
    if (mount.startsWith(`${real}/`)) await run("umount", ["-l", mount]).catch(() => {});
}
