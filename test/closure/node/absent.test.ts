import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, renameSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { SlimError } from "../../../src/base/error.ts";
import type { Published } from "../../../src/closure/node/absent.ts";
import { nodeClosure } from "../../../src/closure/node/index.ts";
import { lockedPackage, readProjectLock } from "../../../src/sources/project-lock.ts";
import { quiet, withFolder } from "../../support/image-run.ts";
import { type Files, projectOf, writeFiles } from "../../support/node-app.ts";
import { npmPackageFolder } from "../../support/npm-package-folder.ts";
import { sharedLock, workFolder } from "../../support/project.ts";
import { slim, slimBuild } from "../../support/slim.ts";
import { hasTool } from "../../support/tools.ts";
import { Container } from "../../support/unpacked-image.ts";

const work = workFolder(test);
const arm = { node: "24.21.0", platform: { os: "linux", architecture: "arm64" } };
const crc32 = "1.10.6";
const integrity = {
  gnu: "sha512-LmWcfDbqAvypX0bQjQVPmQGazh4dLiVklkgHxpV4P0TcQ1DT86H/SWpMBMs/ncF8DGuCQ05cNyMv1iddUDugoQ==",
  musl: "sha512-k8ra/bmg0hwRrIEE8JL1p32WfaN9gDlUUpQRWsbxd1WhjqvXea7kKO6K4DwVxyxlPhBS9Gkb5Urq7Y4mXANzaw==",
};
type Libc = keyof typeof integrity;
const both = Object.keys(integrity) as Libc[];
const libcOf = (libc: Libc) => (libc === "gnu" ? "glibc" : "musl");
const carrier = (libc: Libc) => `@node-rs/crc32-linux-arm64-${libc}`;

/** The lock file that each tool writes for an app with `@node-rs/crc32`, of the part that matters here. */
const locks: Readonly<Record<string, string>> = {
  "package-lock.json": JSON.stringify({
    lockfileVersion: 3,
    packages: Object.fromEntries(
      both.map((libc) => [
        `node_modules/${carrier(libc)}`,
        // npm has long left out libc.
        { version: crc32, integrity: integrity[libc], os: ["linux"], cpu: ["arm64"], optional: true },
      ]),
    ),
  }),
  "pnpm-lock.yaml": `lockfileVersion: '9.0'\n\npackages:\n\n${both
    .map(
      (libc) =>
        `  '${carrier(libc)}@${crc32}':\n    resolution: {integrity: ${integrity[libc]}}\n    cpu: [arm64]\n    os: [linux]\n    libc: [${libcOf(libc)}]\n`,
    )
    .join("\n")}`,
  "yarn.lock": `# yarn lockfile v1\n\n\n${both
    .map((libc) => `"${carrier(libc)}@${crc32}":\n  version "${crc32}"\n  integrity ${integrity[libc]}\n`)
    .join("\n")}`,
};
const berry = `__metadata:\n  version: 8\n\n${both
  .map(
    (libc) =>
      `"${carrier(libc)}@npm:${crc32}":\n  version: ${crc32}\n  resolution: "${carrier(libc)}@npm:${crc32}"\n  conditions: os=linux & cpu=arm64 & libc=${libcOf(libc)}\n  languageName: node\n  linkType: hard\n`,
  )
  .join("\n")}`;

/** An app with `@node-rs/crc32` as it is installed on another machine: without what is for arm64. */
async function crcApp(name: string, lockName: string, lock: string, stored = false): Promise<string> {
  const folder = path.join(work, name);
  writeFiles(folder, {
    "package.json": `{"name":"app","dependencies":{"@node-rs/crc32":"${crc32}"},"engines":{"node":"24.x"}}`,
    "main.js": 'console.log(require("@node-rs/crc32").crc32("hello"), process.arch)',
    "slim.lock": readFileSync(await sharedLock(), "utf8"),
    [lockName]: lock,
  });
  const place = stored ? `.pnpm/@node-rs+crc32@${crc32}/node_modules/@node-rs/crc32` : "@node-rs/crc32";
  cpSync(await npmPackageFolder(`@node-rs/crc32@${crc32}`), path.join(folder, "node_modules", place), {
    recursive: true,
  });
  if (stored) writeFiles(folder, { "node_modules/@node-rs/crc32": `-> ../${place}` });
  return folder;
}

