#!/usr/bin/env node
import { readFileSync } from "node:fs";

/** The version of slim, without loading anything else. */
function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-v")) {
  process.stdout.write(`${version()}\n`);
} else {
  const { run } = await import("./run.ts");
  await run(args, version());
}
