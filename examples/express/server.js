const express = require("express");

const app = express();

app.get("/", (_request, response) => {
  response.json({ hello: "world", node: process.version, uid: process.getuid() });
});

const server = app.listen(process.env.PORT ?? 8080, () => {
  process.stdout.write(`listening on ${server.address().port}\n`);
});
