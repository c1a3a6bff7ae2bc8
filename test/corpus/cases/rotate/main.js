const winston = require("winston");
require("winston-daily-rotate-file");
const logger = winston.createLogger({
  transports: [
    new winston.transports.DailyRotateFile({ filename: "/tmp/app-%DATE%.log" }),
    new winston.transports.Console({ format: winston.format.simple() }),
  ],
});
logger.info("rotated");
const pino = require("pino");
const p = pino(pino.transport({ target: "pino-roll", options: { file: "/tmp/roll", mkdir: true } }));
p.info("x");
setTimeout(() => {
  console.log(
    require("fs")
      .readdirSync("/tmp")
      .filter((f) => /^(app|roll)/.test(f)).length,
  );
  process.exit();
}, 800);
