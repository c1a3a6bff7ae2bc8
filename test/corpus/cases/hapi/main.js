const H = require("@hapi/hapi");
const s = H.server();
s.route({ method: "GET", path: "/", handler: () => "hapi" });
s.inject("/").then((r) => console.log(r.result));
