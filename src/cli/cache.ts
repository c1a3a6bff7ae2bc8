import { Cache, defaultCacheDir } from "../layer/cache.ts";
import type { Command } from "./command.ts";
import { formatBytes } from "./terminal.ts";

const DAY = 24 * 60 * 60 * 1000;

export const cacheCommand: Command = () => ({
  command: "cache <action>",
  describe: "Show or clean what slim keeps of earlier builds",
  builder: (yargs) =>
    yargs
      .positional("action", { choices: ["info", "prune"], demandOption: true })
      .options({ days: { type: "number", default: 30, describe: "prune what was not used for so many days" } }),
  handler: async ({ action, days }: { action: string; days: number }) => {
    const cache = new Cache(defaultCacheDir(process.env));
    if (action === "info") {
      const { files, bytes } = await cache.usage();
      process.stdout.write(`${cache.dir}: ${files} files, ${formatBytes(bytes)}\n`);
    } else {
      const { files, bytes } = await cache.prune(days * DAY, Date.now());
      process.stdout.write(`removed ${files} files, ${formatBytes(bytes)}\n`);
    }
  },
});
