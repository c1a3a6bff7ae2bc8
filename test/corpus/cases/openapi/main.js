const express = require("express");
const path = require("path");
const OpenApiValidator = require("express-openapi-validator");
const app = express();
app.use(express.json());
app.use(
  OpenApiValidator.middleware({
    apiSpec: path.join(__dirname, "api.yaml"),
    operationHandlers: path.join(__dirname, "handlers"),
  }),
);
app.use((e, q, r, n) => r.status(e.status ?? 500).json({ message: e.message }));
const server = app.listen(0, async () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  console.log(await (await fetch(`${base}/pets?limit=2`)).text(), await (await fetch(`${base}/pets?limit=x`)).text());
  process.exit();
});
