import { cp, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ioError, SlimError } from "../base/error.ts";
import { makeFolder, statOrUndefined } from "../base/files.ts";
import type { Command } from "./command.ts";

/** Beside dist/ in the package. */
const templates = fileURLToPath(new URL("../templates/", import.meta.url));

export const initCommand: Command = ({ terminal }) => ({
  command: "init [template] [folder]",
  describe: "Start a project, or add slim to one",
  builder: (yargs) =>
    yargs
      .positional("template", { type: "string", describe: "http, or config for a project that is there" })
      .positional("folder", { type: "string", describe: "where to", default: "." }),
  handler: async (parsed: { template?: string; folder: string }) => {
    const exists = (await statOrUndefined(path.join(parsed.folder, "package.json"))) !== undefined;
    const template = parsed.template ?? (exists ? "config" : "http");
    for (const file of await writeTemplate(template, parsed.folder)) terminal.note(`wrote ${file}`);
  },
});

/** Copies a template; nothing is written when one of its files is there already. */
async function writeTemplate(template: string, folder: string): Promise<readonly string[]> {
  const known = await readdir(templates);
  if (!known.includes(template)) {
    throw new SlimError("NOT_FOUND", `there is no template "${template}"`, {
      hint: `choose one of ${known.sort().join(", ")}`,
    });
  }
  const files = (await readdir(path.join(templates, template))).sort();
  for (const file of files) {
    const place = path.join(folder, file);
    if (await statOrUndefined(place)) {
      throw new SlimError("IO", "is there already", { where: place, hint: "choose another folder, or move it away" });
    }
  }
  try {
    await makeFolder(path.resolve(folder));
    for (const file of files)
      await cp(path.join(templates, template, file), path.join(folder, file), { errorOnExist: true });
  } catch (error) {
    throw ioError(error, folder, "write");
  }
  return files.map((file) => path.join(folder, file));
}
