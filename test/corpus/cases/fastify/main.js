const f = require("fastify")({ logger: false });
f.register(require("@fastify/static"), { root: require("path").join(__dirname, "public") });
f.register(require("@fastify/view"), {
  engine: { ejs: require("ejs") },
  root: require("path").join(__dirname, "views"),
});
f.get("/", (q, r) => r.view("index.ejs", { t: "f" }));
f.inject("/").then(async (r) => {
  console.log(r.statusCode, r.body, (await f.inject("/hello.txt")).body);
});
