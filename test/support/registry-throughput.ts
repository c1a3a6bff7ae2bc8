/**
 * Pushes and pulls one large layer with slim and with skopeo, to and from Debian's docker-registry on
 * this machine, and prints seconds and peak memory. Run by hand:
 *
 *   node --import=tsx test/support/registry-throughput.ts [megabytes]
 */
import { spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createGzip } from "node:zlib";
import { writeAll } from "../../src/base/files.ts";
import { digestOf } from "../../src/image/digest.ts";
import { type Image, mediaTypes } from "../../src/image/types.ts";
import { RegistryClient } from "../../src/store/registry/index.ts";
import { blobOf, contextOf } from "./registry-images.ts";
import { startRegistry } from "./registry-server.ts";

const [, script = "", work = "1900", ...args] = process.argv;

/** Bytes that do not compress, as a gzip that says so: what a layer of libraries comes to. */
async function* largeTar(megabytes: number): AsyncGenerator<Buffer> {
  const block = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < megabytes; at += 1) {
    if (at % 64 === 0) randomFillSync(block);
    block.writeUInt32LE(at, 0);
    yield Buffer.from(block);
  }
}

async function makeLayer(file: string, megabytes: number): Promise<{ diffId: string; digest: string; size: number }> {
  const [plain, packed] = [createHash("sha256"), createHash("sha256")];
  const gzip = createGzip({ level: 0, chunkSize: 1024 * 1024 });
  const handle = await open(file, "w");
  const pump = async () => {
    for await (const block of largeTar(megabytes)) {
      plain.update(block);
      if (!gzip.write(block)) await new Promise((resolve) => gzip.once("drain", resolve));
    }
    gzip.end();
  };
  const hashed = async function* () {
    for await (const chunk of gzip) {
      packed.update(chunk);
      yield chunk;
    }
  };
  const [size] = await Promise.all([writeAll(handle, hashed()), pump()]);
  await handle.close();
  return { diffId: `sha256:${plain.digest("hex")}`, digest: `sha256:${packed.digest("hex")}`, size };
}

function imageFrom(file: string, layer: Awaited<ReturnType<typeof makeLayer>>): Image {
  const diffId = layer.diffId as Image["layers"][number]["diffId"];
  const descriptor = { mediaType: mediaTypes.layerGzip, digest: layer.digest as typeof diffId, size: layer.size };
  const config = { architecture: "amd64", os: "linux", rootfs: { type: "layers" as const, diff_ids: [diffId] } };
  const configBlob = blobOf(Buffer.from(JSON.stringify(config)), mediaTypes.config);
  const mediaType = mediaTypes.manifest;
  const manifest = { schemaVersion: 2 as const, mediaType, config: configBlob.descriptor, layers: [descriptor] };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const openFile = () => createReadStream(file, { highWaterMark: 256 * 1024 });
  return {
    kind: "image",
    descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length },
    bytes,
    manifest,
    config,
    configBlob,
    layers: [{ name: "large", diffId, descriptor, open: openFile }],
  };
}

/** Runs a command and gives back how long it took and how much memory it held at most. */
function measure(name: string, command: string, ...rest: readonly string[]): void {
  const before = performance.now();
  const { stderr, status } = spawnSync("/usr/bin/time", ["-f", "%M", command, ...rest], { encoding: "utf8" });
  const seconds = (performance.now() - before) / 1000;
  const peak = Number(stderr.trim().split("\n").at(-1)) / 1024;
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  process.stdout.write(
    `${name.padEnd(14)} ${seconds.toFixed(1).padStart(6)} s  ${peak.toFixed(0).padStart(5)} MB at most\n`,
  );
}

switch (work) {
  case "push": {
    const [file = "", layer = "", ref = ""] = args;
    await new RegistryClient().push(contextOf(), imageFrom(file, JSON.parse(layer)), [ref]);
    break;
  }
  case "pull": {
    const [ref = "", file = ""] = args;
    const image = (await new RegistryClient().read(contextOf(), ref)) as Image;
    const handle = await open(file, "w");
    for (const layer of image.layers) await writeAll(handle, layer.open());
    await handle.close();
    break;
  }
  default: {
    const folder = await mkdtemp(path.join(tmpdir(), "slim-throughput-"));
    const server = await startRegistry();
    // One of its own for skopeo, which would mount what it has seen in the first.
    const other = await startRegistry();
    try {
      const file = path.join(folder, "layer");
      const layer = await makeLayer(file, Number(work));
      process.stdout.write(`a layer of ${(layer.size / 1e6).toFixed(0)} MB\n`);
      const slim = [process.execPath, "--import=tsx", script] as const;
      measure("slim push", ...slim, "push", file, JSON.stringify(layer), `${server.host}/slim:1`);
      measure("slim pull", ...slim, "pull", `${server.host}/slim:1`, path.join(folder, "pulled"));
      await rm(path.join(folder, "pulled"));
      const layout = path.join(folder, "layout");
      measure(
        "skopeo pull",
        "skopeo",
        "copy",
        "-q",
        "--src-tls-verify=false",
        `docker://${server.host}/slim:1`,
        `oci:${layout}:x`,
      );
      measure(
        "skopeo push",
        "skopeo",
        "copy",
        "-q",
        "--dest-tls-verify=false",
        `oci:${layout}:x`,
        `docker://${other.host}/skopeo:1`,
      );
      await rm(layout, { recursive: true });
    } finally {
      await server.stop();
      await other.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }
}
