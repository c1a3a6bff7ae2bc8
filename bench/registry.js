// npm run bench:registry [-- --megabytes N] [--runs N]: one large layer, pushed to and pulled from a
// registry on this machine by slim and by skopeo, in turns. Needs docker-registry and skopeo.
import { spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createGzip } from "node:zlib";
import { measure, median } from "./measure.js";

const { values } = parseArgs({
  options: { megabytes: { type: "string", default: "2000" }, runs: { type: "string", default: "3" } },
});
const slim = path.join(fileURLToPath(new URL("..", import.meta.url)), "dist", "cli.js");
const work = mkdtempSync(path.join(os.tmpdir(), "slim-bench-"));
// The registry syncs what it stores; memory keeps the disk out of the comparison.
const memory = mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "slim-bench-"));

/** Bytes that gzip cannot make smaller: what a layer of packed libraries comes to. */
async function* noise(megabytes) {
  const block = Buffer.alloc(1_000_000);
  for (let at = 0; at < megabytes; at += 1) {
    if (at % 64 === 0) randomFillSync(block);
    block.writeUInt32LE(at, 0);
    yield Buffer.from(block);
  }
}

/** Passes a stream through and keeps its digest and size. */
function hashing() {
  const hash = createHash("sha256");
  const seen = { size: 0, digest: () => `sha256:${hash.digest("hex")}` };
  const pass = async function* (source) {
    for await (const chunk of source) {
      hash.update(chunk);
      seen.size += chunk.length;
      yield chunk;
    }
  };
  return { seen, pass };
}

/** An OCI layout with an image of one layer. */
async function makeLayout(folder, megabytes) {
  const blobs = path.join(folder, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const store = (digest) => path.join(blobs, digest.slice("sha256:".length));
  const [plain, packed] = [hashing(), hashing()];
  const file = path.join(work, "layer");
  const gzip = createGzip({ level: 0, chunkSize: 1 << 20 });
  await pipeline(Readable.from(noise(megabytes)), plain.pass, gzip, packed.pass, createWriteStream(file));
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    digest: packed.seen.digest(),
    size: packed.seen.size,
  };
  renameSync(file, store(layer.digest));
  const save = (value, mediaType) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    writeFileSync(store(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const rootfs = { type: "layers", diff_ids: [plain.seen.digest()] };
  const config = save({ architecture: "amd64", os: "linux", rootfs }, "application/vnd.oci.image.config.v1+json");
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = save({ schemaVersion: 2, mediaType, config, layers: [layer] }, mediaType);
  const annotations = { "org.opencontainers.image.ref.name": "large" };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(path.join(folder, "index.json"), JSON.stringify(index));
  writeFileSync(path.join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A registry that is empty, for a second push would send nothing. */
async function startRegistry(name) {
  const folder = path.join(memory, name);
  mkdirSync(folder);
  const host = `127.0.0.1:${await freePort()}`;
  const storage = `storage: {filesystem: {rootdirectory: ${folder}/data}}`;
  const config = `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n${storage}\nhttp: {addr: "${host}"}\n`;
  writeFileSync(path.join(folder, "config.yml"), config);
  const child = spawn("docker-registry", ["serve", path.join(folder, "config.yml")], { stdio: "ignore" });
  const ended = new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  for (let tries = 0; !(await fetch(`http://${host}/v2/`).catch(() => undefined)); tries += 1) {
    if (tries === 100) throw new Error("docker-registry does not start");
    await Promise.race([sleep(100), ended]);
  }
  const stop = async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { host, stop };
}

const layout = path.join(work, "layout");
const pulled = path.join(work, "pulled");
const tools = {
  slim: {
    push: (host) => measure(process.execPath, [slim, "copy", `oci:${layout}:large`, `${host}/large:1`]),
    pull: (host) => measure(process.execPath, [slim, "copy", `${host}/large:1`, `oci:${pulled}`]),
  },
  skopeo: {
    push: (host) =>
      measure("skopeo", [
        "copy",
        "--quiet",
        "--dest-tls-verify=false",
        `oci:${layout}:large`,
        `docker://${host}/large:1`,
      ]),
    pull: (host) =>
      measure("skopeo", ["copy", "--quiet", "--src-tls-verify=false", `docker://${host}/large:1`, `oci:${pulled}:x`]),
  },
};

try {
  await makeLayout(layout, Number(values.megabytes));
  const results = { push: { slim: [], skopeo: [] }, pull: { slim: [], skopeo: [] } };
  for (let run = 0; run < Number(values.runs); run += 1) {
    for (const [name, tool] of Object.entries(tools)) {
      const registry = await startRegistry(name);
      try {
        results.push[name].push(await tool.push(registry.host));
        results.pull[name].push(await tool.pull(registry.host));
        rmSync(pulled, { recursive: true });
      } finally {
        await registry.stop();
      }
    }
  }
  const rows = Object.entries(results).map(([what, { slim, skopeo }]) => {
    const middle = (list, field) => median(list.map((one) => one[field]));
    const seconds = (list) => `${(middle(list, "ms") / 1000).toFixed(1)} s`;
    const peak = (list) => `${middle(list, "megabytes").toFixed(0)} MB`;
    const ratio = (middle(slim, "ms") / middle(skopeo, "ms")).toFixed(2);
    return `| ${what} | ${seconds(slim)} | ${seconds(skopeo)} | ${ratio} | ${peak(slim)} | ${peak(skopeo)} |`;
  });
  process.stdout.write(
    `A layer of ${values.megabytes} MB, Node.js ${process.version}, ${os.availableParallelism()} processors, median of ${values.runs}\n\n` +
      `| what | slim | skopeo | ratio | peak memory of slim | of skopeo |\n|---|---|---|---|---|---|\n${rows.join("\n")}\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
  rmSync(memory, { recursive: true, force: true });
}
