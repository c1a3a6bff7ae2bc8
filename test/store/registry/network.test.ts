import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import type { Image } from "../../../src/image/types.ts";
import { Backoff } from "../../../src/store/registry/backoff.ts";
import { copy, RegistryClient, type RegistryOptions } from "../../../src/store/registry/index.ts";
import { usualTiming } from "../../../src/store/registry/options.ts";
import { answer, type Exchange, refuse, type StrictOptions, StrictRegistry } from "../../support/registry.ts";
import { bytesOf, contextOf, imageOf, readAll } from "../../support/registry-images.ts";

const timing = { pause: 2, second: 10, stall: 20_000, answer: 20_000, connect: 20_000, tries: 4 };

async function withRegistry(options: StrictOptions, use: (registry: StrictRegistry) => Promise<void>): Promise<void> {
  const registry = await StrictRegistry.start(options);
  try {
    await use(registry);
  } finally {
    await registry.stop();
  }
}

const client = (options: RegistryOptions = {}) => new RegistryClient({ timing, parallel: 1, ...options });
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => new SlimError("INVALID", "it worked"),
    (error: SlimError) => error,
  );
const isBlob = ({ method, url }: Exchange) => method === "GET" && url.pathname.includes("/blobs/");

/** A registry that holds one image, and the image as it is read from there. */
async function withImage(
  options: StrictOptions,
  use: (registry: StrictRegistry, read: () => Promise<Image>) => Promise<void>,
): Promise<void> {
  const registry = await StrictRegistry.start();
  await client().push(contextOf(), imageOf({ size: 100_000 }), [`${registry.host}/a:1`]);
  registry.requests.length = 0;
  Object.assign(registry.options, options);
  try {
    await use(registry, async () => (await client().read(contextOf(), `${registry.host}/a:1`)) as Image);
  } finally {
    await registry.stop();
  }
}

test("a registry at an IPv6 address; connections are kept", async (t) => {
  await withRegistry({ address: "::1" }, async (registry) => {
    const one = client();
    await one.push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
    const image = (await one.read(contextOf(), `${registry.host}/a:1`)) as Image;
    for (const layer of image.layers) await readAll(layer.open());
    t.true(registry.isWhole("a", "1"));
    t.true(registry.requests.every(({ headers }) => headers.host === registry.host));
    t.true(registry.requests.length > 15);
    // One that tried TLS, and one for all the rest; what is read and not yet ended needs another.
    t.true(registry.connections <= 3, String(registry.connections));
  });
});

test("a download goes on where it broke off", async (t) => {
  const ranges: (string | undefined)[] = [];
  const intercept = (exchange: Exchange) => {
    const { request, response, url } = exchange;
    if (!isBlob(exchange) || url.pathname.includes(imageOf({ size: 100_000 }).configBlob.descriptor.digest))
      return false;
    ranges.push(request.headers.range);
    if (ranges.length > 3) return false;
    const start = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
    const bytes = imageOf({ size: 100_000 }).layers[0];
    const send = async () => {
      const all = await readAll((bytes as Image["layers"][number]).open());
      const part = all.subarray(start, start + 20_000);
      const partial =
        request.headers.range === undefined
          ? {}
          : { "content-range": `bytes ${start}-${all.length - 1}/${all.length}` };
      response.writeHead(request.headers.range === undefined ? 200 : 206, {
        "content-length": all.length - start,
        ...partial,
      });
      response.write(part, () => setTimeout(() => request.socket.resetAndDestroy(), 20));
    };
    void send();
    return true;
  };
  await withImage({ intercept }, async (_registry, read) => {
    const layer = (await read()).layers[0] as Image["layers"][number];
    t.is((await readAll(layer.open())).length, layer.descriptor.size);
    t.is(ranges.length, 4);
    t.is(ranges[0], undefined);
    t.regex(ranges[3] ?? "", /^bytes=\d{5,}-$/);
  });
});

