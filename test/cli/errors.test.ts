import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Cache } from "../../src/layer/cache.ts";
import { closedNetwork } from "../support/closed-network.ts";
import { DebianArchive } from "../support/debian-archive.ts";
import { esbuildBinary } from "../support/esbuild-binary.ts";
import { copyCache, listing, lockedProject, workFolder, writeProject } from "../support/project.ts";
import { checkout, type SlimOptions, slim, slimBuild } from "../support/slim.ts";
import { TamperingMirror } from "../support/tampering-mirror.ts";

const run = promisify(execFile);
const work = workFolder(test);
const root = process.getuid?.() === 0 && process.platform === "linux" ? test.serial : test.skip;
let mirror: TamperingMirror;
let count = 0;

test.before(async () => {
  mirror = await TamperingMirror.start();
});
test.after.always(() => mirror.stop());

interface Failing extends SlimOptions {
  /** The project's folder. */
  readonly cwd: string;
  readonly output?: string;
}

/** A build that must fail: one line of this form, and nothing left or changed. */
async function fails(t: ExecutionContext, args: readonly string[], line: RegExp, options: Failing): Promise<void> {
  count += 1;
  const out = path.join(work, `out-${count}`);
  const before = await listing(options.cwd);
  const lock = await readFile(path.join(options.cwd, "slim.lock"), "utf8").catch(() => undefined);
  const { code, stdout, stderr } = await slim(
    ["build", ...args, "-o", options.output ?? path.join(out, "image.tar")],
    options,
  );
  t.is(code, 1, stderr);
  t.is(stdout, "");
  t.regex(stderr, line);
  t.is(stderr.trimEnd().split("\n").length, 1, stderr);
  t.deepEqual(await listing(out).catch(() => []), []);
  t.deepEqual(await listing(options.cwd), before);
  t.is(await readFile(path.join(options.cwd, "slim.lock"), "utf8").catch(() => undefined), lock);
}

