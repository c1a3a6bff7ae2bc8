// npm run bench:start [-- --runs N]: how long an app takes to its first line, as the files it was
// installed as and as slim packs it, with the same Node.js. Medians, the two in turn.
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "./measure.js";

const { values } = parseArgs({ options: { runs: { type: "string", default: "20" } } });
const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(path.join(os.tmpdir(), "slim-start-"));

/** Packages of the corpus that bring several hundred modules together. */
const heavy = ["express", "winston", "sequelize", "typeorm", "mongodb", "mysql2", "redis", "joi", "handlebars"];

const apps = [
  {
    name: "Express",
    folder: "express",
    from: path.join(root, "examples/express"),
    main: 'require("express")();\nconsole.log("up");\nprocess.exit();\n',
  },
  {
    name: "require-heavy",
    folder: "heavy",
    from: path.join(root, "test/corpus"),
    main: `${heavy.map((name) => `require("${name}");\n`).join("")}console.log("up");\nprocess.exit();\n`,
  },
];

/**
 * Builds an app and lays its files, and those of the runtime, out in a folder.
 *
 * @param {string} app
 */
function unpacked(app) {
  const layout = `${app}.image`;
  const slim = path.join(root, "dist/cli.js");
  execFileSync(process.execPath, [slim, "build", app, "--node", "24", "--format", "oci-layout", "-o", layout], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const blob = (digest) => path.join(layout, "blobs", ...digest.split(":"));
  const json = (file) => JSON.parse(readFileSync(file, "utf8"));
  const manifest = json(blob(json(path.join(layout, "index.json")).manifests[0].digest));
  const folder = `${app}.root`;
  mkdirSync(folder);
  for (const { digest } of manifest.layers) execFileSync("tar", ["-xf", blob(digest), "-C", folder, "--no-same-owner"]);
  return folder;
}

/**
 * Milliseconds from the start of the process to its first line.
 *
 * @param {string} node
 * @param {string} file
 * @returns {Promise<number>}
 */
function firstLine(node, file) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const env = { ...process.env, NODE_ENV: "production" };
    const child = spawn(node, [file], { env, stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.once("data", () => resolve(performance.now() - begun));
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`${file} ended with ${code} before its first line`)));
  });
}

try {
  const lines = [];
  for (const { name, folder, from, main } of apps) {
    const app = path.join(work, folder);
    cpSync(path.join(from, "node_modules"), path.join(app, "node_modules"), {
      recursive: true,
      verbatimSymlinks: true,
    });
    const { dependencies } = JSON.parse(readFileSync(path.join(from, "package.json"), "utf8"));
    writeFileSync(path.join(app, "package.json"), JSON.stringify({ name: folder, main: "main.js", dependencies }));
    writeFileSync(path.join(app, "main.js"), main);
    const image = unpacked(app);
    const node = path.join(image, "usr/local/bin/node");
    const times = { plain: [], packed: [] };
    for (let run = -1; run < Number(values.runs); run += 1) {
      const plain = await firstLine(node, path.join(app, "main.js"));
      const packed = await firstLine(node, path.join(image, "app/main.js"));
      // The first of each only warms the disk's cache.
      if (run < 0) continue;
      times.plain.push(plain);
      times.packed.push(packed);
    }
    const [plain, packed] = [median(times.plain), median(times.packed)];
    lines.push(`| ${name} | ${plain.toFixed(0)} ms | ${packed.toFixed(0)} ms | ${(packed / plain).toFixed(2)} |`);
  }
  process.stdout.write(
    `To the first line, Node.js 24, median of ${values.runs}\n\n| app | files | packed | ratio |\n|---|---|---|---|\n${lines.join("\n")}\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
