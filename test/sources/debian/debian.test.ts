import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { Cache } from "../../../src/layer/cache.ts";
import { Debian, type DebianOptions } from "../../../src/sources/debian/debian.ts";
import type { DebianLock } from "../../../src/sources/debian/lock.ts";
import type { PackageFile } from "../../../src/sources/debian/package.ts";
import { DebianArchive, deb, type Package, sha256 } from "../../support/debian-archive.ts";
import { failsWith } from "../../support/slim-error.ts";

interface Scene {
  readonly archive: DebianArchive;
  readonly cache: Cache;
  debian(options?: Partial<DebianOptions>): Debian;
}

/** An archive and an empty cache of the test's own. */
async function scene(t: ExecutionContext, packages: readonly Package[] = []): Promise<Scene> {
  const archive = await DebianArchive.start();
  const folder = await mkdtemp(path.join(os.tmpdir(), "slim-debian-cache-"));
  t.teardown(async () => {
    await archive.stop();
    await rm(folder, { recursive: true });
  });
  await archive.publish({ packages });
  const cache = new Cache(folder);
  const context = { signal: new AbortController().signal, report: () => {}, env: {} };
  const common = { context, cache, mirror: archive.url, frozen: false, now: new Date("2026-06-02") };
  return { archive, cache, debian: (options) => new Debian({ ...common, keys: archive.key.armored, ...options }) };
}

/** The text of a file of a package. */
async function textOf(files: readonly PackageFile[], name: string): Promise<string | undefined> {
  const file = files.find((one) => one.path === name);
  if (file?.type !== "file") return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.content.open()) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return `sha256:${sha256(bytes)}` === file.content.digest && bytes.length === file.content.size
    ? String(bytes)
    : "wrong";
}

const hello: Package = {
  name: "hello",
  version: "1:2.0+b~1",
  members: [
    { name: "./usr/bin/hello", mode: 0o755, content: "hello" },
    { name: "./usr/share/empty", content: "" },
  ],
};

test("a package, described and with its files", async (t) => {
  const { debian } = await scene(t, [hello]);
  const found = await debian().package("amd64", "hello");
  t.like(found, { name: "hello", version: "1:2.0+b~1", architecture: "amd64", source: "hello-source" });
  t.is(found.purl, "pkg:deb/debian/hello@1:2.0%2Bb~1?arch=amd64&distro=debian-13");
  t.regex(found.control, /^Package: hello$/m);
  t.is(await textOf(found.files, "/usr/bin/hello"), "hello");
  t.is(await textOf(found.files, "/usr/share/empty"), "");
});

test("the highest version of all suites is taken, from its own archive", async (t) => {
  const { archive, debian } = await scene(t, [
    { name: "a", version: "1.9" },
    { name: "b", version: "2" },
  ]);
  await archive.publish({ name: "trixie-updates", packages: [{ name: "b", version: "2.1~" }] });
  const security = [
    { name: "a", version: "1.9" },
    { name: "a", version: "1.10" },
    { name: "b", version: "2+deb13u1" },
  ];
  await archive.publish({ archive: "debian-security", name: "trixie-security", packages: security });
  const used = debian();
  t.is((await used.package("amd64", "a")).version, "1.10");
  t.is((await used.package("amd64", "b")).version, "2.1~");
  t.like(used.lock?.packages.amd64, { a: { archive: "security", version: "1.10" }, b: { archive: "main" } });
  t.deepEqual(Object.keys(used.lock?.dates ?? {}), ["trixie", "trixie-security", "trixie-updates"]);
});

test("with the lock and a warm cache nothing is asked of the network", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const first = debian();
  await first.package("amd64", "hello");
  archive.requests.length = 0;
  const second = debian({ lock: roundTrip(first.lock), frozen: true, now: new Date("2040-01-01") });
  t.is(await textOf((await second.package("amd64", "hello")).files, "/usr/bin/hello"), "hello");
  t.deepEqual(archive.requests, []);
  t.deepEqual(second.lock, first.lock);
});

