const express = require("express");
const session = require("express-session");
const FileStore = require("session-file-store")(session);
const app = express();
app.use(
  session({
    secret: "x",
    resave: false,
    saveUninitialized: true,
    store: new FileStore({ path: "/tmp/sessions", logFn: () => {} }),
  }),
);
app.get("/", (req, res) => {
  req.session.n = (req.session.n ?? 0) + 1;
  res.json({ n: req.session.n });
});
const server = app.listen(0, async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const first = await fetch(url);
  console.log(
    await first.json(),
    await (await fetch(url, { headers: { cookie: first.headers.get("set-cookie").split(";")[0] } })).json(),
  );
  process.exit();
});
