import test from "ava";
import { type Index, mediaTypes } from "../../../src/image/types.ts";
import { copy, RegistryClient } from "../../../src/store/registry/index.ts";
import { answer, type Exchange, refuse, type StrictOptions, StrictRegistry } from "../../support/registry.ts";
import { blobOf, contextOf, imageOf } from "../../support/registry-images.ts";

const timing = { pause: 2, second: 10, stall: 20_000, answer: 20_000 };
const client = () => new RegistryClient({ timing, parallel: 1 });
const subject = imageOf().descriptor.digest;
const tag = subject.replace(":", "-");

async function withRegistry(
  options: StrictOptions,
  use: (registry: StrictRegistry, ref: string) => Promise<void>,
): Promise<void> {
  const registry = await StrictRegistry.start(options);
  try {
    const ref = `${registry.host}/a:1`;
    await client().push(contextOf(), imageOf(), [ref]);
    registry.requests.length = 0;
    await use(registry, ref);
    registry.violations.length === 0 || (await Promise.reject(new Error(registry.violations.join("\n"))));
  } finally {
    await registry.stop();
  }
}

const sbom = (text: string) => ({
  artifactType: "application/vnd.cyclonedx+json",
  blobs: [blobOf(Buffer.from(text), "application/vnd.cyclonedx+json")],
  annotations: { "org.opencontainers.image.created": "1970-01-01T00:00:00Z", note: text },
});

for (const [name, referrersApi] of [
  ["with the API", true],
  ["with the fallback tag", false],
] as const) {
  test(`what is attached is found with type and annotations, ${name}`, async (t) => {
    await withRegistry({ referrersApi }, async (registry, ref) => {
      const one = client();
      t.deepEqual(await one.referrers(contextOf(), ref), []);
      const first = await one.attach(contextOf(), ref, sbom("one"));
      await one.attach(contextOf(), ref, { ...sbom("two"), artifactType: "text/x" });
      const found = await one.referrers(contextOf(), ref);
      t.is(found.length, 2);
      t.deepEqual(
        { ...found[0] },
        {
          ...first,
          artifactType: "application/vnd.cyclonedx+json",
          annotations: sbom("one").annotations,
        },
      );
      t.is((await one.referrers(contextOf(), ref, { artifactType: "text/x" })).length, 1);
      t.is((await one.referrers(contextOf(), ref, { artifactType: "text/none" })).length, 0);
      t.is(registry.repository("a").tags.has(tag), !referrersApi);
      t.true(registry.isWhole("a", first.digest));
    });
  });
}

test("attached twice is listed once", async (t) => {
  await withRegistry({}, async (_registry, ref) => {
    await client().attach(contextOf(), ref, sbom("one"));
    await client().attach(contextOf(), ref, sbom("one"));
    t.is((await client().referrers(contextOf(), ref)).length, 1);
  });
});

test("the fallback index is an index, with each referrer as the specification writes it", async (t) => {
  await withRegistry({}, async (registry, ref) => {
    const made = await client().attach(contextOf(), ref, sbom("one"));
    const stored = registry.repository("a").manifests.get(registry.repository("a").tags.get(tag) ?? "");
    t.is(stored?.type, mediaTypes.index);
    const index: Index = JSON.parse(stored?.bytes.toString() ?? "");
    t.deepEqual(index, {
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [
        {
          mediaType: mediaTypes.manifest,
          digest: made.digest,
          size: made.size,
          artifactType: "application/vnd.cyclonedx+json",
          annotations: sbom("one").annotations,
        },
      ],
    });
  });
});

test("writers at the same time do not lose each other where there are ETags", async (t) => {
  await withRegistry({ etags: true }, async (registry, ref) => {
    const names = Array.from({ length: 12 }, (_, place) => `writer ${place}`);
    const patient = { ...timing, tries: 30 };
    await Promise.all(
      names.map((name) => new RegistryClient({ timing: patient }).attach(contextOf(), ref, sbom(name))),
    );
    const found = await client().referrers(contextOf(), ref);
    t.deepEqual(found.map(({ annotations }) => annotations?.note).sort(), [...names].sort());
    // All of them send the same empty config.
    t.true(registry.violations.every((one) => one.endsWith("was sent although it is there")));
    registry.violations.length = 0;
  });
});

