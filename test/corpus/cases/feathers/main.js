const { feathers } = require("@feathersjs/feathers");
const express = require("@feathersjs/express");
class Messages {
  async find() {
    return [{ id: 1, text: "hi" }];
  }
  async create(data) {
    return { id: 2, ...data };
  }
}
const app = express.default ? express.default(feathers()) : express(feathers());
app.use(express.json());
app.configure(express.rest());
app.use("messages", new Messages());
app.use(express.errorHandler({ logger: false }));
app.service("messages").on("created", (m) => console.log("event", m));
app.listen(0).then(async (server) => {
  const url = `http://127.0.0.1:${server.address().port}/messages`;
  console.log(await (await fetch(url)).json());
  console.log(
    await (
      await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: '{"text":"x"}' })
    ).json(),
  );
  process.exit();
});
