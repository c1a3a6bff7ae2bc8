import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { build } from "../../src/build.ts";
import { withFolder } from "../support/image-run.ts";
import { cacheDir, canRun, imageOf, runHere } from "../support/program-image.ts";
import { failsWith } from "../support/slim-error.ts";
import { hasTool } from "../support/tools.ts";

/** A program of Debian, run from an image of it alone. */
interface Case {
  readonly packages: readonly string[];
  readonly entry: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** The same program of this machine, whose answer must be equal; its version may differ. */
  readonly here?: string;
  /** Or what it prints, where `VERSION` is that of the first package. */
  readonly prints?: RegExp;
  /** Of the compressed layers, at most. */
  readonly size?: number;
}

const pythonScript =
  "import ssl, sqlite3, hashlib, json; print(json.dumps([sqlite3.connect(':memory:').execute('select 6*7').fetchone(), hashlib.sha256(b'x').hexdigest(), ssl.OPENSSL_VERSION.split()[0]]))";
const json = '{"b": [1, 2, {"c": "\\u00e4"}], "a": null}';

const cases: readonly Case[] = [
  // libc and libm alone are 1.4 MB.
  { packages: ["jq"], entry: "/usr/bin/jq", args: ["-S", ".b[2].c, .a"], stdin: json, here: "jq", size: 2.1e6 },
  {
    packages: ["tini"],
    entry: "/usr/bin/tini",
    args: ["--", "/usr/bin/tini", "--version"],
    prints: /^tini version VERSION/,
  },
  {
    packages: ["sqlite3"],
    entry: "/usr/bin/sqlite3",
    args: [":memory:", "select 6*7, hex('a'), sqrt(2)"],
    here: "sqlite3",
  },
  { packages: ["busybox"], entry: "/usr/bin/busybox", args: ["sha256sum"], stdin: "some text\n", here: "busybox" },
  { packages: ["git"], entry: "/usr/bin/git", args: ["hash-object", "--stdin"], stdin: "some text\n", here: "git" },
  // Programs that the package has twice are hard links.
  {
    packages: ["git"],
    entry: "/usr/bin/git",
    args: ["--version"],
    prints: /^git version VERSION\n$/,
    size: 23e6,
  },
  // The program and its modules are in packages that this one depends on.
  { packages: ["python3"], entry: "/usr/bin/python3", args: ["-c", pythonScript], here: "python3" },
  {
    packages: ["php-cli"],
    entry: "/usr/bin/php",
    args: ["-r", "echo json_encode([1, md5('x')]), ' ', php_ini_loaded_file();"],
    prints: /^\[1,"9dd4e461268c8034f5c8564e155c67a6"\] \/etc\/php\/8.4\/cli\/php.ini$/,
  },
  { packages: ["gawk"], entry: "/usr/bin/awk", args: ['BEGIN { print length("\u00e4"), 6 * 7 }'], prints: /^2 42\n$/ },
  { packages: ["memcached"], entry: "/usr/bin/memcached", args: ["--version"], prints: /^memcached VERSION\n$/ },
  {
    // Links lead to links of another package.
    packages: ["binutils"],
    entry: "/usr/bin/ld",
    args: ["--version"],
    prints: /^GNU ld \(GNU Binutils for Debian\) VERSION\n/,
  },
  // It wants the locale that every Debian has.
  { packages: ["tmux"], entry: "/usr/bin/tmux", args: ["-V"], prints: /^tmux / },
  {
    // A script, with modules.
    packages: ["moreutils"],
    entry: "/usr/bin/ts",
    args: ["%Y -"],
    stdin: "text\n",
    prints: /^20\d\d - text\n$/,
  },
  {
    // A script of the shell, which calls others of every Debian.
    packages: ["groff-base"],
    entry: "/usr/bin/nroff",
    args: ["-man"],
    stdin: ".TH a 1\n.SH NAME\nsome text\n",
    prints: /NAME.*\n +some text\n/,
  },
  {
    packages: ["perl-base"],
    entry: "/usr/bin/perl",
    args: ["-MPOSIX", "-ne", "print floor(length($_) / 2), lc"],
    stdin: "Some TEXT\n",
    here: "perl",
  },
  {
    packages: ["lua5.4"],
    entry: "/usr/bin/lua5.4",
    args: ["-e", "print(#'text', 7 // 2, string.rep('x', 3))"],
    here: "lua5.4",
  },
  {
    packages: ["bash"],
    entry: "/usr/bin/bash",
    args: ["--norc", "-c", "for i in {1..3}; do printf '%s,' $((i * i)); done; exit 7"],
    here: "bash",
  },
  { packages: ["dash"], entry: "/bin/sh", args: ["-c", 'echo "$((6 * 7))"; exit 3'], here: "dash" },
  {
    packages: ["mawk"],
    entry: "/usr/bin/mawk",
    args: ["{ s += $1 } END { print s, NR }"],
    stdin: "1\n2\n3\n",
    here: "mawk",
  },
  { packages: ["sed"], entry: "/usr/bin/sed", args: ["-E", "s/(.)(.)/\\2\\1/g"], stdin: "abcd\n", here: "sed" },
  { packages: ["grep"], entry: "/usr/bin/grep", args: ["-Po", "(?<=a)b+"], stdin: "abbb\nxb\n", here: "grep" },
  { packages: ["xz-utils"], entry: "/usr/bin/xz", args: ["--robot", "--version"], prints: /LIBLZMA_V?[A-Z]+=5/ },
  { packages: ["openssl"], entry: "/usr/bin/openssl", args: ["dgst", "-sha3-256"], stdin: "x", here: "openssl" },
  { packages: ["bc"], entry: "/usr/bin/bc", args: ["-l"], stdin: "scale = 20; 4 * a(1)\n", here: "bc" },
  {
    // The library names the folder of what is in another package.
    packages: ["file"],
    entry: "/usr/bin/file",
    args: ["-b", "--mime-type", "-"],
    stdin: "#!/bin/sh\necho\n",
    here: "file",
  },
  { packages: ["ffmpeg"], entry: "/usr/bin/ffmpeg", args: ["-version"], prints: /^ffmpeg version VERSION/ },
  {
    // Its formats are files beside a library, which names their folder.
    packages: ["imagemagick-7.q16"],
    entry: "/usr/bin/magick-im7.q16",
    args: ["-size", "1x1", "xc:red", "pgm:-"],
    prints: /^P5\n1 1\n65535\n/,
  },
  { packages: ["haproxy"], entry: "/usr/sbin/haproxy", args: ["-v"], prints: /^HAProxy version VERSION/ },
  {
    packages: ["postgresql-17"],
    entry: "/usr/lib/postgresql/17/bin/postgres",
    args: ["--version"],
    prints: /^postgres \(PostgreSQL\) 17\.[0-9]+ \(Debian VERSION\)\n$/,
  },
];

