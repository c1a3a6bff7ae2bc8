const http = require("node:http");
const { serve, json, send } = require("micro");
const server = new http.Server(
  serve(async (req, res) => {
    if (req.method === "POST") return { got: await json(req) };
    send(res, 418, "teapot");
  }),
);
server.listen(0, async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  console.log(await (await fetch(url, { method: "POST", body: '{"a":1}' })).text(), (await fetch(url)).status);
  server.close();
  process.exit();
});
