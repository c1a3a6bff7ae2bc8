import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** What stands in front of a registry and writes down what it is asked. */
export interface RecordingProxy {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `METHOD path`, of everything that was answered since the last look. */
  take(): string[];
  stop(): Promise<void>;
}

export async function startProxy(to: string): Promise<RecordingProxy> {
  const [hostname, port] = to.split(":");
  let requests: string[] = [];
  const server = createServer((incoming, response) => {
    const { method, url = "/", headers } = incoming;
    requests.push(`${method} ${url}`);
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = requests;
      requests = [];
      return taken;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close").catch(() => {});
    },
  };
}
