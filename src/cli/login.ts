import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { SlimError } from "../base/error.ts";
import { RegistryClient } from "../store/registry/index.ts";
import { type Command, contextOf, valued } from "./command.ts";
import { type RegistryArguments, registryOptions, withRegistryOptions } from "./registry-options.ts";

export const loginCommand: Command = (surroundings) => ({
  command: "login <registry>",
  describe: "Check and store a login for a registry",
  builder: (yargs) =>
    withRegistryOptions(yargs)
      .positional("registry", { type: "string", describe: "for example ghcr.io", demandOption: true })
      .options({
        username: { alias: "u", ...valued, describe: "user name" },
        "password-stdin": { type: "boolean", describe: "read the password from stdin" },
      }),
  handler: async (parsed: RegistryArguments & { registry: string; username?: string; "password-stdin"?: boolean }) => {
    const client = new RegistryClient(await registryOptions(parsed));
    const username = parsed.username ?? (await ask("Username: ", false));
    const password = parsed["password-stdin"] ? await readStdin() : await ask("Password: ", true);
    if (username === "" || password === "") {
      throw new SlimError("CONFIG", "user name and password are both needed", {
        where: parsed.registry,
        hint: "-u NAME --password-stdin < FILE",
      });
    }
    const place = await client.login(contextOf(surroundings), parsed.registry, { username, password });
    surroundings.terminal.note(`logged in to ${parsed.registry}; stored in ${place}`);
  },
});

export const logoutCommand: Command = (surroundings) => ({
  command: "logout <registry>",
  describe: "Forget the login for a registry",
  builder: (yargs) =>
    withRegistryOptions(yargs).positional("registry", {
      type: "string",
      describe: "for example ghcr.io",
      demandOption: true,
    }),
  handler: async (parsed: RegistryArguments & { registry: string }) => {
    const client = new RegistryClient(await registryOptions(parsed));
    const places = await client.logout(contextOf(surroundings), parsed.registry);
    const what = places.length === 0 ? `no login for ${parsed.registry}` : `removed from ${places.join(" and ")}`;
    surroundings.terminal.note(what);
  },
});

/** The first line of stdin, as `docker login --password-stdin` takes it. */
async function readStdin(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of process.stdin) parts.push(chunk as Buffer);
  return Buffer.concat(parts)
    .toString()
    .replace(/\r?\n$/, "");
}

/** Asks a person; what is hidden is not echoed. Without a terminal there is nobody to ask. */
async function ask(question: string, hidden: boolean): Promise<string> {
  if (!process.stdin.isTTY) return "";
  process.stderr.write(question);
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await lines.question("");
  } finally {
    lines.close();
    if (hidden) process.stderr.write("\n");
  }
}
