const { Server } = require("socket.io");
const s = new Server(0);
console.log(typeof s.on, require("ws").WebSocketServer.name);
const h = s.httpServer;
h.on("listening", async () => {});
setTimeout(async () => {
  const p = h.address().port;
  const r = await fetch("http://127.0.0.1:" + p + "/socket.io/socket.io.js");
  console.log(r.status, (await r.text()).length);
  process.exit();
}, 100);