async function app(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<{ cwd: string }> {
  return { cwd: await lockedProject(path.join(work, t.title.replaceAll(/\W+/g, "-")), files) };
}

test("no such path", async (t) => {
  await fails(t, ["./nowhere"], /^error: \S+\/nowhere: no such file or folder \(.+\)\n$/, await app(t, {}));
});

test("packages in Yarn's archives", async (t) => {
  const { cwd } = await app(t, {
    "package.json": '{ "name": "pnp", "workspaces": ["apps/*"] }',
    ".pnp.cjs": "",
    "apps/one/package.json": '{ "name": "one", "dependencies": { "express": "5" } }',
    "apps/one/index.js": 'require("express")',
  });
  const line =
    /^error: \S+\/\.pnp\.cjs: packages are installed by Yarn Plug'n'Play, .+ \(set "nodeLinker: node-modules" .+\)\n$/;
  await fails(t, ["apps/one"], line, { cwd });
});

test("not a project", async (t) => {
  const { cwd } = await app(t, { "sub/readme.txt": "x" });
  await fails(t, ["sub"], /^error: \S+\/sub: is not a project: it has no package\.json \(.+\)\n$/, { cwd });
  await fails(t, ["sub/readme.txt"], /^error: \S+readme\.txt: is not something slim can build \(.+\)\n$/, { cwd });
});

test("a package.json that is not JSON", async (t) => {
  await fails(t, [], /^error: \S+\/package\.json: is not valid JSON: .+\n$/, await app(t, { "package.json": "{" }));
});

test("a project without an entry", async (t) => {
  await fails(
    t,
    [],
    /^error: \S+\/package\.json: does not say which file starts the app \(.*--entry FILE\)\n$/,
    await app(t, {}),
  );
});

test("a syntax error names file, line and column", async (t) => {
  const files = { "index.js": 'require("./lib/bad");', "lib/bad.js": "let a = 1;\nlet b = = 2;\n" };
  await fails(t, [], /^error: \S*lib\/bad\.js:2:9: .+\n$/, await app(t, files));
});

test("an import that does not resolve names the place", async (t) => {
  const project = await app(t, { "index.js": '\nrequire("./missing");', "main.mjs": 'import "not-installed";' });
  await fails(t, [], /^error: \S*index\.js:2:\d+: cannot find "\.\/missing".*\n$/, project);
  await fails(
    t,
    ["--entry", "main.mjs"],
    /^error: \S*main\.mjs:1:\d+: cannot find "not-installed".*install.*\n$/,
    project,
  );
});

test("an import in another case than the file's name says so", async (t) => {
  const files = { "index.js": 'require("./lib/Helper");', "lib/helper.js": "" };
  await fails(t, [], /^error: \S*index\.js:1:\d+: .*only in case.*helper\.js.*Linux.*\n$/, await app(t, files));
});

test("a truncated ELF file", async (t) => {
  const { file } = await esbuildBinary("x64");
  const project = await app(t, {});
  const bytes = await readFile(file);
  for (const length of [5, 40, 64, 200, 5000, bytes.length - 5_000_000]) {
    await writeFile(path.join(project.cwd, "tool"), bytes.subarray(0, length));
    await fails(t, ["tool"], /^error: \S+\/tool: .+\n$/, project);
  }
});

test("a library is not a program", async (t) => {
  await fails(t, ["/lib/x86_64-linux-gnu/libm.so.6"], /^error: \S+libm.so.6: is not a program .+\n$/, await app(t, {}));
});

test("an unknown platform, and one that Node.js is not made for", async (t) => {
  const project = await app(t, { "index.js": "" });
  await fails(t, ["--platform", "linux/vax"], /^error: unknown platform "linux\/vax" \(.*amd64.*\)\n$/, project);
  await fails(t, ["--platform", "windows/amd64"], /^error: unknown platform .+\n$/, project);
  await fails(t, ["--platform", "linux/riscv64"], /^error: .*linux\/riscv64.*\n$/, project);
  const old =
    /^error: npm: no Node\.js 99\.x is published for linux\/s390x \(the newest is \d+\.\d+\.\d+; .*--node\)\n$/;
  await fails(t, ["--platform", "linux/s390x", "--node", "99"], old, project);
});

test("a program for another platform than the one asked for", async (t) => {
  const { file } = await esbuildBinary("arm64");
  const line = /^error: \S+esbuild: is for linux\/arm64, not linux\/amd64\n$/;
  await fails(t, [file, "--platform", "linux/amd64"], line, await app(t, {}));
});

test("options that mean nothing", async (t) => {
  const project = await app(t, { "index.js": "" });
  const cases: [string[], RegExp][] = [
    [["--env", "NOVALUE"], /--env: "NOVALUE" is not NAME=VALUE/],
    [["--user", "somebody"], /--user: "somebody" is not an account/],
    [["--workdir", "relative"], /--workdir: "relative" is not absolute/],
    [["--expose", "99999"], /--expose: "99999" is not a port/],
    [["-t", "Upper/Case"], /upper-case/],
    [["--node", "nothing"], /--node: "nothing" is neither a version nor a file/],
    [["--node", "/etc/passwd"], /\/etc\/passwd: .*/],
    [["--compression-level", "11"], /--compression-level: 11 is not a level of gzip/],
    [["--entry", "other.js"], /other\.js: --entry names a file that does not exist/],
    [["--entry", "../outside.js"], /--entry lies outside the project/],
    [["--bare"], /--bare: a Node\.js app cannot be bare/],
    [["--config", "missing.json"], /missing\.json: no such configuration file/],
  ];
  for (const [args, line] of cases) await fails(t, args, line, project);
});

test("a configuration with an option that slim does not know", async (t) => {
  const files = { "index.js": "", "slim.config.json": '{"platfrom": "linux/arm64"}' };
  await fails(
    t,
    [],
    /^error: \S+slim\.config\.json: unknown option "platfrom" \(known are .+\)\n$/,
    await app(t, files),
  );
});

test("two configurations, and an option of another kind", async (t) => {
  const files = { "index.js": "", "slim.config.json": '{"env": {"A": 1}}' };
  const { cwd } = await app(t, files);
  await fails(t, [], /^error: \S+slim\.config\.json: option "env" is not a record of strings\n$/, { cwd });
  await writeFile(path.join(cwd, "slim.config.mjs"), "export default {}");
  await fails(t, [], /^error: \S+slim\.config\.mjs: there is another configuration: \S+json \(keep .+\)\n$/, { cwd });
});

test("a lock that is damaged", async (t) => {
  const cwd = await writeProject(path.join(work, "damaged-lock"), { "index.js": "", "slim.lock": "{" });
  await fails(t, [], /^error: \S+slim\.lock: is not JSON \(.+\)\n$/, { cwd });
  await writeFile(path.join(cwd, "slim.lock"), "{\n<<<<<<< ours\n=======\n>>>>>>> theirs\n}\n");
  await fails(t, [], /^error: \S+slim\.lock: has conflicts of a merge \(.+\)\n$/, { cwd });
});

root("a lock that cannot be written, before anything else is", async (t) => {
  const { file } = await esbuildBinary("arm64");
  const cwd = path.join(work, "read-only-project");
  await mkdir(cwd);
  await run("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", cwd]);
  try {
    const line = /^error: \S+slim\.lock: cannot write: read-only file system \(run slim lock .+\)\n$/;
    await fails(t, [file], line, { cwd });
    // What locks nothing needs no lock.
    const alone = await slim(["build", file, "--bare", "-o", path.join(work, "alone.tar")], { cwd });
    t.is(alone.code, 0, alone.stderr);
  } finally {
    await run("umount", [cwd]);
  }
});

