import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import { RegistryClient, type RegistryOptions } from "../../../src/store/registry/index.ts";
import { mergeScopes } from "../../../src/store/registry/session.ts";
import { answer, type Exchange, refuse, type StrictOptions, StrictRegistry } from "../../support/registry.ts";
import { contextOf, imageOf, readAll } from "../../support/registry-images.ts";
import { allows, allowsRequest, TokenServer, type TokenServerOptions } from "../../support/registry-token.ts";

const timing = { pause: 2, second: 10, stall: 20_000, answer: 20_000 };
const secret = "s3cret-pässword";
const login = { username: "me", password: secret };
const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

interface Place {
  readonly registry: StrictRegistry;
  readonly tokens: TokenServer;
  readonly ref: string;
  client(options?: RegistryOptions): RegistryClient;
}

async function withTokens(
  use: (place: Place) => Promise<void>,
  tokenOptions: TokenServerOptions = {},
  strict: Omit<StrictOptions, "challenge"> & { challenge?: (realm: string) => string } = {},
): Promise<void> {
  const tokens = await TokenServer.start(tokenOptions);
  const { challenge, ...rest } = strict;
  const registry = await StrictRegistry.start({
    challenge: challenge?.(tokens.realm) ?? `Bearer realm="${tokens.realm}",service="test"`,
    authorized: allowsRequest,
    ...rest,
  });
  const client = (options: RegistryOptions = {}) =>
    new RegistryClient({ timing, parallel: 1, credentials: { [registry.host]: login }, ...options });
  try {
    await use({ registry, tokens, client, ref: `${registry.host}/a/b:1` });
  } finally {
    await registry.stop();
    await tokens.stop();
  }
}

test("one token serves a whole push, and one a whole pull", async (t) => {
  await withTokens(
    async ({ registry, tokens, client, ref }) => {
      const one = client();
      await one.push(contextOf(), imageOf(), [ref]);
      t.deepEqual(
        tokens.requests.map(({ url }) => url),
        ["/token?account=me&service=test&scope=repository%3Aa%2Fb%3Apull%2Cpush"],
      );
      t.is(registry.requests.filter(({ status }) => status === 401).length, 1);
      const image = await one.read(contextOf(), ref);
      if (image.kind === "image") for (const layer of image.layers) await readAll(layer.open());
      t.is(tokens.requests.length, 2);
      t.is(tokens.requests[1]?.form.get("scope"), "repository:a/b:pull");
      t.true(tokens.requests.every(({ authorization }) => authorization === basic("me", secret)));
      // The password goes to the token server and never to the registry.
      t.true(registry.requests.every(({ headers }) => !headers.authorization?.startsWith("Basic")));
    },
    { login: `me:${secret}` },
  );
});

test("a mount asks for the right to read there as well", async (t) => {
  await withTokens(async ({ registry, tokens, client, ref }) => {
    const one = client();
    await one.push(contextOf(), imageOf(), [ref]);
    const [output] = await one.push(contextOf(), imageOf(), [`${registry.host}/c:1`], {
      mountFrom: [`${registry.host}/a/b`],
    });
    t.is(output?.mountedBlobs, 3);
    t.deepEqual(tokens.requests.at(-1)?.form.getAll("scope"), ["repository:c:pull,push", "repository:a/b:pull"]);
    t.is(tokens.requests.length, 3);
  });
});

test("a mount without the right to read there becomes an upload", async (t) => {
  const refuseForeign: TokenServerOptions["answer"] = ({ form }) =>
    form.getAll("scope").some((scope) => scope.includes("private")) ? { status: 403, body: "{}" } : undefined;
  await withTokens(
    async ({ registry, client, ref }) => {
      const [output] = await client().push(contextOf(), imageOf(), [ref], { mountFrom: [`${registry.host}/private`] });
      t.is(output?.uploadedBlobs, 3);
      t.true(registry.isWhole("a/b", "1"));
      t.deepEqual(registry.violations, []);
    },
    { answer: refuseForeign },
  );
});