for (const { packages, entry, args, stdin = "", here, prints, size } of cases) {
  const [name = ""] = packages;
  test.serial(`${name}: ${args.join(" ").slice(0, 40)}`, async (t) => {
    if (!canRun(t) || (here !== undefined && !hasTool(t, here))) return;
    t.timeout(300_000);
    const { result, container } = await imageOf(t, { packages, entry });
    const ran = await container.run({ args, stdin });
    const [closure] = result.closures;
    const component = [...(closure?.components.values() ?? [])].find((one) => one.name === name);
    if (here !== undefined) {
      const outside = runHere(here, { args, stdin });
      t.truthy(outside.stdout);
      t.deepEqual(ran, outside);
    } else {
      const version = (component?.version ?? "").replace(/^\d+:/, "");
      const upstream = name === "ffmpeg" || name === "postgresql-17" ? version : version.replace(/[-+].*$/, "");
      const pattern = new RegExp((prints?.source ?? "").replaceAll("VERSION", upstream.replace(/[.+]/g, "\\$&")));
      t.is(ran.code, 0, ran.stderr);
      t.regex(ran.stdout, pattern);
    }
    const packed = result.platforms[0]?.size ?? 0;
    if (size !== undefined) t.true(packed <= size, `${packed} bytes`);
    t.log(`${closure?.entries.size} paths, ${packed} bytes`);
    // What scanners look for.
    t.true(closure?.entries.has(`/var/lib/dpkg/status.d/${name}`));
    t.true(closure?.entries.has(`/usr/share/doc/${name}/copyright`) || closure?.entries.has(`/usr/share/doc/${name}`));
  });
}

