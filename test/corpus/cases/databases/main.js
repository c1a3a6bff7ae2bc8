// Every client fails the same way where nothing listens.
const attempt = async (name, connect) => {
  try {
    await connect();
    console.log(name, "connected?");
  } catch (error) {
    console.log(name, error.name, error.code);
  }
};
(async () => {
  await attempt(
    "tedious",
    () =>
      new Promise((ok, no) => {
        const { Connection } = require("tedious");
        const c = new Connection({
          server: "127.0.0.1",
          options: { port: 1, connectTimeout: 2000, trustServerCertificate: true },
          authentication: { type: "default", options: { userName: "a", password: "b" } },
        });
        c.connect((e) => (e ? no(e) : ok()));
      }),
  );
  await attempt("mssql", () =>
    require("mssql").connect({
      server: "127.0.0.1",
      port: 1,
      user: "a",
      password: "b",
      options: { trustServerCertificate: true },
    }),
  );
  await attempt("cassandra", () =>
    new (require("cassandra-driver").Client)({ contactPoints: ["127.0.0.1:1"], localDataCenter: "x" }).connect(),
  );
  await attempt("elastic", () =>
    new (require("@elastic/elasticsearch").Client)({ node: "http://127.0.0.1:1", maxRetries: 0 }).info(),
  );
  await attempt("kafka", async () => {
    const { Kafka, logLevel } = require("kafkajs");
    await new Kafka({ brokers: ["127.0.0.1:1"], retry: { retries: 0 }, logLevel: logLevel.NOTHING }).admin().connect();
  });
  await attempt("amqp", () => require("amqplib").connect("amqp://127.0.0.1:1"));
  await attempt("nats", () => require("nats").connect({ servers: "127.0.0.1:1", reconnect: false }));
  await attempt("mqtt", () =>
    require("mqtt").connectAsync("mqtt://127.0.0.1:1", { reconnectPeriod: 0, connectTimeout: 1000 }, false),
  );
  await attempt("bullmq", async () => {
    const { Queue } = require("bullmq");
    const q = new Queue("x", {
      connection: { host: "127.0.0.1", port: 1, retryStrategy: () => null, maxRetriesPerRequest: 0 },
    });
    q.on("error", () => {});
    await q.add("a", {});
  });
  await attempt("stripe", () =>
    require("stripe")("sk_test_x", {
      host: "127.0.0.1",
      port: 1,
      protocol: "http",
      maxNetworkRetries: 0,
    }).customers.list(),
  );
  await attempt("playwright", () => require("playwright-core").chromium.launch());
  await attempt("playwright connect", () =>
    require("playwright-core").chromium.connect("ws://127.0.0.1:1", { timeout: 1000 }),
  );
  await attempt("agenda", async () => {
    const { Agenda } = require("agenda");
    const a = new Agenda({ db: { address: "mongodb://127.0.0.1:1/x", options: { serverSelectionTimeoutMS: 200 } } });
    a.on("error", () => {});
    await a.start();
  });
  process.exit();
})();