test("a realm keeps the query it came with", async (t) => {
  await withTokens(
    async ({ tokens, client, ref }) => {
      await client().push(contextOf(), imageOf(), [ref]);
      t.true(tokens.requests[0]?.url.startsWith("/token?tenant=a%20b&x=%2F&service=own&account=me&scope="));
    },
    {},
    { challenge: (realm) => `Bearer realm="${realm}?tenant=a%20b&x=%2F&service=own",service="test"` },
  );
});

test("a token that expires in the middle of a push is renewed, whatever it said of its life", async (t) => {
  let issued = 0;
  let refused = 0;
  const uses = new Map<string, number>();
  await withTokens(
    async ({ registry, tokens, client, ref }) => {
      await client().push(contextOf(), imageOf({ layers: ["1", "2", "3", "4"] }), [ref]);
      t.true(registry.isWhole("a/b", "1"));
      t.true(refused > 3);
      issued = tokens.requests.length;
      t.is(issued, refused + 1);
      t.deepEqual(registry.violations, []);
    },
    {},
    {
      // Every token is good for three requests.
      authorized: (header) => {
        if (header === undefined) return false;
        const used = (uses.get(header) ?? 0) + 1;
        uses.set(header, used);
        if (used > 3) refused += 1;
        return used <= 3;
      },
    },
  );
});

test("a token is renewed before it expires", async (t) => {
  await withTokens(
    async ({ registry, tokens, client, ref }) => {
      const one = client();
      await one.resolve(contextOf(), ref).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 1950));
      await one.resolve(contextOf(), ref).catch(() => {});
      t.is(tokens.requests.length, 2);
      t.is(registry.requests.filter(({ status }) => status === 401).length, 1);
    },
    { life: 2 },
  );
});

test("the time of day does not matter: a token that calls itself issued long ago or in the future is used", async (t) => {
  for (const issued_at of ["1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "nonsense"]) {
    const tokens = await TokenServer.start();
    await withTokens(
      async ({ tokens: server, client, ref }) => {
        await client().push(contextOf(), imageOf(), [ref]);
        t.is(server.requests.length, 1);
      },
      {
        answer: ({ form }) => {
          const access_token = tokens.issue(form.getAll("scope"), "test", 300);
          return { status: 200, body: JSON.stringify({ access_token, issued_at, expires_in: 300 }) };
        },
      },
    );
    await tokens.stop();
  }
});

test("an identity token is exchanged by POST", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-auth-"));
  await withTokens(
    async ({ registry, tokens, ref }) => {
      const file = path.join(folder, "config.json");
      await writeFile(file, JSON.stringify({ auths: { [registry.host]: { identitytoken: "refresh-me" } } }));
      const one = new RegistryClient({ timing, registryConfig: file });
      await one.push(contextOf(), imageOf(), [ref]);
      t.is(tokens.requests[0]?.method, "POST");
      t.is(tokens.requests[0]?.form.get("grant_type"), "refresh_token");
      t.is(tokens.requests[0]?.form.get("scope"), "repository:a/b:pull,push");
      t.is(tokens.requests[0]?.form.get("service"), "test");
    },
    { refreshToken: "refresh-me" },
  );
  await rm(folder, { recursive: true });
});

test("the registry may ask for more than was thought: its scope is added", async (t) => {
  let asked = false;
  await withTokens(
    async ({ tokens, client, ref }) => {
      await client().push(contextOf(), imageOf(), [ref]);
      t.true(asked);
      t.deepEqual(tokens.requests.at(-1)?.form.getAll("scope"), [
        "repository:a/b:delete,pull,push",
        "special:thing:use",
      ]);
      t.is(tokens.requests.length, 2);
    },
    {},
    {
      challenge: (realm) => `Bearer realm="${realm}",service="test",scope="repository:a/b:delete special:thing:use"`,
      authorized: (header) => {
        asked ||= header !== undefined;
        return allows(header, "a/b", "delete");
      },
    },
  );
});

