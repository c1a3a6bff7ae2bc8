const express = require("express");
const { createBullBoard } = require("@bull-board/api");
const { ExpressAdapter } = require("@bull-board/express");
const jsonServer = require("json-server");

const board = new ExpressAdapter();
board.setBasePath("/board");
createBullBoard({ queues: [], serverAdapter: board });
const api = jsonServer.create();
api.use(jsonServer.defaults({ logger: false }), jsonServer.router({ posts: [{ id: 1 }] }));
const server = express()
  .use("/board", board.getRouter())
  .use("/api", api)
  .listen(0, "127.0.0.1", async () => {
    const get = async (path) => {
      const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`);
      return [answer.status, await answer.text()];
    };
    const page = await get("/board/");
    console.log(page);
    const script = /static\/js\/[^"]+/.exec(page[1])?.[0];
    console.log(
      script,
      (await get(`/board/${script}`)).map((one) => one.length),
    );
    console.log(await get("/api/posts"));
    console.log((await get("/api/"))[1].length);
    process.exit();
  });
