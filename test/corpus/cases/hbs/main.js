const express = require("express");
const hbs = require("hbs");
const app = express();
app.set("view engine", "hbs");
app.set("views", `${__dirname}/views`);
hbs.registerPartials(`${__dirname}/views/partials`, () => {
  const server = app.listen(0, async () => {
    console.log(await (await fetch(`http://127.0.0.1:${server.address().port}`)).text());
    process.exit();
  });
});
app.get("/", (req, res) => res.render("index", { name: "hbs" }));
