const { parentPort } = require("worker_threads");
parentPort.postMessage(require("lodash").upperCase("hello"));