/** Builds for arm64 and runs the image there. */
async function runOnArm(t: ExecutionContext, folder: string, ...options: readonly string[]) {
  const image = path.join(folder, "image");
  const args = ["--platform", "linux/arm64", "--format", "oci-layout", "-o", image, ...options];
  const { diagnostics } = await slimBuild([folder, ...args]);
  const container = await Container.unpack(image);
  t.teardown(() => container.remove());
  await copyFile("/usr/bin/qemu-aarch64-static", path.join(container.root, "qemu"));
  const command = ["/qemu", "/usr/local/bin/node", "/app/main.js"];
  const stdout = execFileSync("chroot", [container.root, ...command], { encoding: "utf8" });
  return { stdout, container, codes: diagnostics.map(({ code }) => code) };
}

async function canEmulate(t: ExecutionContext): Promise<boolean> {
  return process.getuid?.() === 0 && hasTool(t, "qemu-aarch64-static");
}

const expected = "907060870 arm64\n";

for (const [name, lock] of Object.entries(locks)) {
  test.serial(`an addon that is not installed for the target comes by ${name}`, async (t) => {
    if (!(await canEmulate(t))) return;
    t.timeout(180_000);
    const folder = await crcApp(name, name, lock, name.startsWith("pnpm"));
    const { stdout, codes, container } = await runOnArm(t, folder);
    t.is(stdout, expected);
    t.true(codes.includes("fetched-for-target"));
    t.false(codes.includes("foreign-addon"));
    const all = execFileSync("find", [path.join(container.root, "app"), "-name", "*.node"], { encoding: "utf8" });
    t.deepEqual(
      all
        .trim()
        .split("\n")
        .map((file) => path.basename(file)),
      ["crc32.linux-arm64-gnu.node"],
    );
    // The project itself stays as it is.
    t.throws(() => readFileSync(path.join(folder, "node_modules", carrier("gnu"), "package.json")));
  });
}

test.serial("with pnpm's store the files are found without a bundle as well", async (t) => {
  if (!(await canEmulate(t))) return;
  const folder = await crcApp("pnpm-files", "pnpm-lock.yaml", locks["pnpm-lock.yaml"] ?? "", true);
  t.is((await runOnArm(t, folder, "--mode", "files")).stdout, expected);
});

test.serial("Yarn's newer lock files have no hash of a tarball: slim.lock keeps the registry's", async (t) => {
  if (!(await canEmulate(t))) return;
  const folder = await crcApp("berry", "yarn.lock", berry);
  const frozen = await slim(["build", folder, "--platform", "linux/arm64", "--frozen", "-o", path.join(folder, "a")]);
  t.is(frozen.code, 1);
  t.regex(frozen.stderr, /slim\.lock: would change: @node-rs\/crc32-linux-arm64-gnu@1\.10\.6 nothing -> sha512-/);
  t.is((await runOnArm(t, folder)).stdout, expected);
  const lock = JSON.parse(readFileSync(path.join(folder, "slim.lock"), "utf8"));
  t.deepEqual(lock.packages, { [`${carrier("gnu")}@${crc32}`]: integrity.gnu });
  t.is((await runOnArm(t, folder, "--frozen")).stdout, expected);
});

test.serial("a package that is not what the lock file promised is refused", async (t) => {
  const wrong = (locks["package-lock.json"] ?? "").replaceAll(/sha512-..../g, "sha512-AAAA");
  const folder = await crcApp("wrong", "package-lock.json", wrong);
  const { code, stderr } = await slim(["build", folder, "--platform", "linux/arm64", "-o", path.join(folder, "a")]);
  t.is(code, 1);
  t.regex(
    stderr,
    /npm: @node-rs\/crc32-linux-arm64-\w+@1\.10\.6: the package does not have the hash that was promised/,
  );
});

/** A registry that has what a test says, as files `package.json` and others. */
function registry(packages: Readonly<Record<string, Files>>, folder: string): Published {
  return {
    limits: ({ name }) => Promise.resolve(JSON.parse(String(packages[name]?.["package.json"] ?? "{}"))),
    files: async ({ name }) => {
      const files = packages[name];
      if (files === undefined) throw new SlimError("NOT_FOUND", "the registry does not have it", { where: name });
      const place = path.join(folder, "registry", name.replaceAll("/", "+"));
      await mkdir(place, { recursive: true });
      writeFiles(place, files);
      return Object.keys(files).map((file) => ({ path: file, source: path.join(place, file), executable: false }));
    },
  };
}

