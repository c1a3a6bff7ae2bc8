const express = require("express"),
  path = require("path");
const app = express();
app.set("view engine", "ejs");
app.set("views", path.join(__dirname, "views"));
app.use(express.static(path.join(__dirname, "public")));
app.get("/", (q, r) => r.render("index", { t: "x" }));
const s = app.listen(0, async () => {
  const b = "http://127.0.0.1:" + s.address().port;
  console.log(await (await fetch(b + "/")).text(), await (await fetch(b + "/hello.txt")).text());
  s.close();
  process.exit();
});
