import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { ImageConfig } from "../../src/image/types.ts";

const run = promisify(execFile);

interface Spec {
  process: { terminal: boolean; args: string[]; env: string[]; cwd: string; user: { uid: number; gid: number } };
  root: { path: string; readonly?: boolean };
  mounts: { type: string }[];
}

/** Makes a bundle for `runc` around a root that is there already, run as the image's config says. */
export async function writeBundle(bundle: string, root: string, config: ImageConfig): Promise<string> {
  await mkdir(bundle, { recursive: true });
  await run("runc", ["spec"], { cwd: bundle });
  const { Entrypoint, Cmd, Env, WorkingDir, User } = config.config ?? {};
  const [uid = 0, gid = 0] = (User ?? "").split(":").map(Number);
  await changeSpec(bundle, (spec) => {
    const args = [...(Entrypoint ?? []), ...(Cmd ?? [])];
    Object.assign(spec.process, { args, env: Env ?? [], cwd: WorkingDir || "/", user: { uid, gid } });
    spec.root.path = root;
  });
  return bundle;
}

/** Sets a bundle up to run below a test: no terminal, a root that cannot be written, no control groups. */
export async function changeSpec(bundle: string, change: (spec: Spec) => void = () => {}): Promise<void> {
  const file = path.join(bundle, "config.json");
  const spec = JSON.parse(await readFile(file, "utf8")) as Spec;
  spec.process.terminal = false;
  spec.root.readonly = true;
  spec.mounts = spec.mounts.filter(({ type }) => type !== "cgroup");
  change(spec);
  await writeFile(file, JSON.stringify(spec));
}

/** A container that `runc` runs, and what it printed. */
export class Container {
  readonly #state: string;
  readonly #id: string;
  readonly #process: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(bundle: string) {
    this.#state = path.join(bundle, "state");
    this.#id = `slim-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
    const args = ["--root", this.#state, "run", "-b", bundle, this.#id];
    this.#process = spawn("runc", args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk;
    });
    this.#process.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((resolve) => this.#process.once("close", resolve));
  }

  /** Waits for what the program prints when it is ready. */
  async printed(text: string): Promise<void> {
    for (const deadline = Date.now() + 20_000; !this.stdout.includes(text); await sleep(20)) {
      if (Date.now() > deadline || this.#process.exitCode !== null) {
        throw new Error(`"${text}" did not come: ${this.stdout}${this.stderr}`);
      }
    }
  }

  /** Runs a program inside, and gives what it printed. */
  async exec(...args: string[]): Promise<string> {
    const { stdout } = await run("runc", ["--root", this.#state, "exec", this.#id, ...args]);
    return stdout;
  }

  /** Sends a signal to process 1, and gives the exit code and how long it took in milliseconds. */
  async kill(signal: string): Promise<{ code: number | null; took: number }> {
    const sent = performance.now();
    await run("runc", ["--root", this.#state, "kill", this.#id, signal]);
    const code = await this.ended;
    return { code, took: performance.now() - sent };
  }

  /** Ends it whatever it does. */
  async remove(): Promise<void> {
    await run("runc", ["--root", this.#state, "delete", "--force", this.#id]).catch(() => {});
    await this.ended;
  }
}