const dry = { dryRun: true, platform: "linux/amd64", cwd: tmpdir(), cacheDir } as const;

test.serial("a package that needs its installation script is refused, and says by what", async (t) => {
  const message = (name: string, entry = "/usr/bin/x") =>
    failsWith(t, "DEBIAN", () => build({ ...dry, packages: [name], entry }));
  t.regex(
    await message("locales"),
    /package locales needs its installation script, which slim does not run: it calls locale-gen, which makes locales/,
  );
  // Here a library of its own needs it.
  t.regex(await message("graphviz", "/usr/bin/dot"), /package libgvc6 needs .* the list of plugins/);
  for (const name of ["ca-certificates", "less", "libc6", "man-db", "netbase", "tzdata"]) {
    // These do not hold the entry, but nothing else is wrong with them.
    await failsWith(t, "NOT_FOUND", () => build({ ...dry, packages: [name], entry: "/none" }));
  }
});

test.serial("what a package is run by or depends on, and is not there, is told", async (t) => {
  const told = async (packages: string[]) => {
    const { diagnostics } = await build({ ...dry, packages, entry: "/usr/bin/git" });
    return diagnostics.map(({ severity, message, hint }) => `${severity}: ${message} (${hint})`).join("\n");
  };
  const alone = await told(["git"]);
  t.regex(
    alone,
    /warning: \/usr\/lib\/git-core\/\S+ and \d+ more of git are run by \/bin\/sh, which is not in the image \(--package dash adds it\)/,
  );
  t.regex(alone, /warning: .* run by \/usr\/bin\/perl, .*perl-base/);
  t.regex(alone, /info: package git depends on git-man, liberror-perl, perl,/);
  t.is(alone.match(/converts text/g)?.length, 1);
  t.notRegex(await told(["dash", "git"]), /\/bin\/sh/);
});

test.serial("what a script of a package would do is told, and what its libraries lack", async (t) => {
  const told = async (name: string, entry: string) => {
    const { diagnostics } = await build({ ...dry, packages: [name], entry });
    return diagnostics.map(({ code, severity, message }) => `${severity} ${code}: ${message}`).join("\n");
  };
  t.regex(await told("haproxy", "/usr/sbin/haproxy"), /info package-account: package haproxy .*\(adduser\)/);
  const gs = await told("ghostscript", "/usr/bin/gs");
  t.regex(gs, /warning package-script: package ghostscript calls update-gsfontmap/);
  // Data that its library depends on comes along.
  t.notRegex(gs, /package libgs10 depends/);
  t.notRegex(gs, /package libc6 depends/);
});

