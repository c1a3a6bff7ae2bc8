import { open, readdir } from "node:fs/promises";
import path from "node:path";
import test from "ava";
import { hostRoot, loaderFolders } from "../../../src/closure/elf/host.ts";
import { isElf } from "../../../src/closure/elf/parse.ts";
import { resolveLibraries } from "../../../src/closure/elf/resolve.ts";
import { formatPlatform, platformOfArch } from "../../../src/image/platform.ts";
import { askLoader } from "../../support/machine-loader.ts";

const folder = "/usr/bin";
const other = { os: "other", architecture: "" };
const machine = formatPlatform(platformOfArch(process.arch));

test("agrees with ldd about every program of this machine, in the order of loading too", async (t) => {
  t.timeout(120_000);
  const files = hostRoot("/");
  const configured = await loaderFolders("/");
  let compared = 0;
  let libraries = 0;
  for (const program of await programs()) {
    const [{ objects, problems }, theirs] = await Promise.all([
      resolveLibraries({ files, program, configured }),
      askLoader(["ldd", program]),
    ]);
    // ldd answers for programs that this machine can run.
    if (formatPlatform(objects[0]?.elf.platform ?? other) !== machine) continue;
    t.deepEqual(problems.map(({ name }) => name).sort(), [...theirs.notFound].sort(), program);
    const ours = objects.slice(1).map((object) => object.path);
    // ldd shows the loader, which is there before all others, wherever it was asked for.
    const interpreter = objects.find(({ reasons }) => reasons.some(({ kind }) => kind === "interpreter"))?.path;
    const others = (all: readonly string[]) => all.filter((one) => one !== interpreter);
    t.deepEqual([...ours].sort(), [...theirs.libraries].sort(), program);
    t.deepEqual(others(ours), others(theirs.libraries), program);
    compared += 1;
    libraries += ours.length;
  }
  t.log(`${compared} programs with ${libraries} libraries compared, no differences`);
  t.true(compared > 50);
});

async function programs(): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(folder, entry.name));
  const found: string[] = [];
  for (const file of files.sort()) if (await startsAsElf(file)) found.push(file);
  return found;
}

async function startsAsElf(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const start = new Uint8Array(4);
    await handle.read(start, 0, 4, 0);
    return isElf(start);
  } finally {
    await handle.close();
  }
}
