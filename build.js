// Builds dist/: the command line, the library and its types. Run by npm after an install.
import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { build } from "esbuild";

const types = process.argv.includes("--types");
rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
await build({
  entryPoints: { cli: "src/cli/main.ts", index: "src/index.ts", "gzip-worker": "src/layer/gzip-worker.js" },
  absWorkingDir: import.meta.dirname,
  outdir: "dist",
  bundle: true,
  splitting: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20.19",
  chunkNames: "[name]-[hash]",
  logLevel: "warning",
});
chmodSync(new URL("dist/cli.js", import.meta.url), 0o755);
if (types) {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.types.json"], { cwd: import.meta.dirname, stdio: "inherit" });
}
