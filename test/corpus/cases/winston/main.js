const w = require("winston");
w.createLogger({ transports: [new w.transports.Console()] }).info("hi");