root("an output folder that cannot be written", async (t) => {
  const folder = path.join(work, "read-only");
  await mkdir(folder);
  const project = await app(t, { "index.js": "" });
  await run("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", folder]);
  try {
    const line = /^error: \S+image\.tar: cannot write: read-only file system\n$/;
    await fails(t, [], line, { ...project, output: path.join(folder, "image.tar") });
    const output = path.join(folder, "layout");
    await fails(t, ["--format", "oci-layout"], /^error: \S+layout: cannot write: read-only file system\n$/, {
      ...project,
      output,
    });
  } finally {
    await run("umount", [folder]);
  }
});

test("an output folder that is not a folder, or holds something else", async (t) => {
  const project = await app(t, { "index.js": "", "full/keep.txt": "" });
  const output = path.join(project.cwd, "index.js/image.tar");
  await fails(t, [], /^error: \S+image\.tar: cannot write: .+\n$/, { ...project, output });
  const full = path.join(project.cwd, "full");
  await fails(t, ["--format", "oci-layout"], /^error: \S+full: .+other files.+\n$/, { ...project, output: full });
  await fails(t, [], /^error: \S+full: cannot write: .+\n$/, { ...project, output: full });
});

root("a cache that may only be read gives what it has", async (t) => {
  const { file } = await esbuildBinary("x64");
  const cache = path.join(work, "read-only-cache");
  const project = { ...(await app(t, {})), env: { SLIM_CACHE_DIR: cache } };
  const { digest } = await slimBuild([file, "--bare"], project);
  await run("mount", ["--bind", cache, cache]);
  try {
    await run("mount", ["-o", "remount,bind,ro", cache]);
    t.is((await slimBuild([file, "--bare"], project)).digest, digest);
    const line = /^error: \S+read-only-cache: cannot write the cache: read-only file system \(SLIM_CACHE_DIR .+\)\n$/;
    await fails(t, [file, "--bare", "--compression-level", "1"], line, project);
  } finally {
    await run("umount", [cache]);
  }
});

