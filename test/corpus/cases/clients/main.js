(async () => {
  const t = async (n, f) => {
    try {
      await f();
      console.log(n, "?");
    } catch (e) {
      console.log(n, e.code || e.name);
    }
  };
  await t("pg", async () => {
    const { Client } = require("pg");
    const c = new Client({ port: 1, host: "127.0.0.1" });
    await c.connect();
  });
  await t("mysql", async () => {
    await require("mysql2/promise").createConnection({ port: 1, host: "127.0.0.1" });
  });
  await t("mongo", async () => {
    const { MongoClient } = require("mongodb");
    await new MongoClient("mongodb://127.0.0.1:1", { serverSelectionTimeoutMS: 200 }).connect();
  });
  await t("redis", async () => {
    const r = require("redis").createClient({ url: "redis://127.0.0.1:1", socket: { reconnectStrategy: false } });
    r.on("error", () => {});
    await r.connect();
  });
  await t("ioredis", async () => {
    const R = require("ioredis");
    const r = new R({ port: 1, host: "127.0.0.1", retryStrategy: () => null, lazyConnect: true });
    r.on("error", () => {});
    await r.connect();
  });
  await t("knex", async () => {
    await require("knex")({ client: "pg", connection: { port: 1, host: "127.0.0.1" } }).raw("select 1");
  });
  await t("sequelize", async () => {
    const { Sequelize } = require("sequelize");
    await new Sequelize("postgres://127.0.0.1:1/x", { logging: false }).authenticate();
  });
  await t("typeorm", async () => {
    const { DataSource } = require("typeorm");
    await new DataSource({ type: "postgres", host: "127.0.0.1", port: 1 }).initialize();
  });
  await t("axios", async () => {
    await require("axios").get("http://127.0.0.1:1/");
  });
  await t("undici", async () => {
    await require("undici").request("http://127.0.0.1:1/");
  });
  await t("mongoose", async () => {
    await require("mongoose").connect("mongodb://127.0.0.1:1", { serverSelectionTimeoutMS: 200 });
  });
  process.exit(0);
})();
