import { createServer } from "node:http";
import { countWords } from "./words.ts";

const port = Number(process.env["PORT"] ?? 8080);

createServer((request, response) => {
  if (request.url === "/healthz") {
    response.end("ok\n");
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(`${JSON.stringify(Object.fromEntries(countWords(Buffer.concat(chunks).toString())))}\n`);
  });
}).listen(port, () => console.log(`listening on ${port}`));
