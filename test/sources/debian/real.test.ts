import { execFile } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import test from "ava";
import { Cache } from "../../../src/layer/cache.ts";
import { type PackedFile, unpackDeb } from "../../../src/sources/debian/deb.ts";
import { Debian } from "../../../src/sources/debian/debian.ts";
import { packagesReader, provides } from "../../../src/sources/debian/indices.ts";
import { stanza } from "../../../src/sources/debian/package.ts";
import { mergedPath } from "../../../src/sources/debian/paths.ts";
import { loadTable } from "../../../src/sources/debian/table.ts";
import { sha256 } from "../../support/debian-archive.ts";
import { debianMirror } from "../../support/debian-mirror.ts";
import { failsWith } from "../../support/slim-error.ts";

/** Debian's own bytes and signatures, against Debian's own tools. */
const names = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "libssl3t64", "libstdc++6", "zlib1g"];
const mirror = await debianMirror(names);
const real = mirror === undefined ? test.skip : test.serial;
const run = promisify(execFile);
const dpkg = (await run("dpkg-deb", ["--version"]).catch(() => undefined)) === undefined ? test.skip : test.serial;
const folder = await mkdtemp(path.join(os.tmpdir(), "slim-real-"));
const cache = new Cache(path.join(folder, "cache"));

test.after.always(async () => {
  await mirror?.remove();
  await rm(folder, { recursive: true });
});

function debian(): Debian {
  const context = { signal: new AbortController().signal, report: () => {}, env: {} };
  return new Debian({ context, cache, mirror: mirror?.url, frozen: false, now: new Date() });
}

real("Debian's archive is verified with the keys that ship", async (t) => {
  const used = debian();
  const packages = await Promise.all(names.map((name) => used.package("amd64", name)));
  t.deepEqual(
    packages.map(({ name }) => name),
    names,
  );
  t.deepEqual(Object.keys(used.lock?.packages.amd64 ?? {}), names);
  t.deepEqual(Object.keys(used.lock?.dates ?? {}), ["trixie", "trixie-security", "trixie-updates"]);
});

real("every file is as dpkg-deb unpacks it", async (t) => {
  const used = debian();
  for (const name of names) {
    const found = await used.package("amd64", name);
    const entry = used.lock?.packages.amd64?.[name];
    const deb = path.join(
      mirror?.folder ?? "",
      entry?.archive === "security" ? "debian-security" : "debian",
      entry?.filename ?? "",
    );
    const root = path.join(folder, name);
    await run("dpkg-deb", ["-x", deb, root]);
    t.is(found.control, (await run("dpkg-deb", ["-f", deb])).stdout);
    const expected = [];
    // Not readdir: it goes on behind links to folders.
    const { stdout: listing } = await run("find", [root, "-mindepth", "1", "-printf", "%P\\n"]);
    for (const one of listing.trim().split("\n")) {
      const file = path.join(root, one);
      const stat = await lstat(file);
      const at = mergedPath(`/${one}`, stat.isDirectory());
      if (stat.isSymbolicLink()) expected.push([at, "symlink", await readlink(file)]);
      else if (stat.isDirectory()) expected.push([at, "directory", stat.mode & 0o7777]);
      else expected.push([at, "file", stat.mode & 0o7777, stat.size, `sha256:${sha256(await readFile(file))}`]);
    }
    // The rest is what a script makes of them.
    const unpacked = found.files.filter(({ rank }) => rank === undefined);
    const actual = unpacked.map((file) => {
      if (file.type === "symlink") return [file.path, file.type, file.target];
      if (file.type === "directory") return [file.path, file.type, file.mode];
      return [file.path, file.type, file.mode, file.content.size, file.content.digest];
    });
    t.deepEqual(actual.sort(byPath), expected.sort(byPath), name);
    const file = unpacked.findLast((one) => one.type === "file");
    if (file?.type !== "file") throw new Error("a package without files");
    const chunks = [];
    for await (const chunk of file.content.open()) chunks.push(chunk);
    t.is(`sha256:${sha256(Buffer.concat(chunks))}`, file.content.digest);
  }
});

real("md5 sums are those of the package", async (t) => {
  const used = debian();
  const found = await used.package("amd64", "libc6");
  const deb = path.join(mirror?.folder ?? "", "debian", used.lock?.packages.amd64?.libc6?.filename ?? "");
  const { stdout } = await run("dpkg-deb", ["-I", deb, "md5sums"]);
  const ours = new Map(
    found.files.flatMap((file) => (file.type === "file" ? [[file.path, file.md5]] : [])) as [string, string][],
  );
  const theirs = stdout
    .trim()
    .split("\n")
    .map((line) => line.split("  ") as [string, string]);
  t.true(theirs.length > 100);
  for (const [md5, name] of theirs) t.is(ours.get(mergedPath(`/${name}`, false)), md5, name);
});

