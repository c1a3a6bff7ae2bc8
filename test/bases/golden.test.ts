import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { type BuildResult, build } from "../../src/build.ts";
import { lock } from "../../src/lock.ts";
import { lockedProject, workFolder } from "../support/project.ts";
import { startProxy } from "../support/recording-proxy.ts";
import { run, startRegistry } from "../support/registry-server.ts";
import { cacheDir, slim } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";
import { Container } from "../support/unpacked-image.ts";

const real = testWith(test.serial, "root", "runc", "skopeo", "docker-registry");
const work = workFolder(test);

const layersOf = ({ platforms }: BuildResult) => platforms[0]?.layers ?? [];
const own = (result: BuildResult) => layersOf(result).filter(({ name, digest }) => name !== digest);
const based = (result: BuildResult) => layersOf(result).filter(({ name, digest }) => name === digest);

real("an app on an own base: only the base's layers change with the base, and nothing moves twice", async (t) => {
  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  const proxy = await startProxy(registry.host);
  t.teardown(() => proxy.stop());
  const base = `${proxy.host}/team/base:1`;
  const tag = `${proxy.host}/team/app:1`;
  const buildBase = (more: readonly string[]) =>
    build({
      cwd: path.join(work, "base"),
      cacheDir,
      platform: "linux/amd64",
      packages: ["libstdc++6", "dash", ...more],
      entry: "/usr/bin/dash",
      env: { FROM_BASE: "yes" },
      user: "1234:1234",
      tags: [base],
      push: true,
    });
  await lockedProject(path.join(work, "base"), {});
  const first = await buildBase([]);

  const cwd = await lockedProject(path.join(work, "app"), {
    "index.js": "console.log(process.version, process.getuid(), process.env.FROM_BASE, process.cwd())",
  });
  const file = path.join(cwd, "slim.lock");
  const call = { cwd, base, cacheDir, platform: "linux/amd64", tags: [tag], push: true };
  proxy.take();
  const built = await build(call);
  const [layer] = based(built);
  t.is(layer?.digest, first.platforms[0]?.layers[0]?.digest);
  t.deepEqual(
    own(built).map(({ name }) => name),
    ["os", "node", "app"],
  );
  const pushed = proxy.take();
  t.true(
    pushed.some((line) =>
      line.startsWith(`POST /v2/team/app/blobs/uploads/?mount=${encodeURIComponent(layer?.digest ?? "")}`),
    ),
    pushed.join("\n"),
  );
  t.deepEqual(
    pushed.filter((line) => /^(PUT|PATCH)/.test(line) && line.includes(encodeURIComponent(layer?.digest ?? ""))),
    [],
  );
  t.is(JSON.parse(await readFile(file, "utf8")).bases[base], first.digest);
  const { annotations, config } = JSON.parse(
    await run("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${tag}`]),
  );
  t.is(annotations["org.opencontainers.image.base.name"], base);
  t.is(annotations["org.opencontainers.image.base.digest"], first.digest);
  t.truthy(config);

  const layout = path.join(work, "layout");
  await run("skopeo", ["copy", "-q", "--src-tls-verify=false", `docker://${tag}`, `oci:${layout}:1`]);
  const container = await Container.unpack(layout);
  t.teardown(() => container.remove());
  const ran = await container.run();
  t.regex(ran.stdout, /^v24\.\S+ 1234 yes \/app\n$/, ran.stderr);

  // The base moves on. With the lock the app stays where it is, and asks nobody for the base.
  const second = await buildBase(["tini"]);
  t.not(second.digest, first.digest);
  proxy.take();
  t.is((await build(call)).digest, built.digest);
  t.deepEqual(
    proxy.take().filter((line) => line.includes("/team/base/") || /^GET \S+\/(blobs|manifests)\//.test(line)),
    [],
  );
  const { changes } = await lock({ ...call, update: ["base"] });
  t.deepEqual(changes, [{ kind: "base", name: `base ${base}`, from: first.digest ?? "", to: second.digest ?? "" }]);
  const rebuilt = await build({ ...call, frozen: true });
  t.deepEqual(
    own(rebuilt),
    own(built).map((one) => ({ ...one, cached: true })),
  );
  t.notDeepEqual(based(rebuilt), based(built));
  const [output] = rebuilt.outputs;
  t.like(output, { uploadedBlobs: 1, mountedBlobs: 1 }, "the config, and the base's layer from the base");

  // Nothing but the cache and the lock.
  await proxy.stop();
  const archive = path.join(work, "offline.tar");
  t.is((await build({ ...call, push: false, frozen: true, output: archive })).digest, rebuilt.digest);
  const explained = await slim(["explain", archive, "/usr/lib/x86_64-linux-gnu/libm.so.6"]);
  t.regex(explained.stdout, /DT_NEEDED libm\.so\.6 {2}\(of the base /);
  t.is((await slim(["validate", archive])).code, 0);
  await rm(file);
  await t.throwsAsync(build({ ...call, push: false, frozen: true }), { code: "LOCK", message: /base|does not have/ });
});
