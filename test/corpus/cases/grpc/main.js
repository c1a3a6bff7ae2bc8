const g = require("@grpc/grpc-js"),
  l = require("@grpc/proto-loader");
const d = g.loadPackageDefinition(l.loadSync(__dirname + "/protos/echo.proto"));
const s = new g.Server();
s.addService(d.t.Echo.service, { Say: (c, cb) => cb(null, { s: c.request.s + "!" }) });
s.bindAsync("127.0.0.1:0", g.ServerCredentials.createInsecure(), (e, p) => {
  new d.t.Echo("127.0.0.1:" + p, g.credentials.createInsecure()).Say({ s: "hi" }, (e, r) => {
    console.log(e, r);
    process.exit();
  });
});