root("a full disk, under the output and under the cache", async (t) => {
  const { file } = await esbuildBinary("x64");
  const folder = path.join(work, "small");
  await mkdir(folder);
  const project = await app(t, {});
  await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
  try {
    const full = /^error: \S+: cannot write.*: no space left on the device \(free some space and run again\)\n$/;
    await fails(t, [file, "--bare"], full, { ...project, output: path.join(folder, "image.tar") });
    t.deepEqual(await listing(folder), []);
    const env = { SLIM_CACHE_DIR: path.join(folder, "cache") };
    await fails(t, [file, "--bare"], full, { ...project, env });
    t.deepEqual(
      (await listing(folder)).filter((name) => name.endsWith(".tmp")),
      [],
    );
  } finally {
    await run("umount", [folder]);
  }
});

test("a damaged cache entry is found and made again", async (t) => {
  const project = await app(t, { "index.js": "console.log(1)" });
  const before = await slimBuild([], project);
  const cache = await copyCache(path.join(work, "damaged"));
  const env = { SLIM_CACHE_DIR: cache };
  for (const name of ["os", "app"]) {
    const digest = before.platforms[0]?.layers.find((layer) => layer.name === name)?.digest ?? "";
    const blob = path.join(cache, "blobs", digest.replace(":", "/"));
    const bytes = await readFile(blob);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    // A new file: the old one is the shared cache's as well.
    await rm(blob);
    await writeFile(blob, bytes);
    const after = await slimBuild(["-o", path.join(work, "repaired.tar")], { ...project, env });
    t.is(after.digest, before.digest);
    t.false(after.platforms[0]?.layers.find((layer) => layer.name === name)?.cached, `${name} was made again`);
    t.true((await slimBuild([], { ...project, env })).platforms[0]?.layers.every(({ cached }) => cached));
  }
});

test("an index that Debian did not sign", async (t) => {
  const archive = await DebianArchive.start();
  try {
    const { file } = await esbuildBinary("x64");
    const cwd = await writeProject(path.join(work, "foreign"), {});
    const env = { SLIM_DEBIAN_MIRROR: archive.url, SLIM_CACHE_DIR: path.join(work, "foreign-cache") };
    await fails(t, [file], /^error: http:\S+InRelease: .*(?:sign|key).*\n$/i, { cwd, env });
  } finally {
    await archive.stop();
  }
});

