import { SlimError } from "../base/error.ts";
import { Cache, defaultCacheDir } from "../layer/cache.ts";
import type { Command } from "./command.ts";
import { counted, formatBytes } from "./terminal.ts";

const DAY = 24 * 60 * 60 * 1000;

export const cacheCommand: Command = () => ({
  command: "cache <action>",
  describe: "Show or clean what slim keeps of earlier builds",
  builder: (yargs) =>
    yargs
      .positional("action", {
        choices: ["info", "prune"],
        describe: "where it is and how much, or remove what is old",
        demandOption: true,
      })
      .options({
        days: { type: "number", requiresArg: true, default: 30, describe: "prune what was not used for so many days" },
      }),
  handler: async ({ action, days }: { action: string; days: number | number[] }) => {
    // What is not a number would remove everything.
    if (typeof days !== "number" || !(days >= 0)) {
      throw new SlimError("CONFIG", "is not a number of days", { where: "--days", hint: "0 removes everything" });
    }
    const cache = new Cache(defaultCacheDir(process.env));
    if (action === "info") {
      const { files, bytes } = await cache.usage();
      process.stdout.write(`${cache.dir}: ${counted(files, "file")}, ${formatBytes(bytes)}\n`);
    } else {
      const { files, bytes } = await cache.prune(days * DAY, Date.now());
      process.stdout.write(`removed ${counted(files, "file")}, ${formatBytes(bytes)}\n`);
    }
  },
});
