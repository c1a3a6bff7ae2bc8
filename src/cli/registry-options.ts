import { readFile } from "node:fs/promises";
import type { Argv } from "yargs";
import { ioError } from "../base/error.ts";
import type { RegistryOptions } from "../store/registry/index.ts";

/** What every command that talks to a registry can be told about it. */
export interface RegistryArguments {
  readonly insecure?: boolean;
  readonly ca?: string | readonly string[];
  readonly "registry-config"?: string;
}

export function withRegistryOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs.options({
    insecure: { type: "boolean", describe: "plain HTTP and unchecked certificates" },
    ca: { type: "string", describe: "a file of certificates to trust; repeatable" },
    "registry-config": { type: "string", describe: "a config.json or auth.json with the credentials" },
  }) as unknown as Argv<T>;
}

/** @throws SlimError `IO` when a certificate cannot be read */
export async function registryOptions(parsed: RegistryArguments): Promise<RegistryOptions> {
  const files = parsed.ca === undefined ? [] : [parsed.ca].flat();
  const ca = await Promise.all(
    files.map((file) =>
      readFile(file, "utf8").catch((error: unknown) => {
        throw ioError(error, file, "read");
      }),
    ),
  );
  return {
    ...(parsed.insecure === undefined ? {} : { insecure: parsed.insecure }),
    ...(ca.length === 0 ? {} : { ca }),
    ...(parsed["registry-config"] === undefined ? {} : { registryConfig: parsed["registry-config"] }),
  };
}
