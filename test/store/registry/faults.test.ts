import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { SlimError } from "../../../src/base/error.ts";
import { type Digest, digestOf } from "../../../src/image/digest.ts";
import type { Manifest } from "../../../src/image/types.ts";
import { RegistryClient } from "../../../src/store/registry/index.ts";
import { type FaultPlan, FaultProxy, faults, randomOf } from "../../support/registry-faults.ts";
import { contextOf, imageOf } from "../../support/registry-images.ts";
import { startRegistry } from "../../support/registry-server.ts";
import { testWith } from "../../support/tools.ts";

/** Every run is decided by its number: a failure names it, and SLIM_FAULT_RUN=number repeats it alone. */
const RUNS = Number(process.env.SLIM_FAULT_RUNS ?? 1008);
const only = process.env.SLIM_FAULT_RUN;
const AT_ONCE = 24;
/** A push of ten layers is about so many requests. */
const REQUESTS = 38;
// Long enough for a machine that has other things to do: what stalls by plan stalls for good.
const timing = { pause: 3, second: 20, stall: 1500, answer: 2000, connect: 3000, tries: 5 };

const real = testWith(test.serial, "docker-registry");

/** Every fault meets every kind of request; some last, until the client has to give up. */
function planOf(run: number): FaultPlan & { readonly other: number } {
  const random = randomOf(run);
  const fault = faults[run % faults.length] ?? "500";
  const at = Math.floor(run / faults.length) % REQUESTS;
  const times = random() < 0.8 ? 1 : random() < 0.7 ? 3 : 1000;
  return { fault, at, times, other: Math.floor(random() * 5) };
}

/** In parts, so that a slow machine is seen to move. */
const PARTS = 2;

for (let part = 0; part < PARTS; part += 1) {
  const all = Array.from({ length: RUNS }, (_, run) => run).filter((run) => run % PARTS === part);
  const runs = only === undefined ? all : part === 0 ? [Number(only)] : [];
  real(`a push of ten layers ends well or clearly, whatever fails (${runs.length} runs, part ${part + 1})`, (t) =>
    pushAll(t, runs),
  );
}

async function pushAll(t: ExecutionContext, runs: readonly number[]): Promise<void> {
  t.timeout(10 * 60_000);
  const server = await startRegistry();
  const leaked: string[] = [];
  let strange = 0;
  // The other host lies in different ways, and writes down who tells it a secret.
  const other = createServer((request, response) => {
    if (request.headers.authorization !== undefined) leaked.push(`${request.method} ${request.url}`);
    request.resume();
    strange += 1;
    const way = strange % 5;
    const status = [404, 500, 200, 201, 307][way] ?? 404;
    const location = way === 4 ? { location: `http://localhost:${(other.address() as AddressInfo).port}/` } : {};
    response.writeHead(status, { "content-length": 0, ...location }).end();
  }).listen(0, "127.0.0.1");
  await once(other, "listening");
  const otherHost = `localhost:${(other.address() as AddressInfo).port}`;

  const outcome = { pushed: 0, refused: 0, hit: 0 };
  // Faults that last are waited for most of the time: begun first, they end beside the others.
  const queue = [...runs].sort((one, two) => planOf(two).times - planOf(one).times).values();

  const one = async (run: number) => {
    const plan = planOf(run);
    const name = `run ${run}: ${plan.fault} at ${plan.at}, ${plan.times} times`;
    const layers = Array.from({ length: 10 }, (_, place) => `layer ${place} of ${run}`);
    const image = imageOf({ layers, size: run % 7 === 0 ? 60_000 : 200 });
    const proxy = new FaultProxy(server.host, "me:secret", otherHost, plan);
    const host = await proxy.start();
    const client = new RegistryClient({ timing, credentials: { [host]: { username: "me", password: "secret" } } });
    const limit = AbortSignal.timeout(60_000);
    let well = false;
    try {
      const [output] = await client.push(contextOf({}, limit), image, [`${host}/run${run}:tag`]);
      t.is(output?.digest, image.descriptor.digest, name);
      well = true;
      outcome.pushed += 1;
      if (plan.times === 1000 && proxy.hits > 20) t.fail(`${name}: cannot have worked\n${proxy.log.join("\n")}`);
    } catch (error) {
      outcome.refused += 1;
      t.true(error instanceof SlimError, `${name}: ${String(error)}`);
      if (!(error instanceof SlimError)) return;
      t.not(error.code, "ABORTED", `${name}: hangs\n${proxy.log.join("\n")}`);
      t.false(error.toLine().includes("c2VjcmV0") || error.toLine().includes("secret"), name);
      // A fault that passes is no reason to fail, unless it led to a host that says yes and does nothing.
      t.true(
        plan.times > 1 || plan.fault === "redirect to another host",
        `${name}: ${error.toLine()}\n${proxy.log.join("\n")}`,
      );
    } finally {
      proxy.stop();
    }
    if (proxy.hits > 0) outcome.hit += 1;
    const tagged = await checkTag(run, name, image.descriptor.digest);
    if (well) t.true(tagged, name);
  };

  /** Whatever happened: a tag that is there stands for the whole image. Read from the registry's own files. */
  const checkTag = async (run: number, name: string, digest: Digest) => {
    const root = path.join(server.folder, "data/docker/registry/v2");
    const link = path.join(root, `repositories/run${run}/_manifests/tags/tag/current/link`);
    const tagged = await readFile(link, "utf8").catch(() => undefined);
    if (tagged === undefined) return false;
    t.is(tagged, digest, name);
    const blob = async (wanted: Digest) => {
      const hex = wanted.slice("sha256:".length);
      const bytes = await readFile(path.join(root, "blobs/sha256", hex.slice(0, 2), hex, "data"));
      t.is(digestOf(bytes), wanted, name);
      return bytes;
    };
    const manifest: Manifest = JSON.parse((await blob(digest)).toString());
    for (const one of [...manifest.layers, manifest.config]) t.is((await blob(one.digest)).length, one.size, name);
    return true;
  };

  const worker = async () => {
    for (const run of queue) await one(run);
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    other.close();
    other.closeAllConnections();
    await server.stop();
  }
  t.log(`${outcome.pushed} pushed, ${outcome.refused} refused with an error, ${outcome.hit} met their fault`);
  t.deepEqual(leaked, []);
  if (only === undefined) t.true(outcome.hit > runs.length * 0.9 && outcome.pushed > runs.length * 0.7);
}
