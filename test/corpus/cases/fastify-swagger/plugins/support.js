module.exports = require("fastify-plugin")(async (app) => app.decorate("fromPlugin", () => "plugin"));
