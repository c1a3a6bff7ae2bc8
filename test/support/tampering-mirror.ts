import http from "node:http";
import type { AddressInfo } from "node:net";
import { download } from "../../src/base/http.ts";
import { findRoots } from "../../src/sources/debian/mirror.ts";

/** Changes what a mirror answers; the path begins with `debian/` or `debian-security/`. */
export type Tamper = (path: string, bytes: Buffer) => Buffer;

/** Debian's real mirror, with somebody in between. */
export class TamperingMirror {
  tamper: Tamper = (_, bytes) => bytes;
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
  }

  static async start(): Promise<TamperingMirror> {
    const { main, security } = await findRoots(undefined, process.env);
    const context = { signal: new AbortController().signal, report: () => {}, env: process.env };
    const server = http.createServer();
    const mirror = new TamperingMirror(server);
    server.on("request", async (request, response) => {
      const path = (request.url ?? "").slice(1);
      const url = path.startsWith("debian/") ? `${main}/${path.slice(7)}` : `${security}/${path.slice(16)}`;
      try {
        const bytes = await download(context, url, async (body) => {
          const parts: Uint8Array[] = [];
          for await (const chunk of body) parts.push(chunk);
          return Buffer.concat(parts);
        });
        response.end(mirror.tamper(path, bytes));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return mirror;
  }

  /** What makes slim ask here. */
  get env(): Readonly<Record<string, string>> {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return { SLIM_DEBIAN_MIRROR: `${url}/debian`, SLIM_DEBIAN_SECURITY_MIRROR: `${url}/debian-security` };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
