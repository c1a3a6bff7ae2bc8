import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import { RegistryClient } from "../../../src/store/registry/index.ts";
import { answer, type Exchange, refuse, type StrictOptions, StrictRegistry } from "../../support/registry.ts";
import { contextOf, imageOf } from "../../support/registry-images.ts";
import { allowsRequest, TokenServer, type TokenServerOptions } from "../../support/registry-token.ts";

const timing = { pause: 2, second: 10, stall: 20_000, answer: 20_000, tries: 4 };

/** What a registry is documented or was reported to do, and that a push works there all the same. */
interface Quirk {
  readonly registry: string;
  readonly does: string;
  readonly report: string;
  readonly options: (place: Place) => StrictOptions;
  /** A token server beside it, which issues what the registry asks for. */
  readonly tokens?: TokenServerOptions;
  /** Bytes in a layer; 2000 when left out. */
  readonly size?: number;
  readonly mountFrom?: boolean;
  readonly login?: boolean;
  /** An entry of `auths` in the configuration, in place of a login. */
  readonly auth?: Readonly<Record<string, string>>;
  /** More that must be true of the requests. */
  readonly check?: (methods: readonly string[], registry: StrictRegistry, tokens?: TokenServer) => boolean;
}

interface Place {
  /** Where tokens are given. */
  readonly realm: string;
  /** The registry itself, once it runs. */
  readonly registry: () => StrictRegistry;
}

const isUpload = ({ url }: Exchange) => url.pathname.includes("/blobs/uploads/");
const isMount = ({ method, url }: Exchange) => method === "POST" && url.searchParams.has("mount");

/** Refuses what `when` says, in the registry's own words. */
const refusing =
  (when: (exchange: Exchange) => boolean, status: number, code: string, message: string) => (): StrictOptions => ({
    intercept: (exchange) => {
      if (!when(exchange)) return false;
      refuse(exchange.response, status, code, message);
      return true;
    },
  });

/** Another status than the specification's for what worked. */
const answering = (when: (exchange: Exchange) => boolean, status: number) => (): StrictOptions => ({
  intercept: ({ response, ...rest }) => {
    if (!when({ response, ...rest })) return false;
    const writeHead = response.writeHead.bind(response);
    response.writeHead = ((code: number, ...more: []) => writeHead(code === 202 ? status : code, ...more)) as never;
    return false;
  },
});

const limited = (limit: number, when: (exchange: Exchange) => boolean, status: number) => () =>
  refusing(
    (exchange) => when(exchange) && exchange.body.length > limit,
    status,
    "TOO_LARGE",
    "the body is too large",
  )();

