import { readdir, readFile } from "node:fs/promises";
import type { AgentOptions } from "node:https";
import { homedir } from "node:os";
import path from "node:path";
import { rootCertificates } from "node:tls";
import type { Context } from "../../base/context.ts";
import { ioError, SlimError } from "../../base/error.ts";

/**
 * TLS as Docker and Podman set it up: `certs.d/HOST/` holds CAs (`*.crt`) that are trusted besides the
 * usual ones, and client certificates (`*.cert` with `*.key`).
 * https://docs.docker.com/engine/security/certificates/, containers-certs.d(5)
 * @throws SlimError `IO`, `CONFIG`
 */
export async function tlsOptions(
  context: Context,
  host: string,
  extra: readonly string[],
  insecure: boolean,
): Promise<AgentOptions> {
  const ca = [...extra];
  const client: { cert?: Buffer; key?: Buffer } = {};
  for (const root of certificateFolders(context)) {
    const folder = path.join(root, host);
    const names = (await readdir(folder).catch(() => [])).sort();
    for (const name of names) {
      const read = (file: string) =>
        readFile(path.join(folder, file)).catch((error: unknown) => {
          throw ioError(error, path.join(folder, file), "read the certificate");
        });
      if (name.endsWith(".crt")) ca.push((await read(name)).toString());
      if (!name.endsWith(".cert") || client.cert !== undefined) continue;
      const key = name.replace(/cert$/, "key");
      if (!names.includes(key)) {
        throw new SlimError("CONFIG", "has no key beside it", { where: path.join(folder, name), hint: `add ${key}` });
      }
      client.cert = await read(name);
      client.key = await read(key);
    }
  }
  return { ...client, ...(await trust(context, ca)), ...(insecure ? { rejectUnauthorized: false } : {}) };
}

/** Naming a CA to Node replaces all the usual ones, so they are named as well. */
async function trust(context: Context, ca: readonly string[]): Promise<AgentOptions> {
  if (ca.length === 0) return {};
  const file = context.env.NODE_EXTRA_CA_CERTS;
  const own = file === undefined || file === "" ? [] : [await readFile(file, "utf8").catch(() => "")];
  return { ca: [...rootCertificates, ...own.filter((text) => text !== ""), ...ca] };
}

function certificateFolders({ env }: Context): readonly string[] {
  const home = env.HOME ?? homedir();
  const config = env.XDG_CONFIG_HOME ?? path.join(home, ".config");
  return [
    path.join(config, "containers", "certs.d"),
    "/etc/containers/certs.d",
    path.join(config, "docker", "certs.d"),
    "/etc/docker/certs.d",
  ];
}
