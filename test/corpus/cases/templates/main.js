console.log(
  require("handlebars").compile("{{a}}")({ a: 1 }),
  require("nunjucks")
    .configure(__dirname + "/views")
    .render("index.ejs"),
  require("pug").renderFile(__dirname + "/views/index.pug", { t: 2 }),
  require("marked").parse("*a*"),
  require("markdown-it")().render("# x"),
  require("highlight.js").highlight("let a=1", { language: "js" }).value,
);