test("with the lock and a cold cache only the package is fetched, although the archive has moved on", async (t) => {
  const { archive, cache, debian } = await scene(t, [hello]);
  const first = debian();
  await first.package("amd64", "hello");
  await rm(cache.dir, { recursive: true });
  await archive.publish({ packages: [{ name: "hello", version: "1:3" }] });
  archive.requests.length = 0;
  const second = debian({ lock: roundTrip(first.lock), cache: new Cache(cache.dir) });
  t.is((await second.package("amd64", "hello")).version, hello.version);
  t.deepEqual(archive.requests, ["/debian/pool/main/hello_2.0+b~1.deb"]);
});

test("what is locked stays when something new needs the indices", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const first = debian();
  await first.package("amd64", "hello");
  await archive.publish({
    packages: [
      { name: "hello", version: "1:3" },
      { name: "new", version: "1" },
    ],
  });
  const second = debian({ lock: roundTrip(first.lock) });
  await second.package("amd64", "new");
  t.is((await second.package("amd64", "hello")).version, hello.version);
  t.deepEqual(Object.keys(second.lock?.packages.amd64 ?? {}), ["hello", "new"]);
});

test("frozen: what the lock does not have is an error that names it", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const frozen = debian({ frozen: true });
  archive.requests.length = 0;
  t.regex(
    await failsWith(t, "LOCK", () => frozen.package("amd64", "hello")),
    /package hello \(amd64\) is not in slim.lock/,
  );
  t.regex(await failsWith(t, "LOCK", () => frozen.libraryPackage("amd64", "libz.so.1")), /libz\.so\.1/);
  t.deepEqual(archive.requests, []);
});

test("nothing used, nothing locked", async (t) => {
  const { debian } = await scene(t);
  t.is(debian().lock, undefined);
  await failsWith(t, "NOT_FOUND", () => debian().package("amd64", "hello"));
  await failsWith(t, "NOT_FOUND", () => debian().package("amd64", "he\tllo"));
  await failsWith(t, "DEBIAN", () => debian().package("vax", "hello"));
});

test("calls for one package share the work", async (t) => {
  const { archive, debian } = await scene(t, [hello, { name: "other", version: "1" }]);
  const used = debian();
  await Promise.all(["hello", "hello", "other", "hello"].map((name) => used.package("amd64", name)));
  t.is(new Set(archive.requests).size, archive.requests.length);
});

test("a failure is not remembered", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const used = debian();
  const file = "/debian/pool/main/hello_2.0+b~1.deb";
  const bytes = archive.files.get(file) as Buffer;
  archive.files.delete(file);
  t.regex(
    await failsWith(t, "NOT_FOUND", () => used.package("amd64", "hello")),
    /slim lock --update.*SLIM_DEBIAN_MIRROR/,
  );
  archive.files.set(file, bytes);
  t.is((await used.package("amd64", "hello")).name, "hello");
});

test("a package that is not the one of the index is refused, and not kept", async (t) => {
  const { archive, cache, debian } = await scene(t, [hello]);
  const file = "/debian/pool/main/hello_2.0+b~1.deb";
  const bytes = archive.files.get(file) as Buffer;
  const forged = Buffer.from(bytes);
  forged[forged.length - 1] = 1;
  archive.files.set(file, forged);
  const line = await failsWith(t, "INTEGRITY", () => debian().package("amd64", "hello"));
  for (const part of ["pool/main/hello_2.0%2Bb~1.deb", sha256(forged), sha256(bytes)])
    t.true(line.includes(part), line);
  const kept = await readdir(path.join(cache.dir, "blobs/sha256"));
  t.false(kept.includes(sha256(forged)) || kept.includes(sha256(bytes)));
});

test("a package of another name or version than the index says is refused", async (t) => {
  const { debian } = await scene(t, [
    { name: "a", version: "1", deb: await deb({ name: "b", version: "1" }) },
    { name: "c", version: "2", deb: await deb({ name: "c", version: "1" }) },
  ]);
  t.regex(await failsWith(t, "DEBIAN", () => debian().package("amd64", "a")), /is b 1 \(amd64\), not a 1/);
  await failsWith(t, "DEBIAN", () => debian().package("amd64", "c"));
});

