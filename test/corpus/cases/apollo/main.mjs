import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { readFileSync } from "node:fs";
const typeDefs = readFileSync(new URL("./schema.graphql", import.meta.url), "utf8");
const server = new ApolloServer({ typeDefs, resolvers: { Query: { hello: (_, { name }) => `hello ${name}` } } });
const { url } = await startStandaloneServer(server, { listen: { port: 0, host: "127.0.0.1" } });
const answer = await fetch(url, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query: '{ hello(name: "x") }' }),
});
console.log(await answer.text());
await server.stop();
