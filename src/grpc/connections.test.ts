import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, type Server, connect } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { after, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { makeCertificates } from "../../testing/certificates.ts";
import { textMethod } from "../../testing/grpc.ts";
import { temporaryDirectory } from "../io/index.ts";
import { GrpcClient, GrpcServer, invoke, unary } from "./index.ts";

const greet = textMethod("Greet");
const server = new GrpcServer([unary(greet, async (name) => await Promise.resolve(`hello ${name}`))]);
after(() => server[Symbol.asyncDispose]());

async function greets(connection: Duplex): Promise<void> {
  using client = new GrpcClient(connection);
  assert.equal(await invoke(client, greet, "you"), "hello you");
  const large = "x".repeat(2_000_000);
  assert.equal(await invoke(client, greet, large), `hello ${large}`);
}

async function portOf(listener: Server): Promise<number> {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return (listener.address() as AddressInfo).port;
}

test("a TLS connection", async () => {
  await using folder = await temporaryDirectory();
  const { ca, serverCert, serverKey } = await makeCertificates(folder.path);
  const [cert, key] = [readFileSync(serverCert), readFileSync(serverKey)];
  const listener = createTlsServer({ cert, key, ALPNProtocols: ["h2"] }, (socket) => server.serve(socket));
  const port = await portOf(listener);
  const socket = connectTls({ port, host: "127.0.0.1", ca: readFileSync(ca), ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  assert.equal(socket.alpnProtocol, "h2");
  await greets(socket);
  listener.close();
});

test("a connection after an HTTP upgrade, whose client does not wait for the answer", async () => {
  const listener = createHttpServer().on("upgrade", (_request, socket, head) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    if (head.length > 0) socket.unshift(head);
    server.serve(socket);
  });
  const socket = connect(await portOf(listener), "127.0.0.1");
  await once(socket, "connect");
  // The request and the client's preface arrive together.
  socket.cork();
  socket.write("POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  const [inner, outer] = duplexPair();
  outer.pipe(socket);
  setImmediate(() => socket.uncork());
  let head: Buffer | undefined = Buffer.alloc(0);
  let answer = "";
  socket.on("data", (chunk: Buffer) => {
    if (head === undefined) {
      outer.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    answer = head.toString("latin1", 0, end);
    outer.write(head.subarray(end + 4));
    head = undefined;
  });
  await greets(inner);
  assert.match(answer, /^HTTP\/1\.1 101 /);
  socket.destroy();
  listener.close();
});

test("any other stream", async () => {
  const [one, other] = duplexPair();
  server.serve(one);
  await greets(other);
});

test("a client makes as many calls at once as the server takes, and the rest afterwards", async () => {
  let running = 0;
  let most = 0;
  const limited = new GrpcServer(
    [
      unary(greet, async (name) => {
        running += 1;
        most = Math.max(most, running);
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        return `hello ${name}`;
      }),
    ],
    { calls: 2 },
  );
  const [one, other] = duplexPair();
  limited.serve(one);
  using client = new GrpcClient(other);
  // The client knows the limit after its first call.
  await invoke(client, greet, "you");
  const answers = await Promise.all(Array.from({ length: 10 }, () => invoke(client, greet, "all")));
  assert.deepEqual([answers.length, new Set(answers).size, most], [10, 1, 2]);
  await limited.stop();
});

test("no connection after the end, nor one that is destroyed", async () => {
  const stopped = new GrpcServer([]);
  await stopped.stop();
  const [one, other] = duplexPair();
  stopped.serve(one);
  assert.equal(one.destroyed, true);
  other.destroy();
  const [dead, peer] = duplexPair();
  peer.destroy();
  dead.destroy();
  server.serve(dead);
  while (server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  using client = new GrpcClient(peer);
  await assert.rejects(invoke(client, greet, "you"), { message: "the connection is closed" });
});
