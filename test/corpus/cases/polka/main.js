const polka = require("polka");
const serve = require("serve-static");
const app = polka();
app.use(serve(`${__dirname}/public`));
app.get("/users/:id", (req, res) => res.end(`user ${req.params.id}`));
app.listen(0, async () => {
  const base = `http://127.0.0.1:${app.server.address().port}`;
  for (const path of ["/users/7", "/style.css"]) console.log(await (await fetch(base + path)).text());
  process.exit();
});
