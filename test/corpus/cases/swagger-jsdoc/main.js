const path = require("path");
const jsdoc = require("swagger-jsdoc");
const spec = jsdoc({
  definition: { openapi: "3.0.0", info: { title: "x", version: "1" } },
  apis: [path.join(__dirname, "routes", "*.js"), `${__dirname}/main.js`],
});
require("./routes/pets");
/**
 * @openapi
 * /own:
 *   get:
 *     description: in the entry
 */
console.log(JSON.stringify(spec.paths));
