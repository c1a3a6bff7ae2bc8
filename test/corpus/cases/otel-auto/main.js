require("./tracing");
const http = require("http");
const pg = require("pg");
console.log(pg.Client.prototype.query.__wrapped === true, http.get.__wrapped === true);
