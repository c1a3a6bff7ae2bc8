// Folders that are loaded the way everybody writes it.
const fs = require("fs");
const path = require("path");
const express = require("express");
const app = express();
for (const file of fs.readdirSync(path.join(__dirname, "routes"))) {
  if (!file.endsWith(".js")) continue;
  const name = path.basename(file, ".js");
  app.use(`/${name}`, require(`./routes/${file}`));
}
const models = require("./models");
const services = {};
for (const entry of fs.readdirSync(`${__dirname}/services`, { withFileTypes: true }))
  if (entry.isDirectory()) services[entry.name] = require(path.join(__dirname, "services", entry.name));
const { globSync } = require("glob");
const handlers = globSync("handlers/**/*.js", { cwd: __dirname })
  .sort()
  .map((file) => require(path.resolve(__dirname, file)).name);
const fg = require("fast-glob");
const events = fg.sync(path.join(__dirname, "events/*.js").replace(/\\/g, "/")).map((file) => require(file));
const { createContainer } = require("awilix");
const container = createContainer();
container.loadModules([`${__dirname}/injected/*.js`], { formatName: "camelCase" });
const server = app.listen(0, async () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  console.log(await (await fetch(`${base}/users`)).text(), await (await fetch(`${base}/posts`)).text());
  console.log(Object.keys(models), services, handlers, events, Object.keys(container.registrations));
  console.log(container.resolve("mailService"));
  process.exit();
});
