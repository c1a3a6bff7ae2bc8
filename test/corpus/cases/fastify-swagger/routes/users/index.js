module.exports = async (app) => {
  app.get("/", async () => ({ users: [] }));
};
