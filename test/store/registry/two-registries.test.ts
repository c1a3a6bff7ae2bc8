import test, { type ExecutionContext } from "ava";
import { type Index, mediaTypes } from "../../../src/image/types.ts";
import { copy, RegistryClient } from "../../../src/store/registry/index.ts";
import { blobOf, contextOf, imageOf, indexOf } from "../../support/registry-images.ts";
import { startReferrersRegistry, startRegistry } from "../../support/registry-server.ts";
import { testWith } from "../../support/tools.ts";

// docker-registry 2.8 has no referrers API, olareg does.
const real = testWith(test.serial, "docker-registry");
const client = new RegistryClient();
const artifact = indexOf([imageOf(), imageOf({ architecture: "arm64" })]);
const subject = artifact.descriptor.digest;
const fallback = subject.replace(":", "-");
const sbom = {
  artifactType: "application/vnd.cyclonedx+json",
  blobs: [blobOf(Buffer.from("{}\n"), "application/vnd.cyclonedx+json")],
  annotations: { "org.opencontainers.image.created": "1970-01-01T00:00:00Z", note: "ä" },
};

async function servers(t: ExecutionContext): Promise<{ old: string; modern: string } | undefined> {
  const modern = await startReferrersRegistry(t);
  if (modern === undefined) return undefined;
  const old = await startRegistry();
  t.teardown(() => old.stop());
  return { old: old.host, modern };
}

/** An image that an SBOM refers to, which a signature refers to; and a signature of one platform. */
async function pushAll(ref: string): Promise<void> {
  await client.push(contextOf(), artifact, [ref]);
  const attached = await client.attach(contextOf(), ref, sbom);
  const repository = ref.replace(/:[^:/]+$/, "");
  const signature = { artifactType: "text/signature", blobs: [blobOf(Buffer.from("signed"), "text/plain")] };
  await client.attach(contextOf(), `${repository}@${attached.digest}`, signature);
  await client.attach(contextOf(), `${repository}@${artifact.images[1]?.descriptor.digest}`, signature);
}

/** All that refers to the image, to its platforms, and to that in turn. */
async function everything(ref: string): Promise<readonly unknown[]> {
  const repository = ref.replace(/:[^:/]+$/, "");
  const queue: string[] = [subject, ...artifact.images.map(({ descriptor }) => descriptor.digest)];
  const found: unknown[] = [];
  for (const digest of queue) {
    for (const one of await client.referrers(contextOf(), `${repository}@${digest}`)) {
      found.push([digest, { ...one }]);
      queue.push(one.digest);
      await client.read(contextOf(), `${repository}@${one.digest}`);
    }
  }
  return found;
}

const tagsOf = async (host: string, name: string) => {
  const answer = await fetch(`http://${host}/v2/${name}/tags/list`);
  return ((await answer.json()) as { tags: string[] }).tags;
};

real("a registry with the referrers API: what is attached is listed by it, and no tag stands in for it", async (t) => {
  const both = await servers(t);
  if (both === undefined) return;
  const ref = `${both.modern}/a:1`;
  await pushAll(ref);
  const answer = await fetch(`http://${both.modern}/v2/a/referrers/${subject}`);
  t.is(answer.status, 200);
  const { manifests } = (await answer.json()) as Index;
  t.is(manifests.length, 1);
  t.deepEqual(await client.referrers(contextOf(), ref), manifests);
  t.is(manifests[0]?.artifactType, sbom.artifactType);
  t.deepEqual(await tagsOf(both.modern, "a"), ["1"]);
  t.is((await client.referrers(contextOf(), ref, { artifactType: "text/none" })).length, 0);
  const { findings } = await client.doctor(contextOf(), ref);
  t.deepEqual(
    findings.filter(({ works }) => works !== true),
    [],
  );
});

for (const [name, from, to] of [
  ["from the fallback tag to the API", "old", "modern"],
  ["from the API to the fallback tag", "modern", "old"],
] as const) {
  real(`copied with referrers, ${name}, and back: each is found where it was`, async (t) => {
    const both = await servers(t);
    if (both === undefined) return;
    const [source, destination, back] = [`${both[from]}/a:1`, `${both[to]}/b:1`, `${both[from]}/back:1`];
    await pushAll(source);
    const move = async (one: string, two: string) => {
      // Copied where nothing is said, and where it is asked for.
      const options = to === "old" ? { referrers: true } : {};
      const [output] = await copy(contextOf(), { store: client, ref: one }, { store: client, refs: [two] }, options);
      t.like(output, { digest: subject });
    };
    await move(source, destination);
    const expected = await everything(source);
    t.is(expected.length, 3);
    t.deepEqual(await everything(destination), expected);
    await move(destination, back);
    t.deepEqual(await everything(back), expected);
    // Again nothing changes, and nothing is listed twice.
    await move(source, destination);
    t.deepEqual(await everything(destination), expected);

    const accept = { headers: { accept: mediaTypes.index } };
    const answer = await fetch(`http://${both.old}/v2/${to === "old" ? "b" : "a"}/manifests/${fallback}`, accept);
    const [listed] = ((await answer.json()) as Index).manifests;
    t.like(listed, { mediaType: mediaTypes.manifest, artifactType: sbom.artifactType, annotations: sbom.annotations });
  });
}
