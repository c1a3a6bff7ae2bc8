const soap = require("soap");
const http = require("http");
const path = require("path");
const fs = require("fs");
const server = http
  .createServer((q, r) => r.end())
  .listen(0, async () => {
    soap.listen(
      server,
      "/hello",
      { Hello: { Port: { say: ({ name }) => ({ greeting: `hello ${name}` }) } } },
      fs.readFileSync(path.join(__dirname, "hello.wsdl"), "utf8"),
    );
    const client = await soap.createClientAsync(path.join(__dirname, "hello.wsdl"));
    client.setEndpoint(`http://127.0.0.1:${server.address().port}/hello`);
    console.log((await client.sayAsync({ name: "x" }))[0]);
    process.exit();
  });
