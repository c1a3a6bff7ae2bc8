import { Elysia, t } from "elysia";
const app = new Elysia()
  .get("/", () => "elysia")
  .post("/sum", ({ body }) => body.a + body.b, { body: t.Object({ a: t.Number(), b: t.Number() }) });
const post = (body) =>
  app.handle(
    new Request("http://x/sum", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
console.log(
  await (await app.handle(new Request("http://x/"))).text(),
  await (await post({ a: 1, b: 2 })).text(),
  (await post({ a: "x" })).status,
);
