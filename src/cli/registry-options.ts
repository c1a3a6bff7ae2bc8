import { readFile } from "node:fs/promises";
import type { Argv } from "yargs";
import { ioError, SlimError } from "../base/error.ts";
import { parseHost } from "../image/reference.ts";
import type { RegistryOptions } from "../store/registry/index.ts";
import { grouped, valued } from "./command.ts";
import { type Many, many, single } from "./program.ts";

/** What every command that talks to a registry can be told about it. */
export interface RegistryArguments {
  readonly insecure?: boolean;
  readonly ca?: Many;
  readonly "registry-config"?: string;
  readonly mirror?: Many;
}

/** @param heading over them in the help, where there are many others */
export function withRegistryOptions<T>(yargs: Argv<T>, heading?: string): Argv<T> {
  const options = {
    insecure: { type: "boolean", describe: "plain HTTP and unchecked certificates" },
    ca: { ...valued, describe: "a file of certificates to trust; repeatable" },
    "registry-config": { ...valued, describe: "a config.json or auth.json with the credentials" },
    mirror: { ...valued, describe: "HOST=MIRROR: where to read a registry's images first; repeatable" },
  } as const;
  return yargs.options(heading === undefined ? options : grouped(heading, options)) as unknown as Argv<T>;
}

/** @throws SlimError `IO` when a certificate cannot be read, `CONFIG` */
export async function registryOptions(parsed: RegistryArguments): Promise<RegistryOptions> {
  const files = parsed.ca === undefined ? [] : many(parsed.ca);
  const registryConfig = single("--registry-config", parsed["registry-config"]);
  const ca = await Promise.all(files.map(readCertificates));
  return {
    ...(parsed.insecure === undefined ? {} : { insecure: parsed.insecure }),
    ...(ca.length === 0 ? {} : { ca }),
    ...(registryConfig === undefined ? {} : { registryConfig }),
    ...(parsed.mirror === undefined ? {} : { mirrors: mirrorsOf(many(parsed.mirror)) }),
  };
}

async function readCertificates(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw ioError(error, file, "read");
  });
  // Node.js would take no notice of it.
  if (!text.includes("-----BEGIN ")) throw new SlimError("CONFIG", "holds no certificate in PEM form", { where: file });
  return text;
}

/** Mirrors by host, in the order in which they were given. */
function mirrorsOf(given: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const mirrors: Record<string, string[]> = {};
  for (const pair of given) {
    const [, host, mirror] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (host === undefined || mirror === undefined) {
      throw new SlimError("CONFIG", `"${pair}" is not HOST=MIRROR`, {
        where: "--mirror",
        hint: "for example docker.io=mirror.example",
      });
    }
    const name = parseHost(host);
    mirrors[name] = [...(mirrors[name] ?? []), mirror];
  }
  return mirrors;
}
