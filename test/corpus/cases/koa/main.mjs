import Koa from "koa";
import Router from "@koa/router";
const a = new Koa();
const r = new Router();
r.get("/", (c) => {
  c.body = { ok: 1 };
});
a.use(r.routes());
const s = a.listen(0, async () => {
  console.log(await (await fetch("http://127.0.0.1:" + s.address().port)).text());
  process.exit();
});
