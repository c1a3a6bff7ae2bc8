const { createSchema, createYoga } = require("graphql-yoga");
const Fastify = require("fastify");
(async () => {
  const schema = createSchema({ typeDefs: "type Query { a: Int }", resolvers: { Query: { a: () => 1 } } });
  const yoga = createYoga({ schema, logging: false });
  console.log(await (await yoga.fetch("http://x/graphql?query={a}")).text());
  const html = await (await yoga.fetch("http://x/graphql", { headers: { accept: "text/html" } })).text();
  console.log(html.length);
  const app = Fastify();
  app.register(require("mercurius"), {
    schema: "type Query { add(x: Int, y: Int): Int }",
    resolvers: { Query: { add: (_, { x, y }) => x + y } },
    graphiql: true,
  });
  await app.ready();
  console.log(JSON.stringify(await app.graphql("{ add(x: 1, y: 2) }")));
  for (const path of ["/graphiql", "/graphiql/main.js", "/graphiql/sw.js"]) {
    const r = await app.inject(path);
    console.log(path, r.statusCode, r.body.length);
  }
  process.exit();
})();
