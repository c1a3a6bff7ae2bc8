import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import { digestOf } from "../../../src/image/digest.ts";
import { type Artifact, type Image, mediaTypes } from "../../../src/image/types.ts";
import { copy, RegistryClient } from "../../../src/store/registry/index.ts";
import type { Store } from "../../../src/store/types.ts";
import { answer, refuse, type StrictOptions, StrictRegistry } from "../../support/registry.ts";
import { contextOf, imageOf, indexOf, readAll } from "../../support/registry-images.ts";

const timing = { pause: 2, second: 10, stall: 20_000, answer: 20_000 };

async function withRegistry(options: StrictOptions, use: (registry: StrictRegistry) => Promise<void>): Promise<void> {
  const registry = await StrictRegistry.start(options);
  try {
    await use(registry);
  } finally {
    await registry.stop();
  }
}

/** Names for digests, so that a list of requests can be read. */
function namesOf(...images: readonly Image[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const [index, image] of images.entries()) {
    const mark = index === 0 ? "" : `'`;
    for (const layer of image.layers) names.set(layer.descriptor.digest, `<${layer.name}>`);
    names.set(image.configBlob.descriptor.digest, `<config${mark}>`);
    names.set(image.descriptor.digest, `<manifest${mark}>`);
  }
  return names;
}

/** One blob at a time, so that the order of requests is decided. */
const client = () => new RegistryClient({ timing, parallel: 1 });

const upload = (name: string, repository = "a/b") => [
  `HEAD /v2/${repository}/blobs/<${name}> 404`,
  `POST /v2/${repository}/blobs/uploads/ 202`,
  `PUT /v2/${repository}/blobs/uploads/SESSION?STATE&digest=<${name}> 201`,
];

test("a first push sends everything, the tag last", async (t) => {
  await withRegistry({}, async (registry) => {
    const image = imageOf();
    const [output] = await client().push(contextOf(), image, [`${registry.host}/a/b:1`]);
    t.deepEqual(registry.log(namesOf(image)), [
      "GET /v2/ 200",
      ...upload("os"),
      ...upload("app"),
      ...upload("config"),
      "HEAD /v2/a/b/manifests/1 404",
      "PUT /v2/a/b/manifests/1 201",
    ]);
    t.deepEqual(registry.violations, []);
    t.true(registry.isWhole("a/b", "1"));
    const sent = [...image.layers, image.configBlob].reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    t.deepEqual(output, {
      type: "registry",
      ref: `${registry.host}/a/b:1`,
      tags: ["1"],
      digest: image.descriptor.digest,
      uploadedBytes: sent,
      uploadedBlobs: 3,
      mountedBlobs: 0,
      skippedBlobs: 0,
    });
  });
});

test("a second push sends no byte and opens no blob", async (t) => {
  await withRegistry({}, async (registry) => {
    const opened: string[] = [];
    const image = imageOf({ opened });
    await client().push(contextOf(), image, [`${registry.host}/a/b:1`]);
    registry.requests.length = 0;
    opened.length = 0;
    const [output] = await client().push(contextOf(), image, [`${registry.host}/a/b:1`]);
    t.deepEqual(registry.log(namesOf(image)), [
      "GET /v2/ 200",
      "HEAD /v2/a/b/blobs/<os> 200",
      "HEAD /v2/a/b/blobs/<app> 200",
      "HEAD /v2/a/b/blobs/<config> 200",
      "HEAD /v2/a/b/manifests/1 200",
    ]);
    t.deepEqual(opened, []);
    t.is(output?.skippedBlobs, 3);
    t.is(output?.uploadedBytes, 0);
  });
});

test("after a one-line edit only the changed layer, the config and the manifest go up", async (t) => {
  await withRegistry({}, async (registry) => {
    const first = imageOf();
    const second = imageOf({ layers: ["os", "app2"] });
    const one = client();
    await one.push(contextOf(), first, [`${registry.host}/a/b:1`]);
    registry.requests.length = 0;
    await one.push(contextOf(), second, [`${registry.host}/a/b:1`]);
    t.deepEqual(registry.log(namesOf(second)), [
      "HEAD /v2/a/b/blobs/<os> 200",
      ...upload("app2"),
      ...upload("config"),
      "HEAD /v2/a/b/manifests/1 200",
      "PUT /v2/a/b/manifests/1 201",
    ]);
    t.true(registry.isWhole("a/b", "1"));
  });
});