test("an index that a mirror has only by its name is taken from there, and checked", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const folder = "/debian/dists/trixie/main/binary-amd64/";
  const index = `${folder}Packages.gz`;
  const hashed = [...archive.files.keys()].filter((name) => name.startsWith(`${folder}by-hash/`));
  const bytes = archive.files.get(hashed.at(-1) ?? "") as Buffer;
  for (const name of hashed) archive.files.delete(name);
  archive.files.set(index, Buffer.from("forged"));
  await failsWith(t, "INTEGRITY", () => debian().package("amd64", "hello"));
  archive.files.set(index, bytes);
  t.is((await debian().package("amd64", "hello")).name, "hello");
});

test("an index that is not the one of the release is refused", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  for (const name of archive.files.keys()) {
    if (name.includes("dists/trixie/main/binary-amd64")) archive.files.set(name, Buffer.from("forged"));
  }
  t.regex(await failsWith(t, "INTEGRITY", () => debian().package("amd64", "hello")), /by-hash\/SHA256/);
  // Not there by hash, and by name that of yesterday: mirrors have that for architectures that few ask for.
  for (const name of archive.files.keys()) if (name.includes("binary-amd64/by-hash")) archive.files.delete(name);
  archive.files.set("/debian/dists/trixie/main/binary-amd64/Packages.gz", Buffer.from("yesterday"));
  const message = await failsWith(t, "INTEGRITY", () => debian().package("amd64", "hello"));
  t.regex(message, /Packages\.\S+: is not the index that InRelease names: .*out of step.*SLIM_DEBIAN_MIRROR/);
});

test("a release signed by somebody else, or changed, is refused", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  await failsWith(t, "INTEGRITY", () => debian({ keys: undefined }).package("amd64", "hello"));
  const file = "/debian/dists/trixie/InRelease";
  archive.files.set(file, Buffer.from(String(archive.files.get(file)).replace("Origin: Test", "Origin: Tset")));
  await failsWith(t, "INTEGRITY", () => debian().package("amd64", "hello"));
});

test("an archive that was rolled back or has expired is refused", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const lock: DebianLock = { suite: "trixie", dates: { "trixie-security": "2026-06-01T00:00:01Z" }, packages: {} };
  t.regex(await failsWith(t, "INTEGRITY", () => debian({ lock }).package("amd64", "hello")), /rolled back/);
  await archive.publish({ packages: [hello], validUntil: "Mon, 01 Jun 2026 12:00:00 UTC" });
  t.regex(await failsWith(t, "INTEGRITY", () => debian().package("amd64", "hello")), /expired/);
});

test("without a security archive nothing is used", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  archive.files.delete("/debian-security/dists/trixie-security/InRelease");
  t.regex(await failsWith(t, "NOT_FOUND", () => debian().package("amd64", "hello")), /debian-security/);
});

test("a lock cannot name a file outside the pool, nor bytes without a hash", async (t) => {
  const { debian } = await scene(t);
  const good = { version: "1", filename: "pool/x.deb", sha256: "a".repeat(64), size: 1, archive: "main" } as const;
  for (const bad of [{ filename: "pool/../../x.deb" }, { filename: "/etc/passwd" }, { sha256: "../x" }]) {
    const lock: DebianLock = { suite: "trixie", dates: {}, packages: { amd64: { x: { ...good, ...bad } } } };
    await failsWith(t, "LOCK", () => debian({ lock }).package("amd64", "x"));
  }
});

test("damaged files of the cache are made again, or fetched again", async (t) => {
  const { archive, cache, debian } = await scene(t, [hello]);
  const first = debian();
  await first.package("amd64", "hello");
  const folder = path.join(cache.dir, "blobs/sha256");
  const again = async () => {
    archive.requests.length = 0;
    const found = await debian({ lock: roundTrip(first.lock), cache: new Cache(cache.dir) }).package("amd64", "hello");
    t.is(await textOf(found.files, "/usr/bin/hello"), "hello");
    return archive.requests.length;
  };
  await writeFile(path.join(folder, sha256("hello")), "hullo");
  t.is(await again(), 0);
  for (const name of await readdir(folder)) await writeFile(path.join(folder, name), "damaged");
  t.is(await again(), 1);
  t.is(await readFile(path.join(folder, sha256("hello")), "utf8"), "hello");
});

