import path from "node:path";
import test from "ava";
import { findRoot } from "../../src/plan/workspace.ts";
import { workFolder, writeProject } from "../support/project.ts";

const work = workFolder(test);
const yamls: [title: string, yaml: string, expected: "workspace" | "own"][] = [
  ["a list", "packages:\n  - 'apps/*' # all of them\n  - \"!apps/old\"\n", "workspace"],
  ["a list without indentation", "packages:\n- apps/*\n", "workspace"],
  ["a list in one line", 'packages: ["apps/*", libs/*]\n', "workspace"],
  ["a list in brackets over lines", "catalog: {}\npackages: [\n  apps/web,\n  'libs/*',\n]\n", "workspace"],
  ["another folder", "packages: [libs/*]\n", "own"],
  ["an excluded one", "packages: ['apps/*', '!apps/web']\n", "own"],
  ["no packages", "nodeLinker: hoisted\n", "own"],
];

for (const [title, yaml, expected] of yamls) {
  test(`the workspace that pnpm-workspace.yaml names: ${title}`, async (t) => {
    const root = path.join(work, title.replaceAll(" ", "-"));
    await writeProject(root, { "pnpm-workspace.yaml": yaml, "apps/web/package.json": "{}" });
    const folder = path.join(root, "apps/web");
    t.is(await findRoot(folder, {}), expected === "own" ? folder : root);
  });
}