test("blobs are mounted from a repository that has them", async (t) => {
  await withRegistry({}, async (registry) => {
    const opened: string[] = [];
    const image = imageOf({ opened, layers: ["os"] });
    const one = client();
    await one.push(contextOf(), image, [`${registry.host}/base:1`]);
    registry.requests.length = 0;
    opened.length = 0;
    const [output] = await one.push(contextOf(), image, [`${registry.host}/c:1`], {
      mountFrom: [`${registry.host}/base`, "elsewhere.example/base"],
    });
    t.deepEqual(registry.log(namesOf(image)), [
      "HEAD /v2/c/blobs/<os> 404",
      "POST /v2/c/blobs/uploads/?mount=<os>&from=base 201",
      "HEAD /v2/c/blobs/<config> 404",
      "POST /v2/c/blobs/uploads/?mount=<config>&from=base 201",
      "HEAD /v2/c/manifests/1 404",
      "PUT /v2/c/manifests/1 201",
    ]);
    t.deepEqual(opened, []);
    t.is(output?.mountedBlobs, 2);
    t.is(output?.uploadedBlobs, 0);
  });
});

test("a mount that is answered 202 goes on at its Location", async (t) => {
  await withRegistry({ mounts: false }, async (registry) => {
    const image = imageOf({ layers: ["os"] });
    await client().push(contextOf(), image, [`${registry.host}/c:1`], { mountFrom: [`${registry.host}/base`] });
    t.deepEqual(registry.log(namesOf(image)).slice(1, 4), [
      "HEAD /v2/c/blobs/<os> 404",
      "POST /v2/c/blobs/uploads/?mount=<os>&from=base 202",
      "PUT /v2/c/blobs/uploads/SESSION?STATE&digest=<os> 201",
    ]);
    t.true(registry.isWhole("c", "1"));
    t.is(registry.uploads.size, 0);
  });
});

test("of several repositories the one that has the blob is mounted from", async (t) => {
  await withRegistry({}, async (registry) => {
    const image = imageOf({ layers: ["os"] });
    const one = client();
    await one.push(contextOf(), image, [`${registry.host}/second:1`]);
    const mountFrom = ["first", "second"].map((name) => `${registry.host}/${name}`);
    const [output] = await one.push(contextOf(), image, [`${registry.host}/c:1`], { mountFrom });
    t.is(output?.mountedBlobs, 2);
    t.is(registry.uploads.size, 0);
  });
});

test("an index: all blobs, then the images by digest, then the index", async (t) => {
  await withRegistry({}, async (registry) => {
    const images = [imageOf({ layers: ["os"] }), imageOf({ layers: ["os"], architecture: "arm64" })];
    const index = indexOf(images);
    await client().push(contextOf(), index, [`${registry.host}/a/b:1`, `${registry.host}/a/b:latest`]);
    t.deepEqual(registry.log(namesOf(...images)), [
      "GET /v2/ 200",
      ...upload("os"),
      ...upload("config"),
      ...upload("config'"),
      "HEAD /v2/a/b/manifests/<manifest> 404",
      "PUT /v2/a/b/manifests/<manifest> 201",
      "HEAD /v2/a/b/manifests/<manifest'> 404",
      "PUT /v2/a/b/manifests/<manifest'> 201",
      "HEAD /v2/a/b/manifests/1 404",
      "PUT /v2/a/b/manifests/1 201",
      "HEAD /v2/a/b/manifests/latest 404",
      "PUT /v2/a/b/manifests/latest 201",
    ]);
    t.true(registry.isWhole("a/b", "latest"));
    t.deepEqual(registry.violations, []);
  });
});