test("a stale token's own challenge does not lead astray (nvcr.io)", async (t) => {
  let refusedOnce = false;
  await withTokens(
    async ({ tokens, client, ref }) => {
      await client().push(contextOf(), imageOf(), [ref]);
      t.true(refusedOnce);
      t.is(tokens.requests.length, 2);
    },
    {},
    {
      intercept: ({ method, response }) => {
        if (method !== "PUT" || refusedOnce) return false;
        refusedOnce = true;
        response.setHeader("www-authenticate", 'Bearer realm="http://127.0.0.1:1/nowhere",service="other"');
        refuse(response, 401, "UNAUTHORIZED", "expired");
        return true;
      },
    },
  );
});

test("anonymous callers get tokens without a login", async (t) => {
  await withTokens(async ({ registry, tokens, ref }) => {
    const one = new RegistryClient({ timing });
    await one.push(contextOf(), imageOf(), [ref]);
    t.is(tokens.requests[0]?.authorization, undefined);
    t.is(tokens.requests[0]?.url, "/token?service=test&scope=repository%3Aa%2Fb%3Apull%2Cpush");
    t.true(registry.isWhole("a/b", "1"));
  });
});

test("a refused login says which credentials were tried, never what they are", async (t) => {
  await withTokens(
    async ({ client, ref, registry }) => {
      const error = await t.throwsAsync(client().push(contextOf(), imageOf(), [ref]), { instanceOf: SlimError });
      t.is(error.code, "AUTH");
      t.regex(error.toLine(), /cannot get a token: the registry answered 401: incorrect username or password/);
      t.regex(
        error.hint ?? "",
        new RegExp(`tried with the caller's own credentials; log in with: slim login ${registry.host}`),
      );
      const all = JSON.stringify([error, error.message, error.stack, error.where, error.hint, error.cause]);
      for (const hidden of [secret, basic("me", secret)]) t.false(all.includes(hidden));
    },
    { login: "me:other" },
  );
});

test("403 is final, and shows what the registry said", async (t) => {
  let puts = 0;
  await withTokens(
    async ({ client, ref }) => {
      const error = await t.throwsAsync(client().push(contextOf(), imageOf(), [ref]), { instanceOf: SlimError });
      t.is(error.code, "AUTH");
      t.regex(error.message, /403: DENIED requested access to the resource is denied/);
      t.is(puts, 1);
    },
    {},
    {
      intercept: ({ method, response }) => {
        if (method !== "POST") return false;
        puts += 1;
        refuse(response, 403, "DENIED", "requested access to the resource is denied");
        return true;
      },
    },
  );
});

test("Basic is sent with every request, after it was asked for", async (t) => {
  const registry = await StrictRegistry.start({
    challenge: 'Basic realm="Registry Realm"',
    authorized: (header) => header === basic("me", secret),
  });
  const one = new RegistryClient({ timing, credentials: { [registry.host]: login } });
  await one.push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
  t.is(registry.requests.filter(({ status }) => status === 401).length, 1);
  t.is(registry.requests[0]?.headers.authorization, undefined);
  const error = await t.throwsAsync(
    new RegistryClient({ timing }).push(contextOf(), imageOf(), [`${registry.host}/a:1`]),
  );
  t.regex((error as SlimError).hint ?? "", /no credentials were found; log in with/);
  await registry.stop();
});

test("a registry that greets everyone may still ask later", async (t) => {
  await withTokens(async ({ registry, tokens, client, ref }) => {
    Object.assign(registry.options, {
      authorized: (header: string | undefined, exchange: Exchange) =>
        exchange.url.pathname === "/v2/" || allows(header, "a/b", exchange.method === "HEAD" ? "pull" : "push"),
    });
    await client().push(contextOf(), imageOf(), [ref]);
    t.true(registry.isWhole("a/b", "1"));
    t.is(tokens.requests.length, 1);
  });
});

const rubbish: Record<string, string> = {
  "no token": "{}",
  "no JSON": "<html>",
  "a token that would break a header": JSON.stringify({ token: "a\r\nX-Evil: 1" }),
  "a list": "[]",
};
for (const [name, body] of Object.entries(rubbish)) {
  test(`a token server that answers ${name}`, async (t) => {
    await withTokens(
      async ({ client, ref }) => {
        const error = await t.throwsAsync(client().push(contextOf(), imageOf(), [ref]), { instanceOf: SlimError });
        t.regex(error.message, /gave no token/);
      },
      { answer: () => ({ status: 200, body }) },
    );
  });
}

