const pino = require("pino");
const t = pino.transport({
  targets: [
    {
      target: "pino-pretty",
      options: { colorize: false, translateTime: "yyyy", ignore: "pid,hostname,time", destination: 1 },
    },
    { target: "pino/file", options: { destination: "/tmp/log" } },
  ],
});
const l = pino(t);
l.info("hello");
setTimeout(() => {}, 600);
