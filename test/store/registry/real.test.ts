import { spawn } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import type { Image } from "../../../src/image/types.ts";
import { copy, RegistryClient } from "../../../src/store/registry/index.ts";
import { contextOf, imageOf, indexOf, readAll } from "../../support/registry-images.ts";
import { freePort, type RealRegistry, run, type ServerOptions, startRegistry } from "../../support/registry-server.ts";
import { TokenServer } from "../../support/registry-token.ts";
import { slim } from "../../support/slim.ts";
import { testWith } from "../../support/tools.ts";

const tools = ["docker-registry", "skopeo", "htpasswd", "openssl"];
const real = testWith(test, ...tools);

const folder = await mkdtemp(path.join(tmpdir(), "slim-real-"));
test.after.always(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

async function withServer(options: ServerOptions, use: (server: RealRegistry) => Promise<void>): Promise<void> {
  const server = await startRegistry(options);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

/** An own CA, a certificate for 127.0.0.1 and localhost, and one for a client. */
async function makeCertificates(): Promise<Record<"ca" | "cert" | "key" | "clientCert" | "clientKey", string>> {
  const at = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => run("openssl", args);
  await openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.crt"),
    "-days",
    "2",
    "-subj",
    "/CN=slim test CA",
  );
  for (const [name, extension] of [
    ["server", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
    ["client", "extendedKeyUsage=clientAuth"],
  ] as const) {
    await openssl(
      "req",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      at(`${name}.key`),
      "-out",
      at(`${name}.csr`),
      "-subj",
      `/CN=${name}`,
    );
    await writeFile(at(`${name}.ext`), extension);
    await openssl(
      "x509",
      "-req",
      "-in",
      at(`${name}.csr`),
      "-CA",
      at("ca.crt"),
      "-CAkey",
      at("ca.key"),
      "-CAcreateserial",
      "-out",
      at(`${name}.crt`),
      "-days",
      "2",
      "-extfile",
      at(`${name}.ext`),
    );
  }
  return {
    ca: at("ca.crt"),
    cert: at("server.crt"),
    key: at("server.key"),
    clientCert: at("client.crt"),
    clientKey: at("client.key"),
  };
}

const certificates = makeCertificates();
// Where openssl is missing, the tests that want them are not run.
certificates.catch(() => {});
const index = () => indexOf([imageOf(), imageOf({ architecture: "arm64" })]);

real("push, skopeo inspects and copies, pull", async (t) => {
  await withServer({}, async ({ host }) => {
    const client = new RegistryClient();
    const artifact = index();
    const [output] = await client.push(contextOf(), artifact, [`${host}/team/app:1`, `${host}/team/app:latest`]);
    t.is(output?.uploadedBlobs, 4);
    const seen = JSON.parse(await run("skopeo", ["inspect", "--tls-verify=false", `docker://${host}/team/app:latest`]));
    t.is(seen.Digest, artifact.descriptor.digest);
    t.deepEqual(seen.RepoTags.sort(), ["1", "latest"]);
    t.deepEqual(
      seen.Layers,
      (artifact.images[0] as Image).manifest.layers.map(({ digest }) => digest),
    );

    const out = path.join(folder, "skopeo-copy");
    await run("skopeo", [
      "copy",
      "--all",
      "--preserve-digests",
      "--src-tls-verify=false",
      `docker://${host}/team/app:1`,
      `oci:${out}:x`,
    ]);
    const layout = JSON.parse(await readFile(path.join(out, "index.json"), "utf8"));
    t.is(layout.manifests[0].digest, artifact.descriptor.digest);

    // What skopeo pushes is read as well.
    await run("skopeo", [
      "copy",
      "--all",
      "--preserve-digests",
      "--dest-tls-verify=false",
      `oci:${out}:x`,
      `docker://${host}/other:1`,
    ]);
    const read = await new RegistryClient().read(contextOf(), `${host}/other:1`);
    t.is(read.descriptor.digest, artifact.descriptor.digest);
    t.is(read.kind, "index");
    if (read.kind !== "index") return;
    for (const [place, image] of read.images.entries()) {
      t.deepEqual(image.config, artifact.images[place]?.config);
      for (const layer of image.layers) t.is((await readAll(layer.open())).length, layer.descriptor.size);
    }
    const arm = await client.read(contextOf(), `${host}/other:1`, { os: "linux", architecture: "arm64" });
    t.is(arm.descriptor.digest, (artifact.images[1] as Image).descriptor.digest);
  });
});

const podman = testWith(test, ...tools, "podman");

podman("podman pulls what was pushed, and pushes what is read", async (t) => {
  await withServer({}, async ({ host }) => {
    const client = new RegistryClient();
    await client.push(contextOf(), index(), [`${host}/a:1`]);
    const at = path.join(folder, "podman");
    const podman = (...args: string[]) =>
      run("podman", ["--root", `${at}/root`, "--runroot", `${at}/run`, "--storage-driver", "vfs", ...args]);
    await podman("pull", "--quiet", "--tls-verify=false", `${host}/a:1`);
    const [seen] = JSON.parse(await podman("image", "inspect", `${host}/a:1`));
    t.deepEqual(seen.RootFS.Layers, imageOf().config.rootfs.diff_ids);
    await podman("push", "--quiet", "--tls-verify=false", `${host}/a:1`, `docker://${host}/b:1`);
    const back = await client.read(contextOf(), `${host}/b:1`);
    t.like(back, { kind: "image", config: { architecture: "amd64" } });
  });
});

real("copy keeps every digest, and mounts inside one registry", async (t) => {
  await withServer({}, async (one) => {
    await withServer({}, async (two) => {
      const client = new RegistryClient();
      const artifact = index();
      await client.push(contextOf(), artifact, [`${one.host}/a:1`]);
      await client.attach(contextOf(), `${one.host}/a:1`, {
        artifactType: "text/x",
        blobs: [],
        annotations: { a: "b" },
      });
      const from = { store: client, ref: `${one.host}/a:1` };
      const [near] = await copy(contextOf(), from, { store: client, refs: [`${one.host}/b:1`] });
      t.like(near, { digest: artifact.descriptor.digest, mountedBlobs: 4, uploadedBlobs: 0 });
      const [far] = await copy(contextOf(), from, { store: client, refs: [`${two.host}/b:1`] }, { referrers: true });
      t.like(far, { digest: artifact.descriptor.digest, mountedBlobs: 0, uploadedBlobs: 4 });
      const there = await client.referrers(contextOf(), `${two.host}/b:1`);
      t.deepEqual(there, await client.referrers(contextOf(), `${one.host}/a:1`));
      t.like(there[0], { artifactType: "text/x", annotations: { a: "b" } });
      const platform = { os: "linux", architecture: "arm64" };
      const [arm] = await copy(contextOf(), from, { store: client, refs: [`${two.host}/arm:1`] }, { platform });
      t.like(arm, { digest: (artifact.images[1] as Image).descriptor.digest });
      await t.throwsAsync(client.read(contextOf(), `${one.host}/a:1`, { os: "linux", architecture: "s390x" }), {
        message: /no image for linux\/s390x/,
      });
    });
  });
});

const htpasswd = (at: string) => `  htpasswd: {realm: slim, path: ${at}}`;

real("basic authentication: login, push, a wrong password, nothing at all", async (t) => {
  const passwords = path.join(folder, "htpasswd");
  await writeFile(passwords, await run("htpasswd", ["-Bbn", "me", "secret pass"]));
  await withServer({ auth: () => htpasswd(passwords) }, async ({ host }) => {
    const home = path.join(folder, "basic-home");
    const context = contextOf({ HOME: home });
    const client = new RegistryClient();
    const nobody = await t.throwsAsync(client.push(context, imageOf(), [`${host}/a:1`]), { instanceOf: SlimError });
    t.is(nobody.code, "AUTH");
    t.regex(nobody.toLine(), /401: UNAUTHORIZED authentication required/);
    await t.throwsAsync(client.login(context, host, { username: "me", password: "wrong" }), {
      message: /cannot log in/,
    });
    t.is(await client.login(context, host, { username: "me", password: "secret pass" }), "~/.docker/config.json");
    await client.push(context, imageOf(), [`${host}/a:1`]);
    // Other tools read the same file.
    const authfile = path.join(home, ".docker/config.json");
    const seen = await run("skopeo", [
      "inspect",
      "--tls-verify=false",
      `--authfile=${authfile}`,
      `docker://${host}/a:1`,
    ]);
    t.is(JSON.parse(seen).Digest, imageOf().descriptor.digest);
    const report = await client.doctor(context, `${host}/a:1`);
    t.like(report, { authentication: "basic", credentials: "credentials from ~/.docker/config.json" });
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
        ["referrers", false],
      ],
    );
  });
});

