const Mustache = require("mustache");
const { Eta } = require("eta");
const { Liquid } = require("liquidjs");
const nunjucks = require("nunjucks");
const handlebars = require("handlebars");
const fs = require("fs");
const path = require("path");
const views = path.join(__dirname, "views");
(async () => {
  console.log(Mustache.render(fs.readFileSync(path.join(views, "page.mustache"), "utf8"), { name: "m" }));
  console.log(new Eta({ views }).render("./page", { name: "eta" }));
  console.log(await new Liquid({ root: views, extname: ".liquid" }).renderFile("page", { name: "liquid" }));
  console.log(nunjucks.configure(views).render("page.njk", { name: "nj" }));
  for (const file of fs.readdirSync(path.join(views, "partials")))
    handlebars.registerPartial(path.parse(file).name, fs.readFileSync(path.join(views, "partials", file), "utf8"));
  console.log(handlebars.compile("{{> row name=n}}")({ n: "hb" }));
})();
