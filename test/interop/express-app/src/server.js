import express from "express";
import { GREETING } from "./words.js";

const app = express();
app.get("/greet/:name", (request, response) => {
  response.json({ text: `${GREETING}, ${request.params.name}`, user: process.getuid(), mode: process.env.NODE_ENV });
});
const server = app.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
  console.log(`listening on ${server.address().port}`);
});
process.on("SIGTERM", () => server.close());