real("TLS with an own CA: named, in certs.d, and not at all", async (t) => {
  const made = await certificates;
  await withServer({ tls: { certificate: made.cert, key: made.key } }, async ({ host }) => {
    const ca = await readFile(made.ca, "utf8");
    await new RegistryClient({ ca: [ca] }).push(contextOf(), imageOf(), [`${host}/a:1`]);
    const home = path.join(folder, "tls-home");
    await mkdir(path.join(home, ".config/docker/certs.d", host), { recursive: true });
    await writeFile(path.join(home, ".config/docker/certs.d", host, "ca.crt"), ca);
    const image = await new RegistryClient().read(contextOf({ HOME: home }), `${host}/a:1`);
    t.is(image.descriptor.digest, imageOf().descriptor.digest);
    await t.notThrowsAsync(new RegistryClient({ insecure: [host] }).resolve(contextOf(), `${host}/a:1`));
    const error = await t.throwsAsync(new RegistryClient().resolve(contextOf(), `${host}/a:1`), {
      instanceOf: SlimError,
    });
    t.is(error.code, "NETWORK");
    t.regex(error.toLine(), /its certificate is not trusted: .*--ca/);
    // The command line: by its option, and by Node's own variable.
    const env = { HOME: folder, DOCKER_CONFIG: undefined };
    const read = (args: readonly string[], extra = {}) =>
      slim(["validate", `${host}/a:1`, ...args], { env: { ...env, ...extra } });
    t.is((await read(["--ca", made.ca])).code, 0);
    t.is((await read([], { NODE_EXTRA_CA_CERTS: made.ca })).code, 0);
    t.regex((await read([])).stderr, /^error: .*its certificate is not trusted: .*\n$/);
  });
});

