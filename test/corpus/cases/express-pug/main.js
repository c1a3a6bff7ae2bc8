const express = require("express");
const app = express();
app.set("view engine", "pug");
app.set("views", require("path").join(__dirname, "views"));
app.get("/", (q, r) => r.render("index", { t: "x" }));
const s = app.listen(0, async () => {
  const b = "http://127.0.0.1:" + s.address().port;
  console.log(await (await fetch(b + "/")).text());
  process.exit();
});
