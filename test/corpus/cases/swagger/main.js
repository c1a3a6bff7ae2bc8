const express = require("express"),
  ui = require("swagger-ui-express");
const a = express();
a.use("/docs", ui.serve, ui.setup({ openapi: "3.0.0", info: { title: "x" } }));
const s = a.listen(0, async () => {
  const b = "http://127.0.0.1:" + s.address().port;
  const c = require("crypto");
  for (const f of [
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
    "",
  ]) {
    const x = Buffer.from(await (await fetch(b + "/docs/" + f)).arrayBuffer());
    console.log(f, x.length, c.createHash("md5").update(x).digest("hex"));
  }
  process.exit();
});