real("a client certificate from certs.d", async (t) => {
  const made = await certificates;
  const tls = { certificate: made.cert, key: `${made.key}, clientcas: [${made.ca}]` };
  await withServer({ tls }, async ({ host }) => {
    const home = path.join(folder, "client-home");
    const certs = path.join(home, ".config/containers/certs.d", host);
    await mkdir(certs, { recursive: true });
    for (const [name, from] of [
      ["ca.crt", made.ca],
      ["client.cert", made.clientCert],
      ["client.key", made.clientKey],
    ] as const) {
      await writeFile(path.join(certs, name), await readFile(from));
    }
    await new RegistryClient().push(contextOf({ HOME: home }), imageOf(), [`${host}/a:1`]);
    const ca = [await readFile(made.ca, "utf8")];
    await t.throwsAsync(new RegistryClient({ ca, timing: { tries: 1 } }).resolve(contextOf(), `${host}/a:1`));
  });
});

real("a token server in front of the real registry, with tokens that live shortly", async (t) => {
  const made = await certificates;
  const tokens = await TokenServer.start({
    login: "me:secret",
    life: 1,
    key: createPrivateKey(await readFile(made.key)),
    certificate: await readFile(made.cert, "utf8"),
  });
  t.teardown(() => tokens.stop());
  const auth = () =>
    `  token: {realm: "${tokens.realm}?kept=1", service: slim-test, issuer: slim, rootcertbundle: ${made.ca}}`;
  await withServer({ auth }, async ({ host }) => {
    const credentials = { [host]: { username: "me", password: "secret" } };
    const client = new RegistryClient({ credentials });
    const slow = imageOf({ layers: Array.from({ length: 8 }, (_, place) => `slow${place}`) });
    const layers = slow.layers.map((layer) => ({
      ...layer,
      async *open() {
        await new Promise((resolve) => setTimeout(resolve, 700));
        yield* layer.open();
      },
    }));
    await client.push(contextOf(), { ...slow, layers }, [`${host}/a/b:1`]);
    t.true(tokens.requests.length > 1);
    t.true(tokens.requests.every(({ url }) => url.startsWith("/token?kept=1&")));
    t.is((await client.read(contextOf(), `${host}/a/b:1`)).descriptor.digest, slow.descriptor.digest);
    const report = await client.doctor(contextOf(), `${host}/a/b:1`);
    t.is(report.authentication, "bearer");
    t.regex(String(report.scopes), /^repository:a\/b:(?:delete,)?pull,push$/);
    const error = await t.throwsAsync(new RegistryClient().resolve(contextOf(), `${host}/a/b:1`), {
      instanceOf: SlimError,
    });
    t.is(error.code, "AUTH");
  });
});

