import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { skip } from "./tools.ts";

/** A real registry that runs until it is stopped. */
export interface RealRegistry {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly folder: string;
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Lines below `auth:` or `http:` and the like, in the server's own YAML. */
  readonly auth?: (folder: string) => string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Debian's docker-registry (distribution) on a free port of 127.0.0.1, with its files in a folder of its own. */
export async function startRegistry(options: ServerOptions = {}): Promise<RealRegistry> {
  // The registry syncs every file; memory does not make the tests wait for a disk.
  const root = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = await mkdtemp(path.join(root, "slim-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  const tls = options.tls;
  const config = [
    "version: 0.1",
    "log: {level: error, accesslog: {disabled: true}}",
    `storage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}}`,
    "http:",
    `  addr: ${host}`,
    "  secret: only-for-tests",
    ...(tls === undefined ? [] : [`  tls: {certificate: ${tls.certificate}, key: ${tls.key}}`]),
    ...(options.auth === undefined ? [] : ["auth:", options.auth(folder)]),
  ];
  const file = path.join(folder, "config.yml");
  await writeFile(file, config.join("\n"));
  const child = spawn("docker-registry", ["serve", file], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await untilUp(host, tls !== undefined, child, () => said);
  return {
    host,
    folder,
    async stop() {
      if (child.exitCode === null) {
        child.kill();
        await once(child, "exit");
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A second real registry, which has the referrers API: olareg, built with Go. It keeps
 * everything in memory, and ends with the test. Undefined where Go or its modules cannot be had.
 */
export async function startReferrersRegistry(t: ExecutionContext): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-referrers-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const program = path.join(folder, "registry");
  const source = fileURLToPath(new URL("referrers-registry", import.meta.url));
  const env = { ...process.env, GOFLAGS: "-mod=readonly -trimpath", CGO_ENABLED: "0" };
  const failed = await execute("go", ["build", "-C", source, "-o", program, "."], { env }).catch(
    (error: Error) => error,
  );
  if (failed instanceof Error) {
    skip(t, `Go or one of its modules: ${failed.message}`, { optional: true });
    return undefined;
  }
  // It ends when its input does, so also when this process dies.
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => void child.kill());
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  return String(line).trim();
}

async function untilUp(host: string, secure: boolean, child: ChildProcess, said: () => string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${said()}`);
    const answer = await fetch(`${secure ? "https" : "http"}://${host}/v2/`).catch((error: Error) => error);
    // A certificate that fetch does not trust is a server that is up.
    if (!(answer instanceof Error) || (secure && String(answer.cause).includes("certificate"))) return;
    await sleep(100);
  }
  throw new Error(`docker-registry did not come up: ${said()}`);
}

const execute = promisify(execFile);

/** Runs a tool to its end and gives back what it printed. */
export async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const { stdout } = await execute(command, [...args], { env, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}
