import { createServer } from "node:http";

const server = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ path: request.url })}\n`);
});

server.listen(process.env.PORT ?? 8080);

// Lets requests end before the container does.
process.on("SIGTERM", () => server.close());
