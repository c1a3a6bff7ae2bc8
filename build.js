// Builds dist/: the command line, the library and its types. npm runs it after an install.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
await build({
  entryPoints: { cli: "src/cli/main.ts", index: "src/index.ts", "gzip-worker": "src/layer/gzip-worker.js" },
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  splitting: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20.19",
  // Beside the entry points, because a worker is found relative to the file that starts it.
  chunkNames: "[name]-[hash]",
  // What was made by other code is not used again; see src/closure/node/readings.ts.
  define: { SLIM_CODE: JSON.stringify(code()) },
  logLevel: "warning",
});
chmodSync(`${root}dist/cli.js`, 0o755);
// They run on the Node.js of other programs, as they are.
for (const name of ["recorder.cjs", "recorder-hooks.mjs"]) copyFileSync(`${root}src/${name}`, `${root}dist/${name}`);
const compiler = fileURLToPath(import.meta.resolve("typescript/package.json")).replace("package.json", "bin/tsc");
execFileSync(process.execPath, [compiler, "-p", "tsconfig.types.json"], { cwd: root, stdio: "inherit" });

/** A digest of slim's own sources and of the packages they use. */
function code() {
  const hash = createHash("sha256").update(readFileSync(`${root}package.json`));
  for (const name of readdirSync(`${root}src`, { recursive: true }).map(String).sort())
    if (/\.[cm]?[jt]s$/.test(name)) hash.update(readFileSync(`${root}src/${name}`));
  return hash.digest("hex").slice(0, 16);
}
