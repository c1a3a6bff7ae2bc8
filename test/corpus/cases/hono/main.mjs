import { Hono } from "hono";
import { serve } from "@hono/node-server";
const a = new Hono();
a.get("/", (c) => c.text("hono"));
const s = serve({ fetch: a.fetch, port: 0 }, async (i) => {
  console.log(await (await fetch("http://127.0.0.1:" + i.port)).text());
  process.exit();
});
