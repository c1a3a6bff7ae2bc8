(async () => {
  const pw = require("playwright-core");
  console.log(Object.keys(pw).slice(0, 5), pw.devices["iPhone 13"].viewport);
  await pw.chromium.launch({ executablePath: "/nothing" }).catch((e) => console.log(e.message));
  const request = await pw.request.newContext();
  await request.get("http://127.0.0.1:1").catch((e) => console.log(e.message.split("\n")[0]));
  process.exit();
})();
