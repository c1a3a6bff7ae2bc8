import { execFile } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";
import test from "ava";
import { gzip } from "pako";
import { type Member, membersOf, sha256File, type Unpacked, unpackArchive } from "../support/archive.ts";
import { workFolder } from "../support/project.ts";
import { checkout, type Printed, slimBuild } from "../support/slim.ts";
import { testWith } from "../support/tools.ts";

const run = promisify(execFile);
const openssl = testWith(test.serial, "openssl");
const work = workFolder(test);
const archive = path.join(work, "express.tar");
let result: Printed;
let image: Unpacked;
const layers = new Map<string, Member[]>();

test.before(async () => {
  const args = ["examples/express", "-o", archive, "--platform", "linux/amd64", "--node", "24"];
  result = await slimBuild(args, { cwd: checkout });
  image = await unpackArchive(archive, path.join(work, "unpacked"));
  for (const [index, layer] of image.manifest.layers.entries()) {
    layers.set(result.platforms[0]?.layers[index]?.name ?? "", await membersOf(image.blob(layer)));
  }
});

const all = () => [...layers.values()].flat();
const nameOf = ({ header }: Member) => header.name.replace(/\/$/, "");
const named = (name: string) => all().find((member) => nameOf(member) === name);
const text = (name: string) => named(name)?.content.toString() ?? "";

test("the layers are os, node and app, and the image is small", (t) => {
  const [platform] = result.platforms;
  t.deepEqual(
    platform?.layers.map(({ name }) => name),
    ["os", "node", "app"],
  );
  t.true((platform?.layers[2]?.size ?? Infinity) <= 350_000, `app: ${platform?.layers[2]?.size} bytes`);
  t.true((platform?.size ?? Infinity) <= 43_500_000, `image: ${platform?.size} bytes`);
  const libraries = all().filter((member) => /^usr\/lib\/.*\.so\.[0-9.]+$/.test(nameOf(member)));
  // Node.js' own zlib packs worse than the one that slim carries.
  const packed = gzip(Buffer.concat(libraries.map(({ content }) => content))).length;
  t.true(packed > 2_000_000 && packed <= 2_500_000, `libraries: ${packed} bytes`);
});

test.serial("with zstd at its best the image is a quarter smaller", async (t) => {
  t.timeout(600_000);
  const best = ["--compression", "zstd", "--compression-level", "19"];
  const args = ["examples/express", "--platform", "linux/amd64", "--node", "24", ...best];
  const size = (await slimBuild(args, { cwd: checkout })).platforms[0]?.size ?? Infinity;
  t.true(size <= 33_000_000, `${size} bytes`);
});

test("digests and sizes are those of the bytes", async (t) => {
  const { manifest, config, index } = image;
  for (const descriptor of [...index.manifests, manifest.config, ...manifest.layers]) {
    t.is<string, string>(await sha256File(image.blob(descriptor)), descriptor.digest);
    t.is((await stat(image.blob(descriptor))).size, descriptor.size);
  }
  for (const [at, layer] of manifest.layers.entries()) {
    const tar = path.join(work, `${at}.tar`);
    await pipeline(createReadStream(image.blob(layer)), createGunzip(), createWriteStream(tar));
    t.is<string | undefined, string | undefined>(await sha256File(tar), config.rootfs.diff_ids[at]);
  }
  t.is<string | undefined, string | undefined>(index.manifests[0]?.digest, result.digest);
});

test("the config says how the app runs and what it is", (t) => {
  const { manifest, config, index, docker } = image;
  t.is(index.mediaType, "application/vnd.oci.image.index.v1+json");
  t.is(manifest.mediaType, "application/vnd.oci.image.manifest.v1+json");
  t.is(manifest.config.mediaType, "application/vnd.oci.image.config.v1+json");
  for (const layer of manifest.layers) t.is(layer.mediaType, "application/vnd.oci.image.layer.v1.tar+gzip");
  t.is(config.os, "linux");
  t.is(config.architecture, "amd64");
  t.is(config.config?.User, "65532:65532");
  t.is(config.config?.WorkingDir, "/app");
  t.is(config.config?.Entrypoint?.[0], "/usr/local/bin/node");
  t.regex(config.config?.Entrypoint?.at(-1) ?? "", /^\/app\/.*\.[cm]?js$/);
  t.truthy(named(config.config?.Entrypoint?.at(-1)?.slice(1) ?? ""), "the entry is a file of the image");
  t.true(config.config?.Env?.includes("NODE_ENV=production"));
  t.true(config.config?.Env?.includes("SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"));
  const about = {
    "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
    "org.opencontainers.image.description": "A web server with Express",
    "org.opencontainers.image.licenses": "MIT",
    "org.opencontainers.image.title": "slim-example-express",
    "org.opencontainers.image.version": "1.0.0",
  };
  t.deepEqual(config.config?.Labels, about);
  t.deepEqual(manifest.annotations, about);
  t.is(config.created, "1970-01-01T00:00:00Z");
  t.is(config.history?.filter(({ empty_layer }) => !empty_layer).length, manifest.layers.length);
  t.deepEqual(
    docker[0]?.Layers,
    manifest.layers.map(({ digest }) => `blobs/${digest.replace(":", "/")}`),
  );
});