const quirks: readonly Quirk[] = [
  {
    registry: "Docker Hub",
    does: "answers a mount from elsewhere 400",
    report: "https://github.com/google/go-containerregistry/issues/1741",
    options: refusing(isMount, 400, "UNSUPPORTED", "mounts across registries are not supported"),
    mountFrom: true,
    check: (methods) => methods.filter((one) => one.startsWith("PUT blob")).length === 3,
  },
  {
    registry: "Harbor",
    does: "answers a mount from a project that is not there 401",
    report: "https://github.com/goharbor/harbor/issues/17097",
    options: refusing(isMount, 401, "UNAUTHORIZED", "project examplegroup not found: project examplegroup not found"),
    mountFrom: true,
  },
  {
    registry: "Harbor",
    does: "answers a mount from a name without a project 400",
    report: "https://github.com/goharbor/harbor/issues/15273",
    options: refusing(isMount, 400, "BAD_REQUEST", "bad request: invalid repository name"),
    mountFrom: true,
  },
  {
    registry: "Amazon ECR",
    does: "answers PATCH with 201",
    report: "https://github.com/openai/tart/issues/273",
    options: () => ({
      intercept: (exchange) =>
        limited(1.5e6, ({ method }) => method === "PUT", 413)().intercept?.(exchange) ||
        (answering(({ method }) => method === "PATCH", 201)().intercept?.(exchange) ?? false),
    }),
    size: 2_000_000,
    check: (methods) => methods.includes("PATCH blob 201"),
  },
  {
    registry: "Pulp",
    does: "answers PATCH with 204",
    report: "https://github.com/pulp/pulp_container/issues/2199",
    options: () => ({
      intercept: (exchange) =>
        limited(1.5e6, ({ method }) => method === "PUT", 413)().intercept?.(exchange) ||
        (answering(({ method }) => method === "PATCH", 204)().intercept?.(exchange) ?? false),
    }),
    size: 2_000_000,
    check: (methods) => methods.includes("PATCH blob 204"),
  },
  {
    registry: "Artifact Registry",
    does: "takes no PATCH at all",
    report: "https://cloud.google.com/artifact-registry/docs/reference/docker-api",
    options: refusing(({ method }) => method === "PATCH", 400, "UNSUPPORTED", "chunked uploads are not supported"),
    check: (methods) => !methods.some((one) => one.startsWith("PATCH")),
  },
  {
    registry: "old Artifactory",
    does: "takes a blob by PATCH only",
    report: "https://github.com/containerd/containerd/issues/3533",
    options: refusing(
      (one) => one.method === "PUT" && isUpload(one) && one.body.length > 0,
      405,
      "UNSUPPORTED",
      "not allowed",
    ),
    check: (methods) => methods.filter((one) => one === "PATCH blob 202").length === 3,
  },
  {
    registry: "old Artifactory",
    does: "takes a blob by PATCH only, and calls the PUT's session unknown",
    report: "https://github.com/moby/buildkit/issues/1130",
    options: refusing(
      (one) => one.method === "PUT" && isUpload(one) && one.body.length > 0,
      404,
      "BLOB_UPLOAD_UNKNOWN",
      "unknown",
    ),
    check: (methods) => methods.includes("PATCH blob 202"),
  },
  {
    registry: "GitHub's",
    does: "limits a PATCH to 4 MiB, with 416",
    report: "https://github.com/oras-project/rust-oci-client/issues/35",
    options: () => ({
      intercept: (exchange) =>
        limited(6e6, ({ method }) => method === "PUT", 413)().intercept?.(exchange) ||
        (limited(4 * 1024 * 1024, ({ method }) => method === "PATCH", 416)().intercept?.(exchange) ?? false),
    }),
    size: 9_000_000,
    check: (methods) => methods.filter((one) => one === "PATCH blob 202").length >= 3,
  },
  {
    registry: "a registry behind nginx or Cloudflare",
    does: "limits every request, with 413 and a page",
    report: "https://github.com/cloudflare/serverless-registry/issues/67",
    options: () => ({
      intercept: ({ method, body, response }) => {
        if (method === "GET" || body.length <= 1024 * 1024) return false;
        answer(response, 413, { "content-type": "text/html" }, "<html>413 Request Entity Too Large</html>");
        return true;
      },
    }),
    size: 3_000_000,
    check: (methods) => methods.includes("PATCH blob 202"),
  },
  {
    registry: "Cloudflare's serverless registry",
    does: "says how large pieces may be before anything is sent",
    report: "https://github.com/opencontainers/distribution-spec/pull/486",
    options: () => ({
      intercept: (exchange) => {
        exchange.response.setHeader("oci-chunk-max-length", "500000");
        return limited(500_000, () => true, 413)().intercept?.(exchange) ?? false;
      },
    }),
    size: 2_000_000,
    check: (methods) =>
      methods.filter((one) => one === "PATCH blob 202").length === 2 * 5 && !methods.includes("PUT blob 413"),
  },
  {
    registry: "a registry",
    does: "demands pieces of a least size",
    report: "https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks",
    options: () => ({
      intercept: (exchange) => {
        exchange.response.setHeader("oci-chunk-min-length", "10000000");
        return limited(11e6, ({ method }) => method === "PUT", 413)().intercept?.(exchange) ?? false;
      },
    }),
    size: 12_000_000,
    check: (_methods, { requests }) => requests.some(({ method, size }) => method === "PATCH" && size === 10_000_000),
  },
  {
    registry: "distribution on several nodes",
    does: "loses an upload session once",
    report: "https://github.com/distribution/distribution/issues/2225",
    options: () => {
      let lost = false;
      return refusing(
        (one) => {
          const loses = !lost && one.method === "PUT" && isUpload(one);
          lost ||= loses;
          return loses;
        },
        404,
        "BLOB_UPLOAD_UNKNOWN",
        "blob upload unknown to registry",
      )();
    },
  },
  {
    registry: "a registry with presigned redirects",
    does: "redirects HEAD to a storage that refuses it",
    report: "https://github.com/minio/minio/issues/6146",
    options: () => ({
      intercept: ({ method, url, response }) => {
        if (url.pathname.startsWith("/v2/storage/")) {
          answer(response, 403);
          return true;
        }
        if (method !== "HEAD" || !url.pathname.includes("/blobs/")) return false;
        answer(response, 307, { location: "/v2/storage/x" });
        return true;
      },
    }),
  },
  {
    registry: "Gitea",
    does: "asks for the scope * with Bearer, and takes Basic",
    report: "https://github.com/go-gitea/gitea/issues/25846",
    options: () => ({
      challenge: 'Basic realm="Gitea Container Registry"',
      authorized: (header) => header === `Basic ${Buffer.from("me:secret").toString("base64")}`,
    }),
    login: true,
  },
  {
    registry: "GitLab",
    does: "gives a token for the last scope alone, so that a mount is answered 401",
    report: "https://github.com/estesp/manifest-tool/issues/53",
    options: ({ realm }) => ({ challenge: `Bearer realm="${realm}",service="s"`, authorized: allowsRequest }),
    tokens: { grant: (scopes) => scopes.slice(-1) },
    mountFrom: true,
    login: true,
    check: (methods) => methods.filter((one) => one.startsWith("PUT blob")).length === 3,
  },
  {
    registry: "Quay",
    does: "refuses a scope with anything but pull, push and *",
    report: "https://github.com/quay/quay/blob/0488c73d82efe009233290ee9acc590e75466deb/endpoints/v2/v2auth.py#L45",
    options: ({ realm }) => ({ challenge: `Bearer realm="${realm}",service="s"`, authorized: allowsRequest }),
    tokens: {
      answer: ({ form }) =>
        form
          .getAll("scope")
          .every((scope) => /^repository:[\w./-]+:(?:push|pull|\*)(?:,(?:push|pull|\*))*$/.test(scope))
          ? undefined
          : { status: 400, body: '{"errors":[{"code":"INVALID_REQUEST","message":"Unable to decode"}]}' },
    },
    login: true,
  },
  {
    registry: "Quay",
    does: "begins at bytes=0--1 and at an absolute address, and takes a piece's range only as two numbers",
    report: "https://github.com/quay/quay/blob/01863755b5564b313d17f506e25201ff976dbdb2/endpoints/v2/blob.py#L51",
    options: () => ({
      location: (path, host) => `http://${host}${path}`,
      intercept: (exchange) => {
        const { method, request, response } = exchange;
        if (method === "POST") {
          const writeHead = response.writeHead.bind(response);
          response.writeHead = ((status: number, headers: object) =>
            writeHead(status, { ...headers, range: "bytes=0--1" })) as never;
        }
        if (method === "PATCH" && !/^\d+-\d+$/.test(request.headers["content-range"] ?? "")) {
          return Boolean(refuse(response, 400, "INVALID_REQUEST", "Invalid range header"));
        }
        return limited(1.5e6, () => method === "PUT", 413)().intercept?.(exchange) ?? false;
      },
    }),
    size: 2_000_000,
    check: (methods) => methods.includes("PATCH blob 202"),
  },
  {
    registry: "Azure",
    does: "gives a path with a query where an upload goes on",
    report: "https://github.com/containerd/containerd/issues/2385",
    options: () => ({ location: (path) => `${path}&_nouploadcache=false&_state=y4CX-AeAQ%3D%3D` }),
    check: (_methods, { requests }) =>
      requests.filter(
        ({ method, url }) => method === "PUT" && url.includes("&_nouploadcache=false&_state=y4CX-AeAQ%3D%3D&digest="),
      ).length === 3,
  },
  {
    registry: "Azure",
    does: "redirects to a storage that refuses whoever brings an Authorization",
    report: "https://github.com/Azure/acr/issues/217",
    options: ({ registry }) => ({
      challenge: 'Basic realm="azure"',
      authorized: (header, { request }) =>
        header !== undefined || request.headers.host?.startsWith("localhost") === true,
      intercept: ({ method, url, request, response }) => {
        const digest = /\/(sha256:[a-f0-9]{64})$/.exec(url.pathname)?.[1] ?? "";
        if (request.headers.host?.startsWith("localhost")) {
          const status = request.headers.authorization === undefined ? 200 : 400;
          return Boolean(answer(response, status, {}, registry().blobs.get(digest)));
        }
        if (method !== "GET" || !url.pathname.includes("/blobs/")) return false;
        return Boolean(answer(response, 307, { location: `http://localhost:${registry().port}/storage/${digest}` }));
      },
    }),
    login: true,
    check: (_methods, { requests }) => requests.some(({ url }) => url.startsWith("/storage/")),
  },
  {
    registry: "Azure",
    does: "asks for Bearer and Basic, takes Bearer only, and is logged in to by an identity token",
    report: "https://github.com/Azure/acr/issues/466",
    options: ({ realm }) => ({
      challenge: `Bearer realm="${realm}",service="s", Basic realm="azure"`,
      authorized: allowsRequest,
    }),
    tokens: { refreshToken: "refresh", login: "nobody:nothing" },
    // As `az acr login` writes it.
    auth: {
      auth: Buffer.from("00000000-0000-0000-0000-000000000000:").toString("base64"),
      identitytoken: "refresh",
    },
    check: (_methods, _registry, tokens) => tokens?.requests.every(({ method }) => method === "POST") ?? false,
  },
  {
    registry: "a registry behind a proxy",
    does: "answers /v2/ 404",
    report: "https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#determining-support",
    options: () => ({
      intercept: ({ url, response }) => {
        if (url.pathname !== "/v2/") return false;
        answer(response, 404);
        return true;
      },
    }),
  },
  {
    registry: "a registry without HEAD",
    does: "answers every HEAD 405",
    report:
      "https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#checking-if-content-exists-in-the-registry",
    options: refusing(({ method }) => method === "HEAD", 405, "UNSUPPORTED", ""),
  },
  {
    registry: "a registry",
    does: "names no digest in its answers",
    report: "https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests",
    options: () => ({
      intercept: ({ response }) => {
        const writeHead = response.writeHead.bind(response);
        response.writeHead = ((code: number, headers: Record<string, string>) => {
          const { "docker-content-digest": _, ...rest } = headers;
          return writeHead(code, rest);
        }) as never;
        return false;
      },
    }),
  },
];