test("a registry that does not know ranges sends the whole again", async (t) => {
  let times = 0;
  const intercept = (exchange: Exchange) => {
    if (!isBlob(exchange)) return false;
    delete exchange.request.headers.range;
    times += 1;
    if (times !== 2) return false;
    exchange.response.writeHead(200, { "content-length": 100_500 });
    exchange.response.write(bytesOf("x", 10), () => setTimeout(() => exchange.request.socket.destroy(), 10));
    return true;
  };
  await withImage({ intercept }, async (_registry, read) => {
    const layer = (await read()).layers[0] as Image["layers"][number];
    // Its first ten bytes were others: that is noticed, and nothing passes as whole.
    t.is((await failure(readAll(layer.open()))).code, "INTEGRITY");
    times = 5;
    t.is((await readAll(layer.open())).length, layer.descriptor.size);
  });
});

const lies: Record<string, (bytes: Buffer) => Buffer> = {
  "one byte changed": (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]),
  "a byte too many": (bytes) => Buffer.concat([bytes, Buffer.from("x")]),
  "a byte too few": (bytes) => bytes.subarray(0, -1),
  nothing: () => Buffer.alloc(0),
};
for (const [name, lie] of Object.entries(lies)) {
  test(`a blob with ${name} is refused`, async (t) => {
    await withImage({}, async (registry, read) => {
      const image = await read();
      for (const [digest, bytes] of registry.blobs) registry.blobs.set(digest, lie(bytes));
      const layer = image.layers[0] as Image["layers"][number];
      t.is((await failure(readAll(layer.open()))).code, "INTEGRITY");
      t.not((await failure(read())).message, "it worked");
    });
  });
}

test("a manifest that does not have its digest is refused", async (t) => {
  const intercept = ({ method, url, response }: Exchange) => {
    if (method !== "GET" || !url.pathname.includes("/manifests/")) return false;
    answer(response, 200, { "content-type": "application/vnd.oci.image.manifest.v1+json" }, '{"schemaVersion":2}');
    return true;
  };
  await withImage({ intercept }, async (registry) => {
    const digest = imageOf({ size: 100_000 }).descriptor.digest;
    t.is((await failure(client().read(contextOf(), `${registry.host}/a@${digest}`))).code, "INTEGRITY");
    t.is((await failure(client().read(contextOf(), `${registry.host}/a:1`))).code, "INVALID");
  });
});