test("several registries in one call; a blob is opened once for each that lacks it", async (t) => {
  await withRegistry({}, async (first) => {
    await withRegistry({}, async (second) => {
      const opened: string[] = [];
      const image = imageOf({ opened });
      const outputs = await client().push(contextOf(), image, [
        `${first.host}/a:1`,
        `${second.host}/a:1`,
        `${first.host}/a:2`,
      ]);
      t.deepEqual(
        outputs.map(({ ref }) => ref),
        [`${first.host}/a:1`, `${second.host}/a:1`],
      );
      t.is(opened.length, 6);
      t.true(first.isWhole("a", "2") && second.isWhole("a", "1"));
    });
  });
});

test("a registry that fails after another took it: what stands is said", async (t) => {
  await withRegistry({}, async (first) => {
    const image = imageOf();
    const context = contextOf();
    const refs = [`${first.host}/a:1`, "127.0.0.1:1/a:1"];
    await t.throwsAsync(client().push(context, image, refs), { code: "NETWORK" });
    t.true(first.isWhole("a", "1"));
    const warnings = context.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    t.deepEqual(warnings, [`what came before the failure stands: ${first.host}/a:1 has ${image.descriptor.digest}`]);
  });
});

test("by digest: no tag is set, and a wrong digest is refused before anything is sent", async (t) => {
  await withRegistry({}, async (registry) => {
    const image = imageOf();
    await client().push(contextOf(), image, [`${registry.host}/a@${image.descriptor.digest}`]);
    t.is(registry.repository("a").tags.size, 0);
    t.true(registry.isWhole("a", image.descriptor.digest));
    registry.requests.length = 0;
    const other = `sha256:${"0".repeat(64)}`;
    const error = await t.throwsAsync(client().push(contextOf(), image, [`${registry.host}/a@${other}`]));
    t.is((error as SlimError).code, "CONFIG");
    t.is(registry.requests.length, 0);
  });
});