test("a second process needs the indices but does not read them again", async (t) => {
  const { archive, cache, debian } = await scene(t, [hello]);
  await debian().package("amd64", "hello");
  archive.requests.length = 0;
  await debian({ cache: new Cache(cache.dir) }).package("amd64", "hello");
  t.true(
    archive.requests.every((name) => name.endsWith("InRelease")),
    archive.requests.join(" "),
  );
});

const triplet = "usr/lib/x86_64-linux-gnu";
const libraries: readonly Package[] = [
  { name: "libfoo6", version: "1", members: [{ name: "./usr/lib/foo/libfoo.so.6", content: "not here" }] },
  {
    name: "libfoo6t64",
    version: "1",
    members: [{ name: `./${triplet}/libfoo.so.6`, type: "symlink", linkname: "libfoo.so.6.1" }],
  },
  { name: "old1", version: "1", members: [{ name: `./${triplet}/other`, content: "x" }] },
  { name: "zlib1g", version: "1", members: [{ name: "./lib/x86_64-linux-gnu/libz.so.1", content: "z" }] },
];
const contents = `${triplet}/libz.so.1 libs/zlib1g,libs/old1
usr/lib/jvm/libz.so.1 java/jre
`;

test("a library is in the package that its name tells, if that has it", async (t) => {
  const { debian } = await scene(t, libraries);
  const used = debian();
  t.is(await used.libraryPackage("amd64", "libfoo.so.6"), "libfoo6t64");
  t.deepEqual(Object.keys(used.lock?.packages.amd64 ?? {}), ["libfoo6t64"]);
  t.is(used.lock?.libraries, undefined);
});

test("else in the one that Debian's list of files tells, and the lock remembers it", async (t) => {
  const { archive, debian } = await scene(t);
  await archive.publish({ packages: libraries, contents });
  const first = debian();
  t.is(await first.libraryPackage("amd64", "libz.so.1"), "zlib1g");
  t.is(await first.libraryPackage("amd64", "libnone.so.1"), undefined);
  t.deepEqual(first.lock?.libraries, { amd64: { "libnone.so.1": null, "libz.so.1": "zlib1g" } });
  t.deepEqual(Object.keys(first.lock?.packages.amd64 ?? {}), ["zlib1g"]);
  archive.requests.length = 0;
  const second = debian({ lock: roundTrip(first.lock), frozen: true });
  t.is(await second.libraryPackage("amd64", "libz.so.1"), "zlib1g");
  t.is(await second.libraryPackage("amd64", "libnone.so.1"), undefined);
  t.deepEqual(archive.requests, []);
});

test("frozen: a library in a locked package is found without any index", async (t) => {
  const { archive, debian } = await scene(t, libraries);
  const first = debian();
  await first.libraryPackage("amd64", "libfoo.so.6");
  archive.requests.length = 0;
  const second = debian({ lock: roundTrip(first.lock), frozen: true });
  t.is(await second.libraryPackage("amd64", "libfoo.so.6"), "libfoo6t64");
  t.deepEqual(archive.requests, []);
});

test("a connection that breaks is tried again", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const files = [...archive.files.keys()].filter((name) => /InRelease|Packages|by-hash|pool/.test(name));
  for (const name of files) archive.breaks.add(name);
  t.is(await textOf((await debian().package("amd64", "hello")).files, "/usr/bin/hello"), "hello");
  t.false(archive.breaks.has("/debian/pool/main/hello_2.0+b~1.deb"));
});

test("stops when it is told to", async (t) => {
  const { debian } = await scene(t, [hello]);
  const context = { signal: AbortSignal.abort(), report: () => {}, env: {} };
  await failsWith(t, "ABORTED", () => debian({ context }).package("amd64", "hello"));
});

test("no network is an error that says so", async (t) => {
  const { archive, debian } = await scene(t, [hello]);
  const used = debian();
  await archive.stop();
  t.regex(await failsWith(t, "NETWORK", () => used.package("amd64", "hello")), /cannot be reached: ECONNREFUSED/);
});

/** As it comes back from slim.lock. */
function roundTrip(lock: DebianLock | undefined): DebianLock {
  return JSON.parse(JSON.stringify(lock)) as DebianLock;
}
