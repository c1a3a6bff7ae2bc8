const path = require("path");
const Bree = require("bree");
const bree = new Bree({
  root: path.join(__dirname, "jobs"),
  jobs: [{ name: "hello", timeout: 0 }],
  logger: false,
  workerMessageHandler: ({ message }) => {
    console.log("job says", message);
    bree.stop().then(() => process.exit());
  },
});
bree.start();
