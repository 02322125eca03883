import assert from "node:assert/strict";
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { HttpServer } from "./server.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const REQUEST = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

suite("connections without a request for another protocol", () => {
  let http: HttpServer;
  let taken: Duplex[];
  before(async () => {
    taken = [];
    http = new HttpServer(({ path }) => Promise.resolve({ status: 200, headers: {}, body: path }), {
      takeovers: { upgrade: () => undefined, http2: (connection) => taken.push(connection) },
    });
    http.server.listen(0, "127.0.0.1");
    await once(http.server, "listening");
  });
  after(async () => await http[Symbol.asyncDispose]());

  async function open(): Promise<Socket> {
    const address = http.server.address();
    const client = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
    client.setNoDelay(true);
    await once(client, "connect");
    return client;
  }

  async function sendSlowly(client: Socket, text: string): Promise<void> {
    for (const character of text) {
      client.write(character);
      for (let turn = 0; turn < 3; turn += 1) await setImmediate();
    }
  }

  async function answer(client: Socket): Promise<string> {
    const [data] = (await once(client, "data")) as [Buffer];
    return data.toString();
  }

  test("HTTP/2 is handed over with its first bytes, however slowly they come", async () => {
    for (const send of [sendSlowly, async (client: Socket, text: string) => void client.write(text)]) {
      const client = await open();
      await send(client, `${PREFACE}more`);
      while (taken.length === 0) await setImmediate();
      const [connection] = taken.splice(0);
      assert.ok(connection);
      let read = "";
      while (read.length < PREFACE.length + 4) {
        const piece = connection.read() as Buffer | null;
        if (piece === null) await once(connection, "readable");
        else read += piece.toString();
      }
      assert.equal(read, `${PREFACE}more`);
      connection.end("hello");
      assert.equal(await answer(client), "hello");
      client.destroy();
    }
  });

  test("HTTP/1 is served, however slowly it comes, and again on the same connection", async () => {
    const client = await open();
    await sendSlowly(client, REQUEST);
    assert.match(await answer(client), /^HTTP\/1\.1 200 OK/);
    client.write(REQUEST);
    assert.match(await answer(client), /^HTTP\/1\.1 200 OK/);
    client.destroy();
    assert.equal(taken.length, 0);
  });

  test("what begins like HTTP/2 and is not is an error of that client", async () => {
    const client = await open();
    await sendSlowly(client, "PRI");
    client.write("NT / HTTP/1.1\r\n\r\n");
    assert.match(await answer(client), /^HTTP\/1\.1 400 /);
    client.destroy();
  });

  test("a server that stops does not wait for clients that have sent nothing", async () => {
    const clients = [await open(), await open()];
    clients[1]?.write(PREFACE.slice(0, 5));
    const closed = clients.map(async (client) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      client
        .on("error", () => undefined)
        .once("close", () => resolve())
        .resume();
      await promise;
    });
    while ((await connections()) < 2) await setImmediate();
    await http[Symbol.asyncDispose]();
    await Promise.all(closed);
  });

  async function connections(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    http.server.getConnections((_error, count) => resolve(count));
    return await promise;
  }
});