const folder = await mkdtemp(path.join(tmpdir(), "slim-quirks-"));
test.after.always(() => rm(folder, { recursive: true, force: true }));

for (const quirk of quirks) {
  test(`${quirk.registry} ${quirk.does} (${quirk.report.replace("https://", "")})`, async (t) => {
    const tokens = quirk.tokens && (await TokenServer.start(quirk.tokens));
    t.teardown(() => tokens?.stop());
    const place: Place = { realm: tokens?.realm ?? "", registry: () => registry };
    const registry: StrictRegistry = await StrictRegistry.start(quirk.options(place));
    t.teardown(() => registry.stop());
    const credentials = quirk.login ? { [registry.host]: { username: "me", password: "secret" } } : {};
    const registryConfig = path.join(folder, `${registry.port}.json`);
    await writeFile(registryConfig, JSON.stringify({ auths: quirk.auth ? { [registry.host]: quirk.auth } : {} }));
    const client = new RegistryClient({ timing, parallel: 1, credentials, registryConfig });
    const image = imageOf({ size: quirk.size ?? 2000 });
    const mountFrom = quirk.mountFrom ? [`${registry.host}/examplegroup/x`] : [];
    await client.push(contextOf(), image, [`${registry.host}/a/b:1`], { mountFrom });
    t.true(registry.isWhole("a/b", "1"));
    t.is((await client.read(contextOf(), `${registry.host}/a/b:1`)).descriptor.digest, image.descriptor.digest);
    t.deepEqual(registry.violations, []);
    t.is(registry.uploads.size, 0);
    const methods = registry.requests
      .filter(({ url }) => url.includes("/blobs/uploads/"))
      .map(({ method, status }) => `${method} blob ${status}`);
    t.true(quirk.check?.(methods, registry, tokens) ?? true, methods.join("\n"));
  });
}

test("ECR drops pieces after the first: an error, not a damaged blob", async (t) => {
  let patches = 0;
  const registry = await StrictRegistry.start({
    intercept: ({ method, body, url, response }) => {
      if (method === "PUT" && body.length > 1e6) return Boolean(refuse(response, 413, "", ""));
      if (method !== "PATCH" || ++patches % 2 === 1) return false;
      return Boolean(answer(response, 201, { location: url.pathname + url.search, range: "0-8388607" }));
    },
  });
  t.teardown(() => registry.stop());
  const client = new RegistryClient({ timing, parallel: 1 });
  const error = await t.throwsAsync(
    client.push(contextOf(), imageOf({ layers: ["big"], size: 9e6 }), [`${registry.host}/a:1`]),
  );
  t.true(error instanceof SlimError);
  t.regex(error?.message ?? "", /in pieces: of \d+ bytes \d+ arrived/);
  t.is(registry.repository("a").tags.size, 0);
});