test("no more than the given number of blobs is sent at once", async (t) => {
  let now = 0;
  let most = 0;
  const intercept: StrictOptions["intercept"] = async ({ method, response }) => {
    if (method !== "PUT") return false;
    most = Math.max(most, ++now);
    response.once("close", () => now--);
    // A busy machine may need a while to bring four together; more must not come.
    for (let tries = 0; tries < 100 && most < 4; tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    return false;
  };
  await withRegistry({ intercept }, async (registry) => {
    const layers = Array.from({ length: 10 }, (_, index) => `layer${index}`);
    await new RegistryClient({ timing: { ...timing, answer: 10_000 } }).push(contextOf(), imageOf({ layers }), [
      `${registry.host}/a:1`,
    ]);
    t.is(most, 4);
    t.deepEqual(registry.violations, []);
  });
});

const locations: Record<string, StrictOptions["location"]> = {
  "an absolute path": (path) => path,
  "an absolute URL": (path, host) => `http://${host}${path}`,
  "with a signed query": (path, host) => `http://${host}${path}&sig=a%2Fb+c%3D&x`,
  "with a fragment": (path) => `${path}#here`,
};

for (const [name, location] of Object.entries(locations)) {
  test(`an upload goes on at a Location that is ${name}`, async (t) => {
    await withRegistry({ ...(location && { location }) }, async (registry) => {
      await client().push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
      t.true(registry.isWhole("a", "1"));
      const put = registry.requests.find(({ method, url }) => method === "PUT" && url.includes("uploads"));
      if (name.includes("signed")) t.regex(put?.url ?? "", /&sig=a%2Fb\+c%3D&x&digest=sha256%3A/);
    });
  });
}

test("an upload may move to another host, which is told no credentials", async (t) => {
  await withRegistry({}, async (storage) => {
    const options: StrictOptions = {
      challenge: 'Basic realm="x"',
      authorized: (header) => header === `Basic ${Buffer.from("me:secret").toString("base64")}`,
      location: (path) => `http://localhost:${storage.port}${path}`,
    };
    await withRegistry(options, async (registry) => {
      const image = imageOf();
      // What is stored behind the other host is the registry's: here they share it.
      for (const part of ["blobs", "repositories", "uploads"] as const) {
        Object.defineProperty(storage, part, { value: registry[part] });
      }
      const credentials = { [registry.host]: { username: "me", password: "secret" } };
      const one = new RegistryClient({ timing, parallel: 1, credentials });
      await one.push(contextOf(), image, [`${registry.host}/a:1`]);
      t.true(registry.isWhole("a", "1"));
      t.true(storage.requests.length > 0);
      t.true(storage.requests.every(({ headers }) => headers.authorization === undefined));
    });
  });
});

test("a registry that says a blob is there although it is gone gets it after all", async (t) => {
  let lies = 0;
  const intercept: StrictOptions["intercept"] = ({ method, url, response }) => {
    if (method !== "HEAD" || !url.pathname.includes("/blobs/")) return false;
    lies += 1;
    answer(response, 200, { "content-length": "5" });
    return true;
  };
  await withRegistry({ intercept }, async (registry) => {
    // Each refusal names one blob of three.
    await client().push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
    t.true(registry.isWhole("a", "1"));
    t.is(lies, 3 + 2);
  });
  const one: StrictOptions["intercept"] = ({ method, url, response }) => {
    if (method !== "HEAD" || !url.pathname.endsWith(imageOf().layers[0]?.descriptor.digest ?? "")) return false;
    answer(response, 200, { "content-length": "5" });
    return true;
  };
  await withRegistry({ intercept: one }, async (registry) => {
    await client().push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
    t.true(registry.isWhole("a", "1"));
  });
});

test("a tag that cannot be moved is no failure when it already says the right thing", async (t) => {
  const intercept: StrictOptions["intercept"] = ({ method, url, response }) => {
    if (method !== "PUT" || !url.pathname.endsWith("/manifests/1")) return false;
    refuse(response, 400, "TAG_INVALID", "The image tag '1' already exists and cannot be overwritten");
    return true;
  };
  const registry = await StrictRegistry.start();
  await client().push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
  Object.assign(registry.options, { intercept });
  await t.notThrowsAsync(client().push(contextOf(), imageOf(), [`${registry.host}/a:1`]));
  const other = imageOf({ layers: ["other"] });
  const error = await t.throwsAsync(client().push(contextOf(), other, [`${registry.host}/a:1`]), {
    instanceOf: SlimError,
  });
  t.regex(error.message, /TAG_INVALID The image tag '1' already exists/);
  t.regex(error.hint ?? "", /tag be moved/);
  await registry.stop();
});

test("stopping ends at once, deletes the uploads and sets no tag", async (t) => {
  const controller = new AbortController();
  let uploads = 0;
  let stopped = 0;
  const intercept: StrictOptions["intercept"] = ({ method }) => {
    if (method !== "PUT") return false;
    uploads += 1;
    if (uploads === 4) {
      stopped = Date.now();
      controller.abort();
    }
    return true;
  };
  await withRegistry({ intercept }, async (registry) => {
    const layers = ["1", "2", "3", "4", "5", "6"];
    const context = contextOf({}, controller.signal);
    const one = new RegistryClient({ timing: { ...timing, stall: 60_000, answer: 60_000 } });
    const error = await t.throwsAsync(one.push(context, imageOf({ layers }), [`${registry.host}/a:1`]));
    t.is((error as SlimError).code, "ABORTED");
    t.true(Date.now() - stopped < 5000, `${Date.now() - stopped} ms`);
    t.is(registry.repository("a").tags.size, 0);
    t.is(registry.uploads.size, 0);
  });
});

test("what is pushed reads back, layer by layer", async (t) => {
  await withRegistry({}, async (registry) => {
    const image = imageOf();
    const one = client();
    await one.push(contextOf(), image, [`${registry.host}/a:1`]);
    const read = await one.read(contextOf(), `${registry.host}/a:1`);
    t.is(read.kind, "image");
    if (read.kind !== "image") return;
    t.deepEqual(read.config, image.config);
    t.deepEqual(read.manifest, image.manifest);
    t.deepEqual(Buffer.from(read.bytes), Buffer.from(image.bytes));
    for (const [index, layer] of read.layers.entries()) {
      t.deepEqual(await readAll(layer.open()), await readAll((image.layers[index] as typeof layer).open()));
      t.is(layer.diffId, (image.layers[index] as typeof layer).diffId);
    }
  });
});

test("copy to and from other stores: an artifact goes through unchanged", async (t) => {
  await withRegistry({}, async (registry) => {
    const kept: Artifact[] = [];
    const shelf: Store = {
      read: async () => kept[0] as Artifact,
      write: async (_context, artifact) => {
        kept.push(artifact);
        return { type: "archive", path: "shelf" };
      },
    };
    const index = indexOf([imageOf(), imageOf({ architecture: "arm64" })]);
    const store = client();
    await store.push(contextOf(), index, [`${registry.host}/a:1`]);
    await copy(contextOf(), { store, ref: `${registry.host}/a:1` }, { store: shelf, refs: [] });
    t.is(kept[0]?.descriptor.digest, index.descriptor.digest);
    const [output] = await copy(
      contextOf(),
      { store: shelf },
      { store, refs: [`${registry.host}/b:1`, `${registry.host}/c:1`] },
    );
    t.like(output, { type: "registry", digest: index.descriptor.digest, mountedBlobs: 4, uploadedBlobs: 0 });
    t.true(registry.isWhole("b", "1") && registry.isWhole("c", "1"));
    const platform = { os: "linux", architecture: "arm64" };
    await copy(contextOf(), { store: shelf }, { store, refs: [`${registry.host}/d:1`] }, { platform });
    t.is(registry.repository("d").tags.get("1"), index.images[1]?.descriptor.digest);
    await t.throwsAsync(copy(contextOf(), { store: shelf }, { store, refs: [] }, { referrers: true }), {
      message: /referrers/,
    });
  });
});

test("an index in an index, artifacts and unknown types are copied from registry to registry as they are", async (t) => {
  await withRegistry({ referrersApi: true }, async (registry) => {
    const repository = registry.repository("a");
    const put = (type: string, content: object) => {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, ...content }, undefined, 3));
      const digest = digestOf(bytes);
      repository.manifests.set(digest, { type, bytes });
      return { mediaType: type, digest, size: bytes.length };
    };
    const blob = (text: string, mediaType: string) => {
      const bytes = Buffer.from(text);
      registry.blobs.set(digestOf(bytes), bytes);
      repository.blobs.add(digestOf(bytes));
      return { mediaType, digest: digestOf(bytes), size: bytes.length };
    };
    const artifact = put(mediaTypes.manifest, {
      artifactType: "application/x.thing",
      config: blob("{}", "application/vnd.oci.empty.v1+json"),
      layers: [blob("thing", "text/plain")],
    });
    const inner = put(mediaTypes.index, { manifests: [artifact] });
    const outer = put(mediaTypes.index, { manifests: [inner, artifact], annotations: { b: "1", a: "2" } });
    repository.tags.set("1", outer.digest);
    const store = client();
    const refs = [`${registry.host}/b:1`];
    const [output] = await copy(contextOf(), { store, ref: `${registry.host}/a:1` }, { store, refs });
    t.like(output, { digest: outer.digest, mountedBlobs: 2 });
    t.true(registry.isWhole("b", "1"));
    const image = await store.read(contextOf(), `${registry.host}/a@${artifact.digest}`);
    t.like(image, { kind: "image", config: { os: "unknown", architecture: "unknown" } });
    await t.throwsAsync(store.read(contextOf(), `${registry.host}/a:1`), { message: /index inside an index/ });
  });
});

test("what is sent is reported, each blob once, and nothing of what is there", async (t) => {
  await withRegistry({}, async (registry) => {
    const image = imageOf();
    const context = contextOf();
    const sent = () => context.events.filter(({ type }) => type === "send");
    await client().push(context, image, [`${registry.host}/a/b:1`]);
    t.deepEqual(
      sent(),
      [...image.layers, image.configBlob].map(({ descriptor: { digest, size } }) => {
        return { type: "send", what: `${registry.host}/a/b@${digest}`, bytes: size };
      }),
    );
    await client().push(context, image, [`${registry.host}/a/b:2`]);
    t.is(sent().length, 3);
  });
});