test.serial("an index that was changed on the way, or has no signature", async (t) => {
  const { file } = await esbuildBinary("x64");
  const cwd = await writeProject(path.join(work, "tampered"), {});
  const env = { ...mirror.env, SLIM_CACHE_DIR: path.join(work, "tampered-cache") };
  const damaged = { ...env, SLIM_CACHE_DIR: path.join(work, "damaged-index-cache") };
  const change = (pattern: RegExp, edit: (bytes: Buffer) => Buffer) => {
    mirror.tamper = (name, bytes) => (pattern.test(name) ? edit(bytes) : bytes);
  };
  const replace = (from: RegExp, to: string) => (bytes: Buffer) =>
    Buffer.from(bytes.toString("latin1").replace(from, to), "latin1");
  change(/\/trixie\/InRelease$/, replace(/^Label: .*/m, "Label: Other"));
  await fails(t, [file], /^error: http:\S+\/trixie\/InRelease: .*sign.*\n$/i, { cwd, env });
  change(/\/trixie\/InRelease$/, replace(/-----BEGIN PGP SIGNATURE-----[\s\S]*/, ""));
  await fails(t, [file], /^error: http:\S+\/trixie\/InRelease: .*sign.*\n$/i, { cwd, env });
  change(/\/trixie-security\/InRelease$/, (bytes) => bytes.subarray(0, bytes.length / 2));
  await fails(t, [file], /^error: http:\S+\/trixie-security\/InRelease: .*\n$/, { cwd, env });
  change(/trixie\/main\/binary-amd64\//, (bytes) => flipped(bytes, 1000));
  await fails(t, [file], /^error: http:\S+: has digest sha256:\w+, not sha256:\w+.*\n$/, { cwd, env: damaged });
});

test.serial("a Debian package whose hash differs", async (t) => {
  const { file } = await esbuildBinary("x64");
  const project = await app(t, {});
  const cache = path.join(work, "deb-cache");
  await mkdir(cache, { recursive: true });
  mirror.tamper = (name, bytes) => (name.endsWith(".deb") ? flipped(bytes, 100) : bytes);
  await fails(t, [file], /^error: http:\S+\.deb: has digest sha256:\w+, not sha256:\w+.*\n$/, {
    ...project,
    env: { ...mirror.env, SLIM_CACHE_DIR: cache },
  });
  t.deepEqual(
    (await listing(cache)).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("the network gone", async (t) => {
  const { file } = await esbuildBinary("x64");
  const project = await app(t, {});
  const env = { ...(await closedNetwork(work)), SLIM_CACHE_DIR: path.join(work, "no-cache") };
  await fails(
    t,
    [file],
    /^error: http:\/\/127\.0\.0\.1:\d+\/\S+: cannot be reached: ECONNREFUSED \(check the network.+\)\n$/,
    { ...project, env },
  );
});

test("wrong usage is exit code 2, with one line that names the help that helps", async (t) => {
  const wrong: [string[], RegExp][] = [
    [["build", "--colour"], /^slim: .*colour; see slim build --help\n$/],
    [["bulid"], /^slim: there is no command bulid, did you mean build\?; see slim --help\n$/],
    [[], /^slim: .+; see slim --help\n$/],
    [["build", "--format", "zip"], /^slim: .+; see slim build --help\n$/],
    [["inspect"], /^slim: .+; see slim inspect --help\n$/],
    [["build", "--", "app"], /^slim: only slim trace has something behind --; see slim build --help\n$/],
    [["build", "-o"], /^slim: .+ following: o; see slim build --help\n$/],
    [["build", "--cmd", "--env", "A=B"], /^slim: .+ following: cmd; see slim build --help\n$/],
  ];
  for (const [args, line] of wrong) {
    const { code, stdout, stderr } = await slim(args, { cwd: work });
    t.is(code, 2, `${args.join(" ")}: ${stderr}`);
    t.is(stdout, "");
    t.regex(stderr, line);
  }
});

test("a cache is not emptied by a mistake", async (t) => {
  const cache = path.join(work, "kept-cache");
  await new Cache(cache).put("kind", "key", 1);
  for (const days of [["x"], ["--days=-1"], ["1", "--days", "2"]]) {
    const args = days[0]?.startsWith("--") ? days : ["--days", ...days];
    const { code, stderr } = await slim(["cache", "prune", ...args], { env: { SLIM_CACHE_DIR: cache } });
    t.is(code, 1);
    t.is(stderr, "error: --days: is not a number of days (0 removes everything)\n");
  }
  t.is((await listing(cache)).filter((name) => name.endsWith(".json")).length, 1);
});

root("output that cannot be written is an error, but for a reader that has gone", async (t) => {
  const cli = `${process.execPath} ${path.join(checkout, "dist/cli.js")} init --help`;
  const full = await run("sh", ["-c", `${cli} > /dev/full; echo $?`]);
  t.is(full.stdout, "1\n");
  t.regex(full.stderr, /^error: stdout: cannot write: no space left on the device .+\n$/);
  t.is((await run("sh", ["-c", `${cli} | true`])).stderr, "");
});

test("a stack trace is shown with --verbose alone", async (t) => {
  const quiet = await slim(["build", "./nowhere"], { cwd: work });
  const verbose = await slim(["build", "./nowhere", "--verbose"], { cwd: work });
  t.notRegex(quiet.stderr, /\n\s+at /);
  t.regex(verbose.stderr, /\n\s+at /);
});

function flipped(bytes: Buffer, at: number): Buffer {
  return Buffer.from(bytes.map((byte, index) => (index === at ? byte ^ 1 : byte)));
}
