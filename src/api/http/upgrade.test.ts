import assert from "node:assert/strict";
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { HttpServer } from "./server.ts";

const UPGRADE = "POST /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

/** A server whose connections are taken over, and a client that has asked for that. */
async function takenOver(): Promise<{ http: HttpServer; client: Socket; taken: Duplex }> {
  const taking = Promise.withResolvers<Duplex>();
  const http = new HttpServer(() => Promise.reject(new Error("no request")), {
    takeovers: { upgrade: () => taking.resolve, http2: taking.resolve },
  });
  http.server.listen(0, "127.0.0.1");
  await once(http.server, "listening");
  const address = http.server.address();
  const client = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
  client.write(UPGRADE);
  const [answer] = (await once(client, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 101 /);
  return { http, client, taken: await taking.promise };
}

test("a connection that was taken over ends when its client closes it", async () => {
  const { http, client, taken } = await takenOver();
  await using _http = http;
  taken.resume();
  client.end();
  await once(taken, "close");
});

test("a server that stops does not wait for connections that were taken over", async () => {
  const { http, client, taken } = await takenOver();
  await http[Symbol.asyncDispose]();
  taken.write("still here");
  const [text] = (await once(client, "data")) as [Buffer];
  assert.equal(text.toString(), "still here");
  client.destroy();
  taken.destroy();
});
