import test from "ava";
import { composeImage } from "../../src/image/image.ts";
import { inheritConfig, inheritHistory, type OwnConfig, ociLayer } from "../../src/image/inherit.ts";
import { mediaTypes } from "../../src/image/types.ts";

const own: OwnConfig = {
  defaultEnv: { PATH: "/bin", NODE_ENV: "production" },
  env: {},
  entrypoint: ["/app/run"],
  cmd: undefined,
  user: undefined,
  defaultUser: "65532:65532",
  workdir: undefined,
  ports: [],
  labels: {},
};
const digest = `sha256:${"a".repeat(64)}` as const;

test("fields are taken over as Dockerfile's FROM does", (t) => {
  const base = {
    User: "app",
    Env: ["PATH=/opt/bin", "A=1", "EQUALS=x=y"],
    WorkingDir: "/srv",
    Cmd: ["serve"],
    Entrypoint: ["/entry"],
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/data": {} },
    Labels: { "org.opencontainers.image.base.name": "older", team: "base", kept: "yes" },
    StopSignal: "SIGQUIT",
    Healthcheck: { Test: ["CMD", "/check"] },
    OnBuild: ["RUN make"],
  };
  t.deepEqual<unknown, unknown>(
    inheritConfig(base, { ...own, env: { A: "2" }, ports: ["443/tcp"], labels: { team: "app" } }),
    {
      User: "app",
      Env: ["PATH=/opt/bin", "NODE_ENV=production", "A=2", "EQUALS=x=y"],
      WorkingDir: "/srv",
      Entrypoint: ["/app/run"],
      ExposedPorts: { "80/tcp": {}, "443/tcp": {} },
      Volumes: { "/data": {} },
      Labels: { team: "app", kept: "yes" },
      StopSignal: "SIGQUIT",
      Healthcheck: { Test: ["CMD", "/check"] },
    },
  );
  const replaced = inheritConfig(base, { ...own, user: "1:1", workdir: "/app", cmd: ["x"] });
  t.like(replaced, { User: "1:1", WorkingDir: "/app", Cmd: ["x"] });
});

test("without a base, and on one that says nothing, the defaults hold", (t) => {
  const expected = {
    User: "65532:65532",
    Env: ["PATH=/bin", "NODE_ENV=production"],
    Entrypoint: ["/app/run"],
    WorkingDir: "/",
  };
  t.deepEqual<unknown, unknown>(inheritConfig(undefined, own), expected);
  t.deepEqual<unknown, unknown>(inheritConfig({ User: "", WorkingDir: "", Cmd: ["x"] }, own), expected);
});

test("history belongs to layers, also where the base forgot some of its own", (t) => {
  const platform = { os: "linux", architecture: "amd64" };
  const layer = (name: string) => ({
    name,
    diffId: digest,
    descriptor: { mediaType: mediaTypes.layerGzip, digest, size: 1 },
    open: async function* () {},
  });
  const history = [{ created_by: "one" }, { created_by: "ENV", empty_layer: true }];
  const config = { ...platform, rootfs: { type: "layers" as const, diff_ids: [digest, digest] }, history };
  t.deepEqual(inheritHistory(config), [...history, { comment: "a layer of the base" }]);
  const image = composeImage({
    platform,
    created: "2020-01-01T00:00:00Z",
    config: {},
    layers: [layer("app")],
    annotations: {},
    base: { config, layers: [layer("x"), layer("y")] },
  });
  t.is(image.config.rootfs.diff_ids.length, 3);
  t.deepEqual(
    image.config.history?.filter((entry) => entry.empty_layer !== true).map((entry) => entry.created_by),
    ["one", undefined, "slim: app"],
  );
});

test("layers of Docker's types become those of OCI, and what cannot be built on is refused", (t) => {
  const typed = (mediaType: string) => ociLayer({ mediaType, digest, size: 3 }, "the base");
  t.deepEqual(typed(mediaTypes.dockerLayerGzip), { mediaType: mediaTypes.layerGzip, digest, size: 3 });
  t.is(typed(mediaTypes.layerZstd).mediaType, mediaTypes.layerZstd);
  const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  t.throws(() => typed(foreign), { code: "INVALID", message: /foreign/ });
});
