const path = require("path");
const P = require("piscina").Piscina || require("piscina");
const p = new P({ filename: path.resolve(__dirname, "work.js") });
const wp = require("workerpool").pool(__dirname + "/wpwork.js");
(async () => {
  console.log(await p.run({ a: 2 }), await wp.exec("add", [1, 2]));
  await p.destroy();
  await wp.terminate();
})();
