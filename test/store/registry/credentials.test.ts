import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { SlimError } from "../../../src/base/error.ts";
import { eraseLogin, findCredentials, storeLogin } from "../../../src/store/registry/credentials.ts";
import { contextOf } from "../../support/registry-images.ts";

interface Home {
  readonly folder: string;
  readonly env: Record<string, string>;
  write(file: string, content: unknown): Promise<void>;
  find(host: string, repository?: string): ReturnType<typeof findCredentials>;
}

async function withHome(use: (home: Home) => Promise<void>, more: Record<string, string> = {}): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-home-"));
  const env = { HOME: folder, PATH: `${folder}/bin:${process.env.PATH}`, ...more };
  const write = async (file: string, content: unknown) => {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  };
  try {
    await use({
      folder,
      env,
      write,
      find: (host, repository) => findCredentials(contextOf(env), {}, host, repository),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const auth = (text: string) => ({ auth: base64(text) });
const password = (username: string, secret: string, source: string) => ({
  kind: "password" as const,
  source: `credentials from ${source}`,
  username,
  password: secret,
});
const docker = "~/.docker/config.json";

test("nothing anywhere is anonymous", async (t) => {
  await withHome(async ({ find }) => void t.is(await find("ghcr.io"), undefined));
});

test("a host matches exactly, with its port", async (t) => {
  await withHome(async ({ write, find }) => {
    await write(".docker/config.json", { auths: { "ghcr.io": auth("a:b"), "x.io:5000": auth("c:d:e") } });
    t.deepEqual(await find("ghcr.io", "o/n"), password("a", "b", docker));
    t.deepEqual(await find("x.io:5000"), password("c", "d:e", docker));
    for (const other of ["x.io", "ghcr.io:443", "evil.ghcr.io", "ghcr.io.evil.com", "cr.io", "io"]) {
      t.is(await find(other), undefined, other);
    }
  });
});

const hubKeys = ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/"];
for (const key of hubKeys) {
  test(`Docker Hub's login is found below ${key}`, async (t) => {
    await withHome(async ({ write, find }) => {
      await write(".docker/config.json", { auths: { [key]: auth("a:b") } });
      t.deepEqual(await find("docker.io", "library/alpine"), password("a", "b", docker));
      t.is(await find("index.example"), undefined);
    });
  });
}

test("keys that are URLs count for their host", async (t) => {
  await withHome(async ({ write, find }) => {
    await write(".docker/config.json", { auths: { "https://a.io/v1/": auth("a:b"), "http://b.io": auth("c:d") } });
    t.deepEqual(await find("a.io"), password("a", "b", docker));
    t.deepEqual(await find("b.io"), password("c", "d", docker));
  });
});

test("the longest path of a key decides, as Podman reads auth.json", async (t) => {
  await withHome(async ({ write, find }) => {
    const auths = { "q.io": auth("host:1"), "q.io/a": auth("ns:2"), "q.io/a/b": auth("repo:3") };
    await write(".config/containers/auth.json", { auths });
    const file = "~/.config/containers/auth.json";
    t.deepEqual(await find("q.io", "a/b"), password("repo", "3", file));
    t.deepEqual(await find("q.io", "a/c"), password("ns", "2", file));
    t.deepEqual(await find("q.io", "ab"), password("host", "1", file));
    t.deepEqual(await find("q.io"), password("host", "1", file));
  });
});

test("files are asked in order, and the chosen one alone", async (t) => {
  await withHome(async ({ folder, env, write }) => {
    const names = { docker: "d/config.json", file: "r.json", runtime: "run/containers/auth.json" };
    const full = {
      ...env,
      DOCKER_CONFIG: `${folder}/d`,
      REGISTRY_AUTH_FILE: `${folder}/r.json`,
      XDG_RUNTIME_DIR: `${folder}/run`,
    };
    await write("own.json", { auths: { "x.io": auth("own:1") } });
    for (const [name, file] of Object.entries(names).reverse()) {
      await write(file, { auths: { "x.io": auth(`${name}:1`) } });
      t.deepEqual(await findCredentials(contextOf(full), {}, "x.io"), password(name, "1", `~/${file}`));
    }
    const own = await findCredentials(contextOf(full), { registryConfig: `${folder}/own.json` }, "x.io");
    t.deepEqual(own, password("own", "1", "~/own.json"));
    const credentials = { "x.io": { username: "given", password: "2" } };
    t.like(await findCredentials(contextOf(full), { credentials }, "x.io"), { username: "given" });
  });
});

test("identity and bearer tokens", async (t) => {
  await withHome(async ({ write, find }) => {
    const auths = {
      "a.io": { ...auth("00000000-0000-0000-0000-000000000000:"), identitytoken: "refresh" },
      "b.io": auth("<token>:refresh2"),
      "c.io": { registrytoken: "bearer" },
      "d.io": {},
      "e.io": { username: "u", password: "p" },
    };
    await write(".docker/config.json", { auths });
    const source = `credentials from ${docker}`;
    t.deepEqual(await find("a.io"), { kind: "identity", source, token: "refresh" });
    t.deepEqual(await find("b.io"), { kind: "identity", source, token: "refresh2" });
    t.deepEqual(await find("c.io"), { kind: "bearer", source, token: "bearer" });
    t.is(await find("d.io"), undefined);
    t.deepEqual(await find("e.io"), password("u", "p", docker));
  });
});

test("a damaged file is an error that names it and quotes none of it", async (t) => {
  await withHome(async ({ write, find }) => {
    await write(".docker/config.json", '{"auths": {"x.io": {"auth": "c2VjcmV0OnNlY3JldA=="');
    const error = await t.throwsAsync(find("x.io"), { instanceOf: SlimError });
    t.is(error.code, "CONFIG");
    t.true(error.where?.endsWith("config.json"));
    t.false(JSON.stringify({ ...error, message: error.message, cause: String(error.cause) }).includes("c2Vj"));
    await write(".docker/config.json", { auths: { "x.io": { auth: base64("nocolon") } } });
    t.regex((await t.throwsAsync(find("x.io")))?.message ?? "", /base64 of user:password/);
  });
});

/** A helper that keeps its secrets in a folder, one file for each server, as the protocol demands. */
const helperScript = `#!/bin/sh
store="$(dirname "$0")/store"; mkdir -p "$store"
input="$(cat)"
name() { printf %s "$1" | tr '/:' '__'; }
case "$1" in
  get) file="$store/$(name "$input")"
    if [ -f "$file" ]; then cat "$file"; else echo "credentials not found in native keychain"; exit 1; fi ;;
  store) server="$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/')"
    printf %s "$input" > "$store/$(name "$server")" ;;
  erase) rm "$store/$(name "$input")" ;;
esac
`;

async function installHelper({ folder, write }: Home, name: string, script = helperScript): Promise<void> {
  await write(`bin/docker-credential-${name}`, script);
  await chmod(path.join(folder, `bin/docker-credential-${name}`), 0o755);
}

test("a login goes to the helper of the host, is found there, and is forgotten", async (t) => {
  await withHome(async (home) => {
    await installHelper(home, "one");
    await home.write(".docker/config.json", { credHelpers: { "x.io": "one" }, auths: { "x.io": {} }, other: 1 });
    const context = contextOf(home.env);
    t.is(await storeLogin(context, {}, "x.io", { username: "u", password: 'p"\\ä' }), "the credential helper one");
    t.false((await readFile(path.join(home.folder, ".docker/config.json"), "utf8")).includes('"p'));
    t.deepEqual(await home.find("x.io"), password("u", 'p"\\ä', "the helper docker-credential-one"));
    t.is(await home.find("y.io"), undefined);
    t.true((await eraseLogin(context, {}, "x.io")).includes("the credential helper one"));
    t.is(await home.find("x.io"), undefined);
  });
});

test("the general helper serves every host, and Docker Hub by its old name", async (t) => {
  await withHome(async (home) => {
    await installHelper(home, "all");
    await home.write(".docker/config.json", { credsStore: "all" });
    await storeLogin(contextOf(home.env), {}, "docker.io", { username: "u", password: "p" });
    t.deepEqual(await home.find("docker.io", "a/b"), password("u", "p", "the helper docker-credential-all"));
    t.true((await stat(path.join(home.folder, "bin/store/https___index.docker.io_v1_"))).isFile());
  });
});

test("a helper that has nothing leaves the word to the file; one that fails does not", async (t) => {
  await withHome(async (home) => {
    await installHelper(home, "one");
    await installHelper(home, "bad", "#!/bin/sh\necho the keychain is locked; exit 3\n");
    const config = (helper: string) => ({ credsStore: helper, auths: { "x.io": auth("a:b") } });
    await home.write(".docker/config.json", config("one"));
    t.deepEqual(await home.find("x.io"), password("a", "b", docker));
    await home.write(".docker/config.json", config("bad"));
    const error = await t.throwsAsync(home.find("x.io"), { instanceOf: SlimError });
    t.regex(error.toLine(), /docker-credential-bad: the credential helper failed .*the keychain is locked/);
    // A configuration from another machine: what is written in the file still counts, and it is said.
    await home.write(".docker/config.json", config("missing"));
    const context = contextOf(home.env);
    t.deepEqual(await findCredentials(context, {}, "x.io"), password("a", "b", docker));
    t.like(context.events[0], {
      message: "the configured credential helper docker-credential-missing is not installed",
    });
    const storing = storeLogin(context, {}, "x.io", { username: "u", password: "p" });
    t.regex((await t.throwsAsync(storing))?.message ?? "", /not installed/);
  });
});

test("a helper's name cannot be a path or a command", async (t) => {
  await withHome(async ({ write, find }) => {
    await write(".docker/config.json", { credsStore: "../../bin/sh -c", auths: { "x.io": auth("a:b") } });
    t.deepEqual(await find("x.io"), password("a", "b", docker));
  });
});

test("without a helper a login is written for its owner only, through links, and keeps what was there", async (t) => {
  await withHome(async ({ folder, env, write, find }) => {
    const context = contextOf(env);
    t.is(await storeLogin(context, {}, "x.io", { username: "u", password: "p:q" }), docker);
    const file = path.join(folder, ".docker/config.json");
    t.is((await stat(file)).mode & 0o777, 0o600);
    t.deepEqual(await find("x.io"), password("u", "p:q", docker));
    await write("real/config.json", {
      auths: { "https://x.io/v1/": auth("old:1"), "y.io": auth("y:1") },
      psFormat: "x",
    });
    await rm(file);
    await symlink(path.join(folder, "real/config.json"), file);
    await storeLogin(context, {}, "x.io", { username: "new", password: "2" });
    const written = JSON.parse(await readFile(path.join(folder, "real/config.json"), "utf8"));
    t.deepEqual(written, { auths: { "y.io": auth("y:1"), "x.io": auth("new:2") }, psFormat: "x" });
    t.is((await stat(path.join(folder, "real/config.json"))).mode & 0o777, 0o600);
    t.deepEqual(await eraseLogin(context, {}, "x.io"), [docker]);
    t.is(await find("x.io"), undefined);
    t.deepEqual(await eraseLogin(context, {}, "x.io"), []);
  });
});