test("a busy token server is asked again", async (t) => {
  let times = 0;
  await withTokens(
    async ({ client, ref }) => {
      await client().push(contextOf(), imageOf(), [ref]);
      t.is(times, 4);
    },
    { answer: () => (++times < 4 ? { status: 503, body: "" } : undefined) },
  );
});

test("login checks before it stores, logout forgets", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-login-"));
  const file = path.join(folder, "config.json");
  await withTokens(
    async ({ registry, ref }) => {
      const one = new RegistryClient({ timing, registryConfig: file });
      const bad = await t.throwsAsync(one.login(contextOf(), registry.host, { ...login, password: "wrong" }));
      t.is((bad as SlimError).code, "AUTH");
      await t.throwsAsync(readFile(file));
      t.is(await one.login(contextOf(), `http://${registry.host}/v2/`, login), file);
      await one.push(contextOf(), imageOf(), [ref]);
      t.deepEqual(await one.logout(contextOf(), registry.host), [file]);
      await t.throwsAsync(one.push(contextOf(), imageOf({ layers: ["new"] }), [ref]));
    },
    { login: `me:${secret}` },
  );
  await rm(folder, { recursive: true });
});

test("scopes of one name become one", (t) => {
  t.deepEqual(mergeScopes(["repository:a:push", "repository:a:pull,push", "repository:b:pull", "*"]), [
    "repository:a:pull,push",
    "repository:b:pull",
    "*",
  ]);
});

test("a 401 from another host is not answered with a token", async (t) => {
  const other = await StrictRegistry.start({ challenge: 'Basic realm="give me"' });
  const options: StrictOptions = {
    challenge: 'Basic realm="x"',
    authorized: (header) => header === basic("me", secret),
    intercept: ({ method, url, response }) => {
      if (method !== "GET" || !url.pathname.includes("/blobs/")) return false;
      answer(response, 307, { location: `http://localhost:${other.port}${url.pathname}` });
      return true;
    },
  };
  const registry = await StrictRegistry.start(options);
  const one = new RegistryClient({
    timing,
    credentials: { [registry.host]: login, [`localhost:${other.port}`]: login },
  });
  await one.push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
  const error = await t.throwsAsync(one.read(contextOf(), `${registry.host}/a:1`), { instanceOf: SlimError });
  t.is(error.code, "AUTH");
  t.true(other.requests.length > 0);
  t.true(other.requests.every(({ headers }) => headers.authorization === undefined));
  await registry.stop();
  await other.stop();
});

test("one caller that stops does not stop another that waits for the same token", async (t) => {
  const first = new AbortController();
  let asked = 0;
  await withTokens(
    async ({ client, ref, registry }) => {
      const one = client();
      const stopped = t.throwsAsync(one.push(contextOf({}, first.signal), imageOf(), [ref]));
      const going = one.push(contextOf(), imageOf(), [ref]);
      t.is(((await stopped) as SlimError).code, "ABORTED");
      await going;
      t.true(registry.isWhole("a/b", "1"));
      t.true(asked >= 2);
    },
    {
      answer: () => {
        asked += 1;
        if (asked === 1) first.abort();
        return undefined;
      },
    },
  );
});

test("a token that is stored as such is sent as it is", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-bearer-"));
  const file = path.join(folder, "config.json");
  const options: StrictOptions = {
    challenge: 'Bearer realm="http://127.0.0.1:1/none"',
    authorized: (header) => header === "Bearer ready-made",
  };
  const registry = await StrictRegistry.start(options);
  t.teardown(() => registry.stop());
  await writeFile(file, JSON.stringify({ auths: { [registry.host]: { registrytoken: "ready-made" } } }));
  await new RegistryClient({ timing, registryConfig: file }).push(contextOf(), imageOf(), [`${registry.host}/a:1`]);
  t.true(registry.isWhole("a", "1"));
  await rm(folder, { recursive: true });
});
