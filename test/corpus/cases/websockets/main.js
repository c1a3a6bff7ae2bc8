const { WebSocketServer, WebSocket } = require("ws");
const server = new WebSocketServer({ port: 0 }, () => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
  socket.on("open", () => socket.send("hi"));
  socket.on("message", (m) => {
    console.log(m.toString());
    process.exit();
  });
});
server.on("connection", (s) => s.on("message", (m) => s.send(`echo ${m}`)));