real("the index is read as a plain reading of it", async (t) => {
  const index = path.join(mirror?.folder ?? "", "debian/dists/trixie/main/binary-amd64/by-hash/SHA256");
  const [name = ""] = await readdir(index);
  const content = await cache.blob(`sha256:${name}`);
  if (content === undefined) throw new Error("the first test leaves the index in the cache");
  const table = await loadTable(
    cache,
    "debian-packages-2",
    { name: "Packages.gz", content, limit: 2 ** 28 },
    packagesReader,
  );
  const stanzas = gunzipSync(await readFile(path.join(index, name)))
    .toString("latin1")
    .trim()
    .split("\n\n");
  t.true(stanzas.length > 60_000);
  for (let at = 0; at < stanzas.length; at += 300) {
    const fields = stanza(stanzas[at] ?? "");
    const name = fields.get("Package") ?? "";
    t.deepEqual(table.rows(name), [["Version", "Filename", "SHA256", "Size"].map((key) => fields.get(key) ?? "")]);
    for (const one of fields.get("Provides")?.split(",") ?? []) {
      t.true(
        table
          .rows(provides(one.trim().split(" ")[0] ?? ""))
          .flat()
          .includes(name),
        one,
      );
    }
  }
  const kept = await cache.get<{ digest: `sha256:${string}` }>("debian-packages-2", content.digest);
  const rows = (await readFile(cache.pathOf(kept?.digest ?? "sha256:"), "latin1")).trim().split("\n");
  t.is(rows.filter((row) => !row.startsWith(provides(""))).length, stanzas.length);
});

real("libraries are found by name and by Debian's list", async (t) => {
  const used = debian();
  const expected: Record<string, string | undefined> = {
    "libc.so.6": "libc6",
    "ld-linux-x86-64.so.2": "libc6",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libssl.so.3": "libssl3t64",
    "libcrypto.so.3": "libssl3t64",
    "libz.so.1": "zlib1g",
    "libnothing.so.12": undefined,
  };
  for (const [soname, name] of Object.entries(expected)) t.is(await used.libraryPackage("amd64", soname), name, soname);
  t.deepEqual(used.lock?.libraries, {
    amd64: { "libcrypto.so.3": "libssl3t64", "libnothing.so.12": null, "libz.so.1": "zlib1g" },
  });
});

dpkg("xz: what dpkg-deb builds is read; a bomb, and one that is cut, are refused and hold up nothing", async (t) => {
  const built = async (name: string, files: Readonly<Record<string, Buffer>>) => {
    const root = path.join(folder, "build", name);
    await mkdir(path.join(root, "DEBIAN"), { recursive: true });
    const control = `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: A test <test@example.org>\nDescription: a test\n`;
    await writeFile(path.join(root, "DEBIAN/control"), control);
    for (const [file, content] of Object.entries(files)) await writeFile(path.join(root, file), content);
    await run("dpkg-deb", ["--root-owner-group", "-Zxz", "-z0", "-b", root, `${root}.deb`]);
    return readFile(`${root}.deb`);
  };
  const unpack = async (bytes: Buffer): Promise<readonly PackedFile[]> => {
    const content = await cache.add(
      (async function* () {
        yield bytes;
      })(),
    );
    return (await unpackDeb(cache, content, "test.deb")).files;
  };
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at * 31) >> 7));
  const good = await built("good", { noise });
  const bomb = await built("bomb", { zeros: Buffer.alloc(2 ** 27) });
  const start = good.indexOf("data.tar.xz") + 60;
  const cut = Buffer.concat([
    good.subarray(0, start - 12),
    Buffer.from("1000      `\n"),
    good.subarray(start, start + 1000),
  ]);
  const outcomes = await Promise.all([
    unpack(good),
    failsWith(t, "ARCHIVE_UNSAFE", () => unpack(bomb)),
    failsWith(t, "DEBIAN", () => unpack(cut)),
    unpack(good),
  ]);
  t.like(outcomes[3], [{ path: "/noise", size: noise.length, digest: `sha256:${sha256(noise)}` }]);
  t.deepEqual(await unpack(good), outcomes[0]);
});

function byPath([a]: readonly unknown[], [b]: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}
