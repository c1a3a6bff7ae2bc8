import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { type Files, writeFiles } from "../support/node-app.ts";
import { canRun } from "../support/program-image.ts";
import { sharedLock, workFolder } from "../support/project.ts";
import { slimBuild } from "../support/slim.ts";
import { skip } from "../support/tools.ts";
import { Container } from "../support/unpacked-image.ts";

const run = promisify(execFile);
const work = workFolder(test);
/** The package managers come with the corpus. */
const managers = fileURLToPath(new URL("../corpus/node_modules", import.meta.url));

/** A workspace of an app and a library, which use two versions of a package, an addon, and a file of their own. */
const workspace: Files = {
  "package.json": '{"name":"root","private":true,"workspaces":["packages/*"]}',
  "packages/lib/package.json": '{"name":"@w/lib","version":"1.0.0","main":"lib.js","dependencies":{"ms":"2.0.0"}}',
  "packages/lib/lib.js": `const fs = require("fs"), path = require("path");
    exports.lib = () => [require("ms/package.json").version, fs.readFileSync(path.join(__dirname, "text.txt"), "utf8")];`,
  "packages/lib/text.txt": "of the library",
  "packages/lib/unused.js": "",
  "packages/app/main.js": `const { crc32 } = require("@node-rs/crc32"), { lib } = require("@w/lib");
    console.log(require("ms/package.json").version, lib(), crc32("slim"), __filename, require.resolve("@w/lib"));
    import("@w/lib").then((m) => console.log(m.lib === lib));`,
};
const appOf = (version: string) =>
  `{"name":"app","version":"1.0.0","main":"main.js","dependencies":{"@w/lib":"${version}","ms":"2.1.3","@node-rs/crc32":"1.10.6"}}`;

interface Manager {
  readonly program: string;
  readonly version: string;
  readonly args: readonly string[];
  readonly files?: Files;
}

const all: Readonly<Record<string, Manager>> = {
  "pnpm, isolated": {
    program: "pnpm/bin/pnpm.cjs",
    version: "workspace:*",
    args: ["install", "--ignore-scripts", "--no-frozen-lockfile"],
    files: { "pnpm-workspace.yaml": 'packages:\n  - "packages/*"\n' },
  },
  "pnpm, hoisted": {
    program: "pnpm/bin/pnpm.cjs",
    version: "workspace:*",
    args: ["install", "--ignore-scripts", "--no-frozen-lockfile", "--node-linker=hoisted"],
    files: { "pnpm-workspace.yaml": 'packages: ["packages/*"]\n' },
  },
  "Yarn, node-modules": {
    program: "@yarnpkg/cli-dist/bin/yarn.js",
    version: "workspace:*",
    args: ["install", "--mode=skip-build"],
    files: { ".yarnrc.yml": "nodeLinker: node-modules\nenableGlobalCache: true\n", "yarn.lock": "" },
  },
};

for (const [name, { program, version, args, files = {} }] of Object.entries(all)) {
  test.serial(`a workspace that was installed by ${name}`, async (t: ExecutionContext) => {
    const tool = path.join(managers, program);
    if (!existsSync(tool)) return void skip(t, `${program} of npm run corpus`);
    if (!(await canRun(t))) return;
    const root = path.join(work, name.replace(/\W+/g, "-"));
    await mkdir(root);
    writeFiles(root, { ...workspace, ...files, "packages/app/package.json": appOf(version) });
    const registry = (await run("npm", ["config", "get", "registry"])).stdout.trim();
    const env = { ...process.env, CI: "true", YARN_NPM_REGISTRY_SERVER: registry, npm_config_registry: registry };
    await run(process.execPath, [tool, ...args], {
      cwd: root,
      env: { ...env, YARN_ENABLE_IMMUTABLE_INSTALLS: "false" },
    });
    await run("cp", [await sharedLock(), path.join(root, "packages/app/slim.lock")]);
    const output = path.join(root, "image");
    await slimBuild([path.join(root, "packages/app"), "--node", "24", "--format", "oci-layout", "-o", output]);
    const container = await Container.unpack(output);
    t.teardown(() => container.remove());
    const packed = await container.run();
    const command = ["/usr/local/bin/node", "/app/packages/app/main.js"];
    const plain = await container.run({ command, mounts: { "/app": root } });
    t.is(plain.code, 0, plain.stderr);
    t.is(packed.stdout, plain.stdout, packed.stderr);
    t.is(packed.code, plain.code);
    t.regex(packed.stdout, /^2\.1\.3 \[ '2\.0\.0', 'of the library' \]/);
    t.regex(packed.stdout, /\ntrue\n$/);
  });
}
