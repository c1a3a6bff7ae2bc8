const bunyan = require("bunyan");
bunyan
  .createLogger({ name: "x", streams: [{ stream: { write: (r) => console.log("bunyan", JSON.parse(r).msg) } }] })
  .info("hello %s", "you");
const log4js = require("log4js");
log4js.configure({
  appenders: {
    out: { type: "stdout", layout: { type: "pattern", pattern: "%p %c %m" } },
    file: { type: "file", filename: "/tmp/app.log" },
    daily: { type: "dateFile", filename: "/tmp/daily.log" },
  },
  categories: { default: { appenders: ["out", "file", "daily"], level: "info" } },
});
log4js.getLogger("cat").info("log4js");
log4js.shutdown(() => {
  console.log(require("fs").readFileSync("/tmp/app.log", "utf8").includes("log4js"));
});