test("accounts, /tmp and home are what programs expect", (t) => {
  t.deepEqual(
    text("etc/passwd")
      .trim()
      .split("\n")
      .map((line) => line.split(":").slice(0, 4).join(":")),
    ["root:x:0:0", "nobody:x:65534:65534", "nonroot:x:65532:65532"],
  );
  t.deepEqual(text("etc/group").trim().split("\n"), ["root:x:0:", "nobody:x:65534:", "nonroot:x:65532:"]);
  t.regex(text("etc/nsswitch.conf"), /^hosts: files dns$/m);
  t.is(named("tmp")?.header.mode, 0o1777);
  t.like(named("home/nonroot")?.header, { type: "directory", uid: 65532, gid: 65532 });
});

test("Debian's files are described where scanners look", (t) => {
  t.regex(text("usr/lib/os-release"), /^VERSION_CODENAME=trixie$/m);
  t.like(named("etc/os-release")?.header, { type: "symlink", linkname: "../usr/lib/os-release" });
  const status = all().filter((member) => /^var\/lib\/dpkg\/status\.d\/[^/]+(?<!\.md5sums)$/.test(nameOf(member)));
  const packages = status.map((member) => path.posix.basename(nameOf(member)));
  for (const name of ["base-files", "ca-certificates", "libc6", "libstdc++6"]) t.true(packages.includes(name), name);
  const kept = new Set<string>();
  for (const [at, name] of packages.entries()) {
    t.regex(status[at]?.content.toString() ?? "", new RegExp(`^Package: ${name.replaceAll("+", "\\+")}$`, "m"));
    t.regex(status[at]?.content.toString() ?? "", /^Version: \S+$/m);
    const sums = text(`var/lib/dpkg/status.d/${name}.md5sums`).split("\n").filter(Boolean);
    for (const line of sums) {
      const [md5 = "", file = ""] = line.split("  ");
      t.is(named(file)?.md5, md5, `${name}: ${file}`);
      kept.add(file);
    }
    t.truthy(named(`usr/share/doc/${name}/copyright`) ?? named(`usr/share/doc/${name}`), `${name}: copyright`);
  }
  const libraries = all().filter(({ header }) => header.type === "file" && header.name.includes(".so"));
  t.true(libraries.length >= 6);
  for (const library of libraries) t.true(kept.has(nameOf(library)), `${nameOf(library)} has a checksum`);
});

test("nothing is there that nobody needs: no shell, no setuid file, no package manager", (t) => {
  for (const member of all()) {
    t.is((member.header.mode ?? 0) & 0o6000, 0, nameOf(member));
    if (member.header.type === "directory") continue;
    t.notRegex(nameOf(member), /(?:^|\/)(?:sh|bash|dash|apt|apt-get|dpkg|npm|\.npmrc|\.env)$|\.git\//);
  }
  t.deepEqual(
    all()
      .filter(({ header }) => header.type === "file" && (header.mode ?? 0) & 0o111)
      .map(nameOf)
      .filter((name) => !name.includes(".so")),
    ["usr/local/bin/node"],
  );
});

test("every tar keeps the rules of the design", async (t) => {
  for (const [name, members] of layers) {
    const paths = members.map((member) => `/${nameOf(member)}`);
    t.is(new Set(paths).size, paths.length, `${name}: no path twice`);
    t.deepEqual(paths, [...paths].sort(), `${name}: sorted`);
    const seen = new Set<string>(["/"]);
    const lower = new Set(
      [...layers].slice(0, [...layers.keys()].indexOf(name)).flatMap(([, other]) => other.map(nameOf)),
    );
    for (const { header } of members) {
      const at = `/${header.name.replace(/\/$/, "")}`;
      const parent = path.posix.dirname(at);
      t.true(seen.has(parent) || lower.has(parent.slice(1)), `${name}: ${parent} comes before ${at}`);
      seen.add(at);
      t.is(header.uname, "", at);
      t.is(header.gname, "", at);
      t.is(header.mtime?.getTime(), 0, at);
      t.notRegex(at, /\/\.wh\.|\/\.\.(?:\/|$)/);
      t.deepEqual(
        Object.keys(header.pax ?? {}).filter((key) => !["path", "linkpath", "size"].includes(key)),
        [],
      );
    }
  }
  for (const layer of image.manifest.layers) {
    const head = await readFile(image.blob(layer));
    t.deepEqual([...head.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], "gzip header");
  }
});

test("GNU tar lists the same members", async (t) => {
  for (const [at, layer] of image.manifest.layers.entries()) {
    const args = ["--list", "--verbose", "--numeric-owner", "--utc", "--full-time", "-zf", image.blob(layer)];
    const { stdout, stderr } = await run("tar", args, { maxBuffer: 1 << 24 });
    t.is(stderr, "");
    const members = [...layers.values()][at] ?? [];
    const lines = stdout.trimEnd().split("\n");
    t.is(lines.length, members.length);
    for (const [line, { header }] of lines.map((one, index) => [one, members[index] as Member] as const)) {
      t.true(line.includes(`${header.uid}/${header.gid}`), line);
      t.true(line.includes("1970-01-01 00:00:00"), line);
      t.true(line.includes(header.name), line);
    }
  }
});

openssl("the CA bundle is one that OpenSSL reads, and more than a hundred roots", async (t) => {
  const bundle = text("etc/ssl/certs/ca-certificates.crt");
  const count = bundle.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  t.true(count > 100, `${count} certificates`);
  const file = path.join(work, "ca.crt");
  await writeFile(file, bundle);
  const { stdout } = await run("sh", [
    "-c",
    `openssl crl2pkcs7 -nocrl -certfile "$0" | openssl pkcs7 -print_certs -noout`,
    file,
  ]);
  t.is(stdout.match(/^subject=/gm)?.length, count);
});
