import { createServer } from "node:net";
import path from "node:path";

/**
 * An environment in which nobody answers: Debian and npm at a port that is closed, and npm's cache
 * empty. npm's own long waits between its tries are left out.
 */
export async function closedNetwork(folder: string): Promise<Readonly<Record<string, string>>> {
  const url = `http://127.0.0.1:${await closedPort()}`;
  return {
    SLIM_DEBIAN_MIRROR: `${url}/debian`,
    SLIM_DEBIAN_SECURITY_MIRROR: `${url}/debian-security`,
    npm_config_registry: `${url}/`,
    npm_config_cache: path.join(folder, "npm"),
    npm_config_fetch_retries: "0",
  };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 1;
}