real("through a proxy, as the environment names it", async (t) => {
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket) => {
    tunnels.push(request.url ?? "");
    const [hostname, port] = (request.url ?? "").split(":");
    const onward = connect(Number(port), hostname === "registry.invalid" ? "127.0.0.1" : hostname);
    onward.once("connect", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    onward.pipe(socket).pipe(onward);
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.teardown(() => void proxy.close());
  const { port } = proxy.address() as { port: number };
  const made = await certificates;
  await withServer({ tls: { certificate: made.cert, key: made.key } }, async ({ host }) => {
    const script = `
      import { RegistryClient } from ${JSON.stringify(new URL("../../../src/store/registry/index.ts", import.meta.url).href)};
      const client = new RegistryClient({ insecure: true });
      const context = { signal: new AbortController().signal, report() {}, env: process.env };
      const error = await client.resolve(context, process.argv[2]).catch((error) => error);
      console.log(error.code);
    `;
    const file = path.join(folder, "proxied.mts");
    await writeFile(file, script);
    const name = `registry.invalid:${host.split(":")[1]}`;
    const env = { ...process.env, HTTPS_PROXY: `http://127.0.0.1:${port}`, HOME: folder };
    const tsx = new URL("../../../node_modules/tsx/dist/esm/index.mjs", import.meta.url).pathname;
    t.is((await run(process.execPath, [`--import=${tsx}`, file, `${name}/a:1`], env)).trim(), "NOT_FOUND");
    t.true(tunnels.includes(name));
    const without = { ...env, NO_PROXY: "registry.invalid" };
    tunnels.length = 0;
    t.is((await run(process.execPath, [`--import=${tsx}`, file, `${name}/a:1`], without)).trim(), "NETWORK");
    t.deepEqual(tunnels, []);
  });
});

const withNginx = testWith(test, ...tools, "nginx");

withNginx("nginx in front, which takes a megabyte at a time", async (t) => {
  await withServer({}, async (server) => {
    const at = path.join(folder, "nginx");
    await mkdir(at);
    const port = await freePort();
    const configuration = `
      user root; daemon off; pid ${at}/pid; error_log ${at}/error.log; worker_processes 1;
      events {}
      http {
        access_log ${at}/access.log;
        client_body_temp_path ${at}/body; proxy_temp_path ${at}/proxy; fastcgi_temp_path ${at}/f;
        uwsgi_temp_path ${at}/u; scgi_temp_path ${at}/s;
        server {
          listen 127.0.0.1:${port};
          client_max_body_size 1m;
          location / { proxy_pass http://${server.host}; proxy_set_header Host $http_host; }
        }
      }`;
    await writeFile(path.join(at, "nginx.conf"), configuration);
    const nginx = spawn("nginx", ["-e", `${at}/error.log`, "-c", `${at}/nginx.conf`], { stdio: "ignore" });
    t.teardown(() => void nginx.kill());
    const host = `127.0.0.1:${port}`;
    await until(async () => (await fetch(`http://${host}/v2/`)).ok);
    const image = imageOf({ layers: ["large", "small"], size: 5_000_000 });
    await new RegistryClient().push(contextOf(), image, [`${host}/a:1`]);
    const read = await new RegistryClient().read(contextOf(), `${host}/a:1`);
    if (read.kind === "image") for (const layer of read.layers) await readAll(layer.open());
    const log = await readFile(path.join(at, "access.log"), "utf8");
    t.regex(log, /"PUT [^"]+" 413/);
    t.regex(log, /"PATCH [^"]+" 202/);
  });
});

async function until(ready: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await ready().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not come up");
}

real("200 images pushed by ten processes into one repository: all there, all valid", async (t) => {
  await withServer({}, async ({ host }) => {
    const file = path.join(folder, "pusher.mts");
    const source = (name: string) => JSON.stringify(new URL(`../../../${name}`, import.meta.url).href);
    await writeFile(
      file,
      `import { RegistryClient } from ${source("src/store/registry/index.ts")};
       import { contextOf, imageOf } from ${source("test/support/registry-images.ts")};
       const [, , host, number] = process.argv;
       const client = new RegistryClient();
       const push = async (place) => {
         const image = imageOf({ layers: ["os", "shared" + (place % 5), "own " + number + " " + place] });
         await client.push(contextOf(), image, [host + "/many:v" + number + "-" + place]);
       };
       await Promise.all(Array.from({ length: 20 }, (_, place) => push(place)));`,
    );
    const tsx = new URL("../../../node_modules/tsx/dist/esm/index.mjs", import.meta.url).pathname;
    const processes = Array.from({ length: 10 }, (_, number) => String(number));
    await Promise.all(processes.map((number) => run(process.execPath, [`--import=${tsx}`, file, host, number])));
    const client = new RegistryClient();
    for (const number of processes) {
      for (let place = 0; place < 20; place += 1) {
        const expected = imageOf({ layers: ["os", `shared${place % 5}`, `own ${number} ${place}`] });
        const read = await client.read(contextOf(), `${host}/many:v${number}-${place}`);
        t.is(read.descriptor.digest, expected.descriptor.digest);
        if (read.kind !== "image") continue;
        const own = read.layers.at(-1);
        if (own !== undefined) t.is((await readAll(own.open())).length, own.descriptor.size);
      }
    }
  });
});
