import { readFile } from "node:fs/promises";
import path from "node:path";
import { npmPackageFolder } from "./npm-package-folder.ts";
import { checkout } from "./slim.ts";

/** esbuild's own program, a static Go binary, as npm ships it for an architecture, and its version. */
export async function esbuildBinary(arch: "x64" | "arm64"): Promise<{ file: string; version: string }> {
  const manifest = path.join(checkout, "node_modules/esbuild/package.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const folder = await npmPackageFolder(`@esbuild/linux-${arch}@${version}`);
  return { file: path.join(folder, "bin/esbuild"), version };
}
