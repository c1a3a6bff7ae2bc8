module.exports = { db: { host: "production" } };
