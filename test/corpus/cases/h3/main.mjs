import { H3, serve, defineEventHandler } from "h3";
const app = new H3();
app.get(
  "/",
  defineEventHandler(() => ({ ok: true })),
);
app.get("/hi/:name", (event) => `hi ${event.context.params.name}`);
console.log(await (await app.request("/")).json(), await (await app.request("/hi/x")).text());
const server = serve(app, { port: 0, silent: true });
await server.ready();
console.log(await (await fetch(server.url)).text());
process.exit();
