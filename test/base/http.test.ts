import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "ava";
import { download } from "../../src/base/http.ts";

test("a body that nobody reads is let go: of a consumer that fails at once, and of a refusal", async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/gone" ? 404 : 200);
    response.write("the rest does not come");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const context = { signal: new AbortController().signal, report: () => {}, env: {} };
  const fetched = (place: string) =>
    download(context, `http://127.0.0.1:${port}${place}`, () => Promise.reject(new Error("the disk is full")));
  for (const [place, message] of [
    ["/file", "the disk is full"],
    ["/gone", "the server answered 404 Not Found"],
  ] as const) {
    const [[request]] = await Promise.all([once(server, "request"), t.throwsAsync(fetched(place), { message })]);
    if (!request.socket.destroyed) await once(request.socket, "close");
  }
  server.close();
  t.pass();
});
