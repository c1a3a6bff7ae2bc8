module.exports = async (app) => {
  app.get("/", async () => ({ deep: true }));
};