test("a manifest of 100 MB is not read", async (t) => {
  let sent = 0;
  const intercept = ({ method, url, response, request }: Exchange) => {
    if (method !== "GET" || !url.pathname.includes("/manifests/")) return false;
    response.writeHead(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" });
    const more = () => {
      while (sent < 100e6 && !request.socket.destroyed) {
        sent += 65_536;
        if (!response.write(Buffer.alloc(65_536, 32))) return void response.once("drain", more);
      }
      response.end();
    };
    more();
    return true;
  };
  await withImage({ intercept }, async (_registry, read) => {
    t.regex((await failure(read())).message, /larger than 4194304 bytes/);
    t.true(sent < 20e6);
  });
});

test("a redirect loop ends", async (t) => {
  let hops = 0;
  const intercept = (exchange: Exchange) => {
    if (!isBlob(exchange)) return false;
    hops += 1;
    answer(exchange.response, 307, { location: `${exchange.url.pathname}?hop=${hops}` });
    return true;
  };
  await withImage({ intercept }, async (_registry, read) => {
    const error = await failure(read());
    t.is(error.code, "REGISTRY");
    t.regex(error.message, /more than 10 redirects/);
    t.is(hops, 11);
  });
});

for (const location of ["ftp://x/y", "http://[", "file:///etc/passwd", "javascript:alert(1)"]) {
  test(`a redirect to ${location} is not followed`, async (t) => {
    const intercept = (exchange: Exchange) => {
      if (!isBlob(exchange)) return false;
      answer(exchange.response, 302, { location });
      return true;
    };
    await withImage({ intercept }, async (_registry, read) => {
      t.is((await failure(read())).code, "REGISTRY");
    });
  });
}

/** A registry of the public internet, as far as the client can tell: its name has a public address. */
const outside = (port: number): RegistryOptions => ({
  insecure: true,
  network: {
    lookup: async (hostname) => [{ address: hostname === "registry.test" ? "127.0.0.1" : "10.1.2.3", family: 4 }],
    isInternal: (address) => address !== "127.0.0.1",
  },
  credentials: { [`registry.test:${port}`]: { username: "me", password: "secret" } },
});

const innerPlaces = [
  "http://10.0.0.1/x",
  "http://metadata.internal/x",
  "http://localhost:1/x",
  "http://[fd00::1]/x",
  "http://169.254.169.254/latest",
];
for (const place of innerPlaces) {
  test(`a public registry cannot lead to ${place}`, async (t) => {
    const led = async (options: StrictOptions, act: (ref: string, client: RegistryClient) => Promise<unknown>) => {
      await withRegistry(options, async (registry) => {
        const one = client(outside(registry.port));
        const error = await failure(act(`registry.test:${registry.port}/a:1`, one));
        t.regex(error.message, /leads into an internal network/);
        t.is(error.code, "REGISTRY");
      });
    };
    await led({ challenge: `Bearer realm="${place}"` }, (ref, one) => one.push(contextOf(), imageOf(), [ref]));
    await led({ location: () => place }, (ref, one) => one.push(contextOf(), imageOf(), [ref]));
    const intercept = ({ method, response }: Exchange) => {
      if (method !== "GET") return false;
      answer(response, 307, { location: place });
      return true;
    };
    await led({ intercept }, (ref, one) => one.read(contextOf(), ref));
  });
}

test("what a 401 says of the realm does not make TLS optional", async (t) => {
  const { Transport } = await import("../../../src/store/registry/transport.ts");
  const transport = new Transport("registry.example", {});
  const from = new URL("https://registry.example/v2/");
  t.throws(() => transport.follow("http://auth.example/token", from), { message: /leads out of TLS/ });
  t.is(transport.follow("http://registry.example/v2/x?y", from).href, "https://registry.example/v2/x?y");
  t.is(transport.follow("/v2/x", from).href, "https://registry.example/v2/x");
  t.is(transport.follow("https://user:pass@other.example/", from).href, "https://other.example/");
});

for (const [name, header] of [
  ["seconds", () => "3"],
  ["a date", () => new Date(Date.now() + 4000).toUTCString()],
] as const) {
  test(`Retry-After in ${name} is honoured`, async (t) => {
    const times: number[] = [];
    const intercept = ({ method, response }: Exchange) => {
      if (method !== "POST" || times.push(Date.now()) > 1) return false;
      answer(response, 429, { "retry-after": header() });
      return true;
    };
    await withRegistry({ intercept }, async (registry) => {
      const one = client({ timing: { ...timing, pause: 1, second: 100 } });
      await one.push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
      t.true((times[1] ?? 0) - (times[0] ?? 0) >= 290, String(times));
    });
  });
}

test("a Retry-After that nobody waits for is an error that says so", async (t) => {
  const intercept = ({ method, response }: Exchange) => {
    if (method !== "POST") return false;
    answer(
      response,
      429,
      { "retry-after": "3600" },
      '{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}',
    );
    return true;
  };
  await withRegistry({ intercept }, async (registry) => {
    const one = client({ timing: { ...timing, second: 1000 } });
    const error = await failure(one.push(contextOf(), imageOf(), [`${registry.host}/a:1`]));
    t.regex(error.toLine(), /429: TOOMANYREQUESTS pull rate limit.*wait 3600 seconds/);
  });
});

test("the usual waits grow, are jittered and end", async (t) => {
  const backoff = new Backoff({ ...usualTiming, pause: 4, tries: 4 });
  const error = new SlimError("NETWORK", "x");
  const waits: number[] = [];
  for (;;) {
    const before = performance.now();
    try {
      await backoff.wait(contextOf(), error);
    } catch (thrown) {
      t.is(thrown, error);
      break;
    }
    waits.push(performance.now() - before);
  }
  t.is(waits.length, 3);
});

test("a 4xx is final: it is asked once", async (t) => {
  for (const status of [400, 409, 410, 418, 422]) {
    let times = 0;
    const intercept = ({ method, url, response }: Exchange) => {
      if (method !== "PUT" || !url.pathname.includes("/manifests/")) return false;
      times += 1;
      refuse(response, status, "MANIFEST_INVALID", "no\u001b[31m such\nthing");
      return true;
    };
    await withRegistry({ intercept }, async (registry) => {
      const error = await failure(client().push(contextOf(), imageOf(), [`${registry.host}/a:1`]));
      t.is(
        error.message,
        `cannot push the manifest 1: the registry answered ${status}: MANIFEST_INVALID no [31m such thing`,
      );
      t.is(times, 1);
    });
  }
});

test("warnings are shown, once each", async (t) => {
  const intercept = ({ response }: Exchange) => {
    response.setHeader("warning", '299 - "this repository goes away", 299 - "in \\"May\\""');
    return false;
  };
  await withRegistry({ intercept }, async (registry) => {
    const context = contextOf();
    await client().push(context, imageOf(), [`${registry.host}/a:1`]);
    const warnings = context.events.filter(({ type }) => type === "warning");
    const said = (message: string) => ({ type: "warning", message: `${registry.host} says: ${message}` });
    t.deepEqual(warnings, [said("this repository goes away"), said('in "May"')]);
  });
});

test("nothing listens, and no such name", async (t) => {
  const error = await failure(client().resolve(contextOf(), "127.0.0.1:1/a:1"));
  t.is(error.code, "NETWORK");
  t.regex(error.message, /ECONNREFUSED/);
  const lookup = async () => Promise.reject(Object.assign(new Error("x"), { code: "ENOTFOUND" }));
  const unknown = await failure(client({ network: { lookup } }).resolve(contextOf(), "no.such.example/a:1"));
  t.regex(unknown.toLine(), /no\.such\.example.*host name is not known/);
});

test("what does not listen is asked a few times on this host, and as often as usual elsewhere", async (t) => {
  const lookups: string[] = [];
  const network = {
    lookup: async (hostname: string) => {
      lookups.push(hostname);
      return [{ address: "127.0.0.1", family: 4 }];
    },
  };
  const one = client({ network, timing: { ...timing, tries: 6 } });
  t.is((await failure(one.resolve(contextOf(), "localhost:1/a:1"))).code, "NETWORK");
  // Each try is one with TLS and one without.
  t.is(lookups.length, 3 * 2);
  lookups.length = 0;
  t.is((await failure(one.resolve(contextOf(), "registry.test:1/a:1"))).code, "NETWORK");
  t.is(lookups.length, 6);
});

test("no plain HTTP to other hosts, unless it is asked for", async (t) => {
  await withRegistry({}, async (registry) => {
    const network = { lookup: async () => [{ address: "127.0.0.1", family: 4 }] };
    const ref = `registry.test:${registry.port}/a:1`;
    const error = await failure(client({ network }).push(contextOf(), imageOf(), [ref]));
    t.regex(error.toLine(), /does not speak TLS.*--insecure/);
    t.is(registry.requests.length, 0);
    await client({ network, insecure: [`registry.test:${registry.port}`] }).push(contextOf(), imageOf(), [ref]);
    t.true(registry.isWhole("a", "1"));
  });
});

test("an upload that is refused early does not go on", async (t) => {
  const intercept = ({ method, response }: Exchange) => {
    if (method !== "PUT") return false;
    refuse(response, 403, "DENIED", "quota exceeded");
    return true;
  };
  await withRegistry({ intercept }, async (registry) => {
    const error = await failure(client().push(contextOf(), imageOf({ size: 500_000 }), [`${registry.host}/a:1`]));
    t.regex(error.message, /403: DENIED quota exceeded/);
    t.is(registry.uploads.size, 0);
  });
});

test("a source that fails is the error, and it is not tried again", async (t) => {
  await withRegistry({}, async (registry) => {
    const image = imageOf({ layers: ["one"] });
    let opened = 0;
    const broken = {
      ...(image.layers[0] as Image["layers"][number]),
      async *open(): AsyncGenerator<Uint8Array> {
        opened += 1;
        yield Buffer.from("begun");
        throw new SlimError("IO", "the disk is gone", { where: "layer.tar" });
      },
    };
    const error = await failure(client().push(contextOf(), { ...image, layers: [broken] }, [`${registry.host}/a:1`]));
    t.is(error.toLine(), "layer.tar: the disk is gone");
    t.is(opened, 1);
    t.is(registry.uploads.size, 0);
  });
});

test("a source that has become shorter or longer is noticed", async (t) => {
  for (const bytes of [Buffer.from("short"), bytesOf("long", 300_000)]) {
    await withRegistry({}, async (registry) => {
      const image = imageOf({ layers: ["one"] });
      const changed = {
        ...(image.layers[0] as Image["layers"][number]),
        async *open(): AsyncGenerator<Uint8Array> {
          yield bytes;
        },
      };
      const error = await failure(
        client().push(contextOf(), { ...image, layers: [changed] }, [`${registry.host}/a:1`]),
      );
      t.is(error.code, "INTEGRITY");
      t.is(registry.repository("a").tags.size, 0);
    });
  }
});

test("mirrors are read from first, and passed over when they cannot help", async (t) => {
  await withRegistry({}, async (mirror) => {
    await withRegistry({}, async (registry) => {
      const ref = `${registry.host}/a:1`;
      const mirrors = { [registry.host]: ["127.0.0.1:1", mirror.host] };
      await client().push(contextOf(), imageOf(), [ref]);
      const context = contextOf();
      const fromOrigin = await client({ mirrors }).read(context, ref);
      t.is(fromOrigin.descriptor.digest, imageOf().descriptor.digest);
      t.deepEqual(
        context.events.flatMap((event) =>
          event.type === "warning" ? [event.message.split(" is passed over")[0]] : [],
        ),
        ["the mirror 127.0.0.1:1", `the mirror ${mirror.host}`],
      );
      await client().push(contextOf(), imageOf(), [`${mirror.host}/a:1`]);
      registry.requests.length = 0;
      const image = await client({ mirrors: { [registry.host]: [mirror.host] } }).read(contextOf(), ref);
      if (image.kind === "image") for (const layer of image.layers) await readAll(layer.open());
      t.deepEqual(registry.requests, []);

      // A cache may keep what it has below a path; what is copied is read from it as well.
      await client().push(contextOf(), imageOf(), [`${mirror.host}/cache/hub/a:1`]);
      mirror.requests.length = 0;
      const cached = client({ mirrors: { [registry.host]: [`http://${mirror.host}/cache/hub/`] } });
      await copy(contextOf(), { store: cached, ref }, { store: client(), refs: [`${registry.host}/copy:1`] });
      t.true(mirror.requests.some(({ url }) => url === "/v2/cache/hub/a/manifests/1"));
      t.false(registry.requests.some(({ url }) => url.startsWith("/v2/a/")));
      t.true(registry.isWhole("copy", "1"));
      const wrong = await failure(client({ mirrors: { [registry.host]: ["x/../y"] } }).read(contextOf(), ref));
      t.is(wrong.code, "CONFIG");
    });
  });
});
