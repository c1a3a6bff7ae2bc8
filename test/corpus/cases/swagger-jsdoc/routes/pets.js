/**
 * @openapi
 * /pets:
 *   get:
 *     description: all pets
 */
module.exports = (app) => app.get("/pets", () => {});
