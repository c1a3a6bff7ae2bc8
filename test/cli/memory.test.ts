import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { copyCache, copyExpress, forgetLayers, workFolder } from "../support/project.ts";
import { slimBuild } from "../support/slim.ts";

const work = workFolder(test);

test("a build that unpacks and packs Node.js stays below 300 MB", async (t) => {
  const project = await copyExpress(path.join(work, "express"));
  const before = await slimBuild([project]);
  const cache = await copyCache(path.join(work, "cache"));
  await forgetLayers(cache);
  // The runtime is unpacked and trimmed again, from what npm keeps.
  await rm(path.join(cache, "records/node-runtime"), { recursive: true });
  const peak = path.join(work, "peak");
  const hook = path.join(work, "hook.mjs");
  await writeFile(
    hook,
    `import { writeFileSync } from "node:fs";
     process.on("exit", () => writeFileSync(${JSON.stringify(peak)}, String(process.resourceUsage().maxRSS)));`,
  );
  const result = await slimBuild([project, "-o", path.join(work, "image.tar")], {
    nodeOptions: [`--import=${pathToFileURL(hook)}`],
    env: { SLIM_CACHE_DIR: cache },
  });
  t.is(result.digest, before.digest);
  t.true(result.platforms[0]?.layers.every(({ cached }) => !cached));
  const megabytes = Math.round((Number(await readFile(peak, "utf8")) * 1024) / 1e6);
  t.log(`peak: ${megabytes} MB`);
  t.true(megabytes < 300, `${megabytes} MB`);
});
