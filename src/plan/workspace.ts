import { readFile } from "node:fs/promises";
import path from "node:path";
import { SlimError } from "../base/error.ts";
import { statOrUndefined } from "../base/files.ts";
import { globExpression } from "../base/glob.ts";
import { readJson } from "./config.ts";
import type { Manifest } from "./project.ts";

/**
 * The folder that holds a project and the packages it was installed with: the root of its workspace
 * (npm's, Yarn's or pnpm's), else the outermost folder in whose node_modules one of its dependencies
 * lies, else the project's own. Modules keep their places below it.
 */
export async function findRoot(folder: string, manifest: Manifest): Promise<string> {
  const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  let root = folder;
  let missing = names;
  for (let at = folder; ; at = path.dirname(at)) {
    if (at !== folder && (await isWorkspaceRoot(at, folder))) return at;
    const still: string[] = [];
    for (const name of missing) if (!(await statOrUndefined(path.join(at, "node_modules", name)))) still.push(name);
    if (still.length < missing.length) root = at;
    missing = still;
    if (at === path.dirname(at)) return root;
  }
}

/**
 * Refuses packages that lie in Yarn's zip files, where only Yarn's own loader finds them.
 * @throws SlimError `CONFIG`
 */
export async function refusePlugAndPlay(folders: readonly string[]): Promise<void> {
  for (const folder of folders) if (await statOrUndefined(path.join(folder, "node_modules"))) return;
  for (const folder of folders) {
    for (const name of [".pnp.cjs", ".pnp.js"]) {
      if (!(await statOrUndefined(path.join(folder, name)))) continue;
      throw new SlimError("CONFIG", "packages are installed by Yarn Plug'n'Play, in archives that no image can use", {
        where: path.join(folder, name),
        hint: 'set "nodeLinker: node-modules" in .yarnrc.yml, run yarn install, and build again',
      });
    }
  }
}

/** Whether `at` is the root of a workspace that `folder` is a member of. */
async function isWorkspaceRoot(at: string, folder: string): Promise<boolean> {
  const globs = await workspaceGlobs(at);
  const place = path.relative(at, folder).split(path.sep).join("/");
  const fits = (glob: string) => globExpression(glob).test(place);
  const [without, within] = [
    globs.filter((glob) => glob.startsWith("!")),
    globs.filter((glob) => !glob.startsWith("!")),
  ];
  return within.some(fits) && !without.some((glob) => fits(glob.slice(1)));
}

/** https://pnpm.io/pnpm-workspace_yaml, https://docs.npmjs.com/cli/configuring-npm/package-json#workspaces */
async function workspaceGlobs(folder: string): Promise<readonly string[]> {
  const yaml = path.join(folder, "pnpm-workspace.yaml");
  if (await statOrUndefined(yaml)) {
    const text = await readFile(yaml, "utf8");
    const inline = /^packages:\s*\[([^\]]*)\]/m.exec(text)?.[1];
    if (inline !== undefined)
      return [...inline.matchAll(/["']([^"']+)["']|([^\s,"'#]+)/g)].map(([, a, b]) => a ?? b ?? "");
    const list = /^packages:[^\n]*\n((?:[ \t]*(?:-[^\n]*|#[^\n]*)?(?:\n|$))*)/m.exec(text)?.[1] ?? "";
    return [...list.matchAll(/^[ \t]*-[ \t]*(["']?)(.+?)\1[ \t]*(?:#.*)?$/gm)].map(([, , glob = ""]) => glob);
  }
  const file = path.join(folder, "package.json");
  if (!(await statOrUndefined(file))) return [];
  const { workspaces } = ((await readJson(file)) ?? {}) as { workspaces?: unknown };
  const globs = Array.isArray(workspaces) ? workspaces : (workspaces as { packages?: unknown } | undefined)?.packages;
  return Array.isArray(globs) ? globs.filter((glob) => typeof glob === "string") : [];
}