test.serial("without an entry it is the program that has the package's name, in a dependency too", async (t) => {
  await withFolder(async (cwd) => {
    for (const [name, entry] of [
      ["jq", "/usr/bin/jq"],
      ["nginx", "/usr/sbin/nginx"],
      ["python3", "/usr/bin/python3"],
    ] as const) {
      const { closures } = await build({ ...dry, cwd, packages: [name] });
      t.true(closures[0]?.entries.has(entry));
    }
    const none = await failsWith(t, "NOT_FOUND", () => build({ ...dry, cwd, packages: ["poppler-utils"] }));
    t.regex(none, /poppler-utils: is no program of the packages \(--entry names one: there are \/usr\/bin\/pdf/);
    const other = build({ ...dry, cwd, packages: ["poppler-utils"], entry: "pdftotext" });
    t.true((await other).closures[0]?.entries.has("/usr/bin/pdftotext"));
  });
});

test.serial("a virtual package is none", async (t) => {
  const unknown = await failsWith(t, "NOT_FOUND", () => build({ ...dry, packages: ["awk"], entry: "/usr/bin/awk" }));
  t.regex(unknown, /has no package awk for amd64 \(.*virtual/);
});

test.serial("of two packages with an alternative, the one of higher priority has it", async (t) => {
  const target = async (packages: string[]) => {
    const { closures } = await build({ ...dry, packages, entry: "/usr/bin/awk" });
    const entry = closures[0]?.entries.get("/etc/alternatives/awk")?.entry;
    return entry?.type === "symlink" ? entry.target : undefined;
  };
  t.is(await target(["mawk", "gawk"]), "/usr/bin/gawk");
  t.is(await target(["gawk", "mawk"]), "/usr/bin/gawk");
});

test.serial("what was looked for and taken of dependencies is in the lock", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-lock-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const call = {
    platform: "linux/amd64",
    cwd: folder,
    cacheDir,
    packages: ["erlang-base"],
    entry: "/usr/bin/erl",
  } as const;
  const first = await build({ ...call, output: path.join(folder, "a.tar") });
  const second = await build({ ...call, frozen: true, output: path.join(folder, "b.tar") });
  t.is(second.digest, first.digest);
});

test.serial("other encodings come with libc6", async (t) => {
  if (!canRun(t) || !hasTool(t, "iconv")) return;
  const { container, result } = await imageOf(t, { packages: ["libc-bin", "libc6"], entry: "/usr/bin/iconv" });
  t.notRegex(JSON.stringify(result.diagnostics), /encodings/);
  const ran = await container.run({ args: ["-f", "UTF-8", "-t", "SHIFT_JIS"], stdin: "テスト" });
  t.deepEqual(ran, runHere("iconv", { args: ["-f", "UTF-8", "-t", "SHIFT_JIS"], stdin: "テスト" }));
});

test.serial("packages stand on Debian's libraries alone, and their names are checked", async (t) => {
  const refused = (call: object) =>
    failsWith(t, "CONFIG", () => build({ ...dry, packages: ["jq"], entry: "/usr/bin/jq", ...call }));
  t.regex(await refused({ base: "host" }), /packages need Debian's libraries under them/);
  t.regex(await refused({ packages: ["../jq"] }), /"\.\.\/jq" is not the name of a Debian package/);
  t.regex(await refused({ base: "" }), /is empty \(an image, debian, host or scratch\)/);
  t.regex(await refused({ base: "Alpine" }), /Alpine/);
  const unknown = await failsWith(t, "NOT_FOUND", () => build({ ...dry, packages: ["no-such-package"], entry: "/x" }));
  t.regex(unknown, /Debian trixie has no package no-such-package for amd64/);
  const entry = await failsWith(t, "NOT_FOUND", () => build({ ...dry, packages: ["jq"], entry: "/usr/bin/yq" }));
  t.regex(entry, /is no program of the packages \(--entry names one: there are \/usr\/bin\/jq\)/);
});

test.serial("a Node.js app that starts a program is warned unless a package brings it", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "slim-starts-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, "package.json"), '{ "name": "starts", "main": "main.js" }');
  const main = 'console.log(require("node:child_process").execFileSync("jq", ["-n", "6 * 7"], { encoding: "utf8" }));';
  await writeFile(path.join(folder, "main.js"), main);
  const codes = async (packages: string[]) =>
    (await build({ ...dry, cwd: folder, path: folder, packages })).diagnostics.map(({ code }) => code);
  t.deepEqual(await codes([]), ["missing-program"]);
  t.deepEqual(await codes(["jq"]), []);
});