const carried = (name: string, more: object = {}) =>
  JSON.stringify({ name, version: "1.0.0", os: ["linux"], cpu: ["arm64"], main: "index.js", ...more });

test("what was fetched brings what it needs itself, at the places of the lock file", async (t) => {
  await withFolder(async (folder) => {
    const optional = { "p-arm64": "1.0.0", "p-x64": "1.0.0" };
    writeFiles(folder, {
      "package.json": '{"name":"app","dependencies":{"p":"1.0.0"}}',
      "main.js": 'require("p")',
      "node_modules/p/package.json": JSON.stringify({ name: "p", version: "1.0.0", optionalDependencies: optional }),
      "node_modules/p/index.js": 'module.exports = require("p-" + process.arch)',
      "package-lock.json": JSON.stringify({
        lockfileVersion: 3,
        packages: {
          "node_modules/p/node_modules/p-arm64": { version: "1.0.0", os: ["linux"], cpu: ["arm64"] },
          "node_modules/p-x64": { version: "1.0.0", os: ["linux"], cpu: ["x64"] },
          "node_modules/p-lib-arm64": { version: "1.0.0", os: ["linux"], cpu: ["arm64"] },
        },
      }),
    });
    const published = registry(
      {
        "p-arm64": {
          "package.json": carried("p-arm64", { optionalDependencies: { "p-lib-arm64": "1.0.0" } }),
          "index.js": 'exports.data = require("p-lib-arm64")',
        },
        "p-lib-arm64": { "package.json": carried("p-lib-arm64"), "index.js": "", "lib/data.bin": "data" },
      },
      folder,
    );
    const { entries, components } = await nodeClosure(quiet, projectOf(folder, "main.js", { target: arm }), {
      packages: published,
    });
    const paths = entries.map(({ entry }) => entry.path);
    t.true(paths.includes("/app/node_modules/p-lib-arm64/lib/data.bin"));
    const inside = entries.flatMap(({ modules = [] }) => modules.map((module) => module.path));
    t.true(inside.includes("/app/node_modules/p/node_modules/p-arm64/index.js"));
    t.deepEqual(components.map(({ name }) => name).sort(), ["app", "p", "p-arm64", "p-lib-arm64"]);
  });
});

test("one that is installed for the target is taken, and nobody is asked", async (t) => {
  await withFolder(async (folder) => {
    writeFiles(folder, {
      "package.json": '{"name":"app"}',
      "main.js": 'require("p")',
      "node_modules/p/package.json": '{"name":"p","optionalDependencies":{"p-arm64":"1.0.0","p-musl":"1.0.0"}}',
      "node_modules/p/index.js": 'require("p-" + process.arch)',
      "node_modules/p-arm64/package.json": carried("p-arm64"),
      "node_modules/p-arm64/index.js": "",
    });
    const nobody: Published = {
      limits: () => Promise.reject(new Error("asked")),
      files: () => Promise.reject(new Error("asked")),
    };
    const { diagnostics } = await nodeClosure(quiet, projectOf(folder, "main.js", { target: arm }), {
      packages: nobody,
    });
    t.deepEqual(
      diagnostics.filter(({ code }) => code !== "undeclared-import"),
      [],
    );
  });
});

test("lock files of all kinds are read the same", async (t) => {
  await withFolder(async (folder) => {
    const older = (locks["pnpm-lock.yaml"] ?? "").replaceAll("'@", "'/@");
    for (const [name, text] of [...Object.entries(locks), ["pnpm-lock.yaml", older], ["yarn.lock", berry]] as const) {
      const place = path.join(folder, "project");
      await mkdir(place, { recursive: true });
      writeFiles(place, { [name]: text });
      const lock = await readProjectLock([place, folder]);
      t.is(lock?.file, path.join(place, name));
      const found = lock && lockedPackage(lock, carrier("gnu"), crc32, path.join(place, "node_modules/@node-rs/crc32"));
      t.is(found?.version, crc32);
      t.is(found?.integrity, text === berry ? undefined : integrity.gnu);
      renameSync(path.join(place, name), path.join(folder, `${name}.done`));
    }
    writeFiles(folder, { "package-lock.json": "{" });
    await t.throwsAsync(readProjectLock([folder]), { message: /is not a lock file that can be read/ });
  });
});
