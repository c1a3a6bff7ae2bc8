import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type NodeClosure, type NodeProject, nodeClosure } from "../../src/closure/node/index.ts";
import { nodeVersion, quiet, type Ran, runIsolated, withFolder, writeEntries } from "./image-run.ts";

/** Files of a small app, by path; `-> target` is a symbolic link. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export function writeFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    if (typeof text === "string" && text.startsWith("-> ")) symlinkSync(text.slice(3), file);
    else writeFileSync(file, text);
  }
}

export function projectOf(root: string, entry: string, more: Partial<NodeProject> = {}): NodeProject {
  return {
    root,
    folder: root,
    entry,
    name: "app",
    target: {
      node: nodeVersion,
      platform: { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" },
    },
    mode: "bundle",
    sourcemap: false,
    external: [],
    include: [],
    exclude: [],
    traced: [],
    preloads: [],
    args: [],
    ...more,
  };
}

/** The closure of a folder. */
export function closureOf(root: string, entry: string, more: Partial<NodeProject> = {}): Promise<NodeClosure> {
  return nodeClosure(quiet, projectOf(root, entry, more));
}

/** Runs an app as it lies and as slim packs it, both as /app with nothing around. */
export async function runBoth(
  root: string,
  entry: string,
  more: Partial<NodeProject> = {},
  args: readonly string[] = [],
): Promise<{ plain: Ran; packed: Ran; closure: NodeClosure }> {
  const plain = runIsolated(root, [path.posix.join("/app", entry), ...args]);
  const closure = await closureOf(root, entry, more);
  return withFolder(async (folder) => {
    await writeEntries(folder, closure.entries);
    const packed = runIsolated(path.join(folder, "app"), [closure.entrypoint, ...args]);
    return { plain, packed, closure };
  });
}
