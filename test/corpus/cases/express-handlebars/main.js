const express = require("express");
const { engine } = require("express-handlebars");
const path = require("path");
const app = express();
app.engine(
  "handlebars",
  engine({ layoutsDir: path.join(__dirname, "views/layouts"), partialsDir: path.join(__dirname, "views/partials") }),
);
app.set("view engine", "handlebars");
app.set("views", path.join(__dirname, "views"));
app.get("/", (req, res) => res.render("home", { name: "x" }));
const server = app.listen(0, async () => {
  console.log(await (await fetch(`http://127.0.0.1:${server.address().port}`)).text());
  process.exit();
});
