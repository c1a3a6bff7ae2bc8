// npm run bench [-- --runs N]: what a build costs, beside what its parts cost by themselves. Medians of
// whole processes, all in one run of this script, so that the ratios hold on a machine of any speed.
import { appendFileSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measure, median } from "./measure.js";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "9" }, cold: { type: "string", default: "3" } },
});
const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(path.join(os.tmpdir(), "slim-bench-"));
const app = path.join(work, "app");
const entry = path.join(app, "server.js");
const slim = path.join(root, "dist", "cli.js");
const esbuild = createRequire(import.meta.url).resolve("esbuild/bin/esbuild");
const out = path.join(work, "out");

cpSync(path.join(root, "examples", "express"), app, { recursive: true });

let fresh = 0;
const build = ["build", app, "-o", `${out}.tar`];
const cacheOf = (name) => ({ SLIM_CACHE_DIR: path.join(work, name) });
const cases = [
  { name: "node -e 0", runs: values.runs, run: () => measure(process.execPath, ["-e", "0"]) },
  { name: "slim --version", runs: values.runs, run: () => measure(process.execPath, [slim, "--version"]) },
  {
    name: "esbuild alone",
    runs: values.runs,
    run: () => measure(esbuild, [entry, "--bundle", "--minify", "--platform=node", `--outfile=${out}.js`]),
  },
  {
    name: "slim build, cold (downloads included)",
    runs: values.cold,
    run: () => {
      fresh += 1;
      return measure(process.execPath, [slim, ...build], { env: cacheOf(`cold-${fresh}`) });
    },
  },
  {
    name: "slim build, warm",
    runs: values.runs,
    run: () => measure(process.execPath, [slim, ...build], { env: cacheOf("cold-1") }),
  },
  {
    name: "slim build, after a one-line edit",
    runs: values.runs,
    run: () => {
      appendFileSync(entry, `console.log(${Math.random()});\n`);
      return measure(process.execPath, [slim, ...build], { env: cacheOf("cold-1") });
    },
  },
];

try {
  const rows = [];
  for (const { name, runs, run } of cases) {
    // One that is not counted, except where every run is a first one.
    if (!name.includes("cold")) await run();
    const results = [];
    for (let i = 0; i < Number(runs); i += 1) results.push(await run());
    rows.push({
      name,
      ms: median(results.map((one) => one.ms)),
      megabytes: median(results.map((one) => one.megabytes)),
    });
  }
  const base = rows[0]?.ms ?? 1;
  const lines = rows.map(
    ({ name, ms, megabytes }) =>
      `| ${name} | ${ms.toFixed(0)} ms | ${(ms / base).toFixed(1)} | ${megabytes.toFixed(0)} MB |`,
  );
  process.stdout.write(
    `Node.js ${process.version}, ${os.availableParallelism()} processors, median of ${values.runs} (cold: ${values.cold})\n\n` +
      `| what | time | × \`node -e 0\` | peak memory |\n|---|---|---|---|\n${lines.join("\n")}\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
