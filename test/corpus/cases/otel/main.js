const { NodeSDK } = require("@opentelemetry/sdk-node");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");
const { InMemorySpanExporter, SimpleSpanProcessor } = require("@opentelemetry/sdk-node").tracing;
const e = new InMemorySpanExporter();
const sdk = new NodeSDK({
  spanProcessors: [new SimpleSpanProcessor(e)],
  instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()],
});
sdk.start();
const app = require("express")();
app.get("/a", (q, r) => r.send("x"));
const s = app.listen(0, async () => {
  await (await fetch("http://127.0.0.1:" + s.address().port + "/a")).text();
  setTimeout(() => {
    console.log(
      e
        .getFinishedSpans()
        .map((x) => x.name)
        .sort(),
    );
    process.exit();
  }, 50);
});