test("pages are followed to the last", async (t) => {
  await withRegistry({ referrersApi: true, referrersPage: 2 }, async (registry, ref) => {
    for (const name of ["1", "2", "3", "4", "5"]) await client().attach(contextOf(), ref, sbom(name));
    registry.requests.length = 0;
    t.is((await client().referrers(contextOf(), ref)).length, 5);
    t.is(registry.requests.filter(({ url }) => url.includes("/referrers/")).length, 3);
  });
});

test("GitLab gives the subject itself for the fallback tag: https://github.com/oras-project/oras-go/issues/1396", async (t) => {
  const intercept: StrictOptions["intercept"] = ({ method, url, request }) => {
    if (method === "GET" || method === "HEAD") {
      const dashed = /manifests\/sha256-([a-f0-9]{64})$/.exec(url.pathname);
      if (dashed) {
        url.pathname = url.pathname.replace(/sha256-/, "sha256:");
        request.url = url.pathname;
      }
    }
    return false;
  };
  await withRegistry({ intercept }, async (_registry, ref) => {
    t.deepEqual(await client().referrers(contextOf(), ref), []);
  });
});

test("a server that has a page for every path has no API", async (t) => {
  const intercept: StrictOptions["intercept"] = ({ url, response }) => {
    if (!url.pathname.includes("/referrers/")) return false;
    answer(response, 200, { "content-type": "text/html" }, "<html>welcome</html>");
    return true;
  };
  await withRegistry({ intercept }, async (_registry, ref) => {
    await client().attach(contextOf(), ref, sbom("one"));
    t.is((await client().referrers(contextOf(), ref)).length, 1);
  });
});

test("doctor sees what works and leaves nothing behind", async (t) => {
  for (const referrersApi of [true, false]) {
    await withRegistry({ referrersApi }, async (registry, ref) => {
      const before = registry.repository("a");
      const count = [before.blobs.size, before.manifests.size, before.tags.size];
      const report = await client().doctor(contextOf(), ref);
      t.deepEqual(
        report.findings.map(({ name, works }) => [name, works]),
        [
          ["connect", true],
          ["credentials", true],
          ["pull", true],
          ["push", true],
          ["chunked", true],
          ["mount", true],
          ["zstd", true],
          ["referrers", referrersApi],
        ],
      );
      t.is(report.authentication, "none");
      t.is(report.endpoint, `http://${registry.host}`);
      t.deepEqual([before.blobs.size, before.manifests.size, before.tags.size], count);
      t.is(registry.uploads.size, 0);
    });
  }
});

test("doctor of a registry that is not there, or lets nobody in", async (t) => {
  const gone = await client().doctor(contextOf(), "127.0.0.1:1/a:1");
  t.like(gone.findings[0], { name: "connect", works: false });
  const closed = await StrictRegistry.start({ challenge: 'Basic realm="x"', authorized: () => false });
  t.teardown(() => closed.stop());
  const report = await client().doctor(contextOf(), `${closed.host}/a:1`);
  const works = Object.fromEntries(report.findings.map((one) => [one.name, one]));
  t.like(works, { connect: { works: true }, pull: { works: false }, push: { works: false } });
  t.regex(works.push?.hint ?? "", /no credentials were found; log in with: slim login/);
});

test("what refers to an image is copied as far as it can be listed, unless it must be or must not", async (t) => {
  await withRegistry({ referrersApi: true }, async (registry, ref) => {
    await client().attach(contextOf(), ref, sbom("one"));
    let asked = 0;
    const intercept = ({ url, response }: Exchange) => {
      if (!url.pathname.startsWith("/v2/a/referrers/")) return false;
      asked += 1;
      return Boolean(refuse(response, 403, "DENIED", "not for you"));
    };
    const from = { store: client(), ref };
    const to = (name: string) => ({ store: client(), refs: [`${registry.host}/${name}:1`] });
    await copy(contextOf(), from, to("b"));
    t.is((await client().referrers(contextOf(), `${registry.host}/b:1`)).length, 1);
    Object.assign(registry.options, { intercept });
    const context = contextOf();
    await copy(context, from, to("c"));
    t.true(registry.isWhole("c", "1"));
    const warnings = context.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    t.is(warnings.length, 1);
    t.regex(warnings[0] ?? "", /^not all that refers to the image was copied: .*403: DENIED not for you/);
    await t.throwsAsync(copy(contextOf(), from, to("d"), { referrers: true }), { message: /DENIED not for you/ });
    asked = 0;
    await copy(contextOf(), from, to("e"), { referrers: false });
    t.is(asked, 0);
  });
});
