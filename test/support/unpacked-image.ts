import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { ImageConfig, Index, Manifest } from "../../src/image/types.ts";

const run = promisify(execFile);

/** What a program did. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

export interface RunOptions {
  /** Arguments after the image's entrypoint. */
  readonly args?: readonly string[];
  /** Instead of the entrypoint and its arguments. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Folders of this machine, by the path where the program sees them; it may write there. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** The machine's network instead of none but a loopback device. */
  readonly hostNetwork?: boolean;
}

/** An image unpacked for runc: the files of its layers and nothing else. */
export class Container {
  readonly folder: string;
  readonly #config: ImageConfig;
  readonly #mounted: boolean;
  #running: string | undefined;

  private constructor(folder: string, config: ImageConfig, mounted = false) {
    this.folder = folder;
    this.#config = config;
    this.#mounted = mounted;
  }

  /** Unpacks the image of a layout folder, or the one for `platform` of an index. The layers are trusted. */
  static async unpack(layout: string, platform?: string): Promise<Container> {
    const blob = (digest: string) => path.join(layout, "blobs", ...digest.split(":"));
    const json = async <T>(file: string) => JSON.parse(await readFile(file, "utf8")) as T;
    let manifest = await json<Manifest & Index>(path.join(layout, "index.json"));
    while (manifest.manifests !== undefined) {
      const wanted = manifest.manifests.find((one) => {
        return (
          platform === undefined ||
          one.platform === undefined ||
          `${one.platform.os}/${one.platform.architecture}` === platform
        );
      });
      manifest = await json(blob(wanted?.digest ?? ""));
    }
    const folder = await mkdtemp(path.join(os.tmpdir(), "slim-container-"));
    await chmod(folder, 0o755);
    const root = path.join(folder, "rootfs");
    await mkdir(root);
    for (const { digest } of manifest.layers) await run("tar", ["-xpf", blob(digest), "-C", root]);
    return new Container(folder, await json(blob(manifest.config.digest)));
  }

  /**
   * The same without copying: the layers, each unpacked once below `layers`, one over the other. Needs root, and
   * nothing can write there.
   */
  static async stack(layout: string, layers: string): Promise<Container> {
    const blob = (digest: string) => path.join(layout, "blobs", ...digest.split(":"));
    const json = async <T>(file: string) => JSON.parse(await readFile(file, "utf8")) as T;
    const index = await json<Index>(path.join(layout, "index.json"));
    const manifest = await json<Manifest>(blob(index.manifests[0]?.digest ?? ""));
    const folder = await mkdtemp(path.join(os.tmpdir(), "slim-container-"));
    await chmod(folder, 0o755);
    const lower: string[] = [];
    for (const { digest } of manifest.layers) {
      const place = path.join(layers, digest.replace("sha256:", ""));
      if ((await mkdir(place, { recursive: true })) !== undefined)
        await run("tar", ["-xpf", blob(digest), "-C", place]);
      lower.unshift(place);
    }
    const root = path.join(folder, "rootfs");
    await mkdir(root);
    await run("mount", ["-t", "overlay", "-o", `lowerdir=${lower.join(":")}`, "none", root]);
    return new Container(folder, await json(blob(manifest.config.digest)), true);
  }

  get root(): string {
    return path.join(this.folder, "rootfs");
  }

  /** Runs the program as the image says: its user, its environment, a root that is read-only. */
  async run({ args = [], command, env = {}, stdin, mounts = {}, hostNetwork = false }: RunOptions = {}): Promise<Ran> {
    const { config = {} } = this.#config;
    const [uid = 0, gid = 0] = (config.User ?? "0:0").split(":").map(Number);
    const bind = Object.entries(mounts).map(([destination, source]) => {
      return { destination, source, type: "bind", options: ["rbind", "rw"] };
    });
    const spec = {
      ociVersion: "1.0.2",
      process: {
        user: { uid, gid },
        args: command ?? [...(config.Entrypoint ?? []), ...(args.length > 0 ? args : (config.Cmd ?? []))],
        env: [...(config.Env ?? []), ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
        cwd: config.WorkingDir ?? "/",
        noNewPrivileges: true,
      },
      root: { path: "rootfs", readonly: true },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
        { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] },
        ...bind,
      ],
      linux: {
        namespaces: ["pid", "ipc", "mount", ...(hostNetwork ? [] : ["network"])].map((type) => ({ type })),
      },
    };
    const bundle = path.join(this.folder, "config.json");
    await writeFile(bundle, JSON.stringify(spec));
    const name = `slim-test-${randomBytes(6).toString("hex")}`;
    this.#running = name;
    const child = spawn("runc", ["run", "--bundle", this.folder, name], { stdio: "pipe" });
    child.stdin.on("error", () => {});
    child.stdin.end(stdin ?? "");
    const [stdout, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve, reject) => child.once("close", resolve).once("error", reject)),
    ]);
    return { stdout, stderr, code };
  }

  /** Asks the program to end, as `docker stop` does first. */
  async stop(): Promise<void> {
    await run("runc", ["kill", this.#running ?? "", "TERM"]);
  }

  async remove(): Promise<void> {
    if (this.#mounted) await run("umount", [this.root]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}
