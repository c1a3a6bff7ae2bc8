import { openStore } from "../store/open.ts";
import { copy, RegistryClient } from "../store/registry/index.ts";
import type { Output } from "../store/types.ts";
import { type Command, contextOf } from "./command.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";
import { counted, formatBytes, type Terminal } from "./terminal.ts";

export const pushCommand: Command = (surroundings) => ({
  command: "push <path> <refs..>",
  describe: "Push an archive or an OCI layout to a registry",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("path", { type: "string", describe: "an archive or an OCI layout", demandOption: true })
      .positional("refs", { type: "string", array: true, describe: "names to push it under", demandOption: true })
      .options({ json: { type: "boolean", describe: "what was done, as JSON on stdout" } }),
  handler: async (parsed: RegistryArguments & { path: string; refs: readonly string[]; json?: boolean }) => {
    const options = await registryOptions(parsed);
    const from = await openStore(parsed.path, process.cwd(), options);
    const to = { store: new RegistryClient(options), refs: parsed.refs };
    const outputs = await copy(contextOf(surroundings), from, to);
    printOutputs(surroundings.terminal, outputs, parsed.json);
  },
});

/** What was written where: counts to people, references by digest to programs. */
export function printOutputs(terminal: Terminal, outputs: readonly Output[], json: boolean | undefined): void {
  terminal.done();
  if (json) {
    process.stdout.write(`${JSON.stringify({ outputs }, null, 2)}\n`);
    return;
  }
  for (const output of outputs) {
    if (output.type === "registry") {
      terminal.note(outputLine(output));
      process.stdout.write(`${output.ref.replace(/(?::[^/:@]+)?(?:@.*)?$/, "")}@${output.digest}\n`);
    } else if (output.type === "engine") {
      terminal.note(outputLine(output));
      for (const ref of output.refs) process.stdout.write(`${ref}\n`);
    } else {
      process.stdout.write(`${output.path}\n`);
    }
  }
}

/** What a push or a load did, in a line. */
export function outputLine(output: Extract<Output, { type: "registry" | "engine" }>): string {
  if (output.type === "engine") {
    return `${output.refs.join(", ")}: loaded into ${output.engine} (${formatBytes(output.sentBytes)} sent)`;
  }
  const { ref, tags, uploadedBlobs, uploadedBytes, mountedBlobs, skippedBlobs } = output;
  const sent = `${counted(uploadedBlobs, "blob")} sent (${formatBytes(uploadedBytes)})`;
  return `${[ref, ...tags.slice(1)].join(", ")}: ${sent}, ${mountedBlobs} mounted, ${skippedBlobs} already there`;
}
