const crypto = require("crypto");
const path = require("path");
(async () => {
  const app = require("fastify")();
  await app.register(require("@fastify/swagger"), { openapi: { info: { title: "t", version: "1" } } });
  await app.register(require("@fastify/swagger-ui"), { routePrefix: "/docs" });
  await app.register(require("@fastify/autoload"), { dir: path.join(__dirname, "plugins") });
  await app.register(require("@fastify/autoload"), {
    dir: path.join(__dirname, "routes"),
    options: { prefix: "/api" },
  });
  await app.ready();
  for (const url of [
    "/api/users",
    "/api/users/deep",
    "/docs/",
    "/docs/static/swagger-ui-bundle.js",
    "/docs/static/index.css",
    "/docs/static/logo.svg",
    "/docs/json",
  ]) {
    const r = await app.inject(url);
    console.log(url, r.statusCode, r.rawPayload.length, crypto.createHash("sha1").update(r.rawPayload).digest("hex"));
  }
  console.log(app.fromPlugin());
  process.exit();
})();
