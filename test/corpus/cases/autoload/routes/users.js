module.exports = require("express")
  .Router()
  .get("/", (q, r) => r.json(["u"]));
