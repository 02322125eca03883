import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  connect,
  constants,
} from "node:http2";
import type { Socket } from "node:net";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { type ServedGrpc, serveGrpc, textMethod } from "../../testing/grpc.ts";
import { http2Frame, literalField } from "../../testing/http2-frames.ts";
import { frame } from "./framing.ts";
import { GrpcCode, GrpcError, GrpcLimits, GrpcServer, bidiStream, invoke, serverStream, unary } from "./index.ts";

const echo = textMethod("Echo");
const PATH = "/varve.test.Texts/Echo";
const POST = { ":method": "POST", ":path": PATH, "content-type": "application/grpc", te: "trailers" };
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async function serveEcho(): Promise<ServedGrpc> {
  return await serveGrpc(new GrpcServer([unary(echo, async (request) => request)]));
}

async function session(served: ServedGrpc): Promise<ClientHttp2Session> {
  const socket = await served.socket();
  const opened = connect("http://localhost", { createConnection: () => socket, maxSessionMemory: 1000 });
  opened.on("error", () => undefined);
  return opened;
}

/** Resolves when a stream, a socket or a session is closed, also after an error. */
async function closed(emitter: { once(event: "close", listener: () => void): unknown }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  emitter.once("close", resolve);
  await promise;
}

/** Sends a request and returns the fields with which the response ends. */
async function answer(stream: ClientHttp2Stream, body?: Uint8Array): Promise<IncomingHttpHeaders> {
  let fields: IncomingHttpHeaders = {};
  stream.on("response", (headers) => (fields = { ...fields, ...headers }));
  stream.on("trailers", (headers) => (fields = { ...fields, ...headers }));
  stream.on("error", () => undefined);
  if (body === undefined) stream.end();
  else stream.end(body);
  stream.resume();
  await closed(stream);
  return fields;
}

/** The server answers another client. */
async function stillServes(served: ServedGrpc): Promise<void> {
  using client = await served.client();
  assert.equal(await invoke(client, echo, "still here"), "still here");
}

/** A connection that has sent the preface, and drops what it receives. */
async function raw(served: ServedGrpc): Promise<Socket> {
  const socket = await served.socket();
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(Buffer.concat([Buffer.from(PREFACE), http2Frame(4, 0, 0)]));
  return socket;
}

suite("requests that are not of gRPC", () => {
  test("another content type, and another method", async () => {
    await using served = await serveEcho();
    const client = await session(served);
    const json = await answer(client.request({ ...POST, "content-type": "application/json" }));
    assert.deepEqual([json[":status"], json["grpc-status"]], [415, "3"]);
    const get = await answer(client.request({ ...POST, ":method": "GET" }));
    assert.equal(get[":status"], 405);
    const odd = await answer(client.request({ ...POST, ":path": "/nothing" }));
    assert.deepEqual([odd["grpc-status"], odd["grpc-message"]], ["12", 'malformed method name: "/nothing"']);
    client.close();
    await stillServes(served);
  });

  test("HTTP/1.1, and bytes that are nothing", async () => {
    await using served = await serveEcho();
    for (const bytes of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\0".repeat(1000), `${PREFACE}${"\xff".repeat(100)}`]) {
      const socket = await served.socket();
      socket.on("error", () => undefined);
      socket.resume();
      socket.write(Buffer.from(bytes, "latin1"));
      await closed(socket);
    }
    await stillServes(served);
  });
});

suite("messages", () => {
  test("that are malformed fail alone", async () => {
    await using served = await serveEcho();
    const client = await session(served);
    const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    const compressed = Buffer.from([1, 0, 0, 0, 1, 0]);
    const whole = frame(Buffer.from("x"));
    const cases = [
      [huge, GrpcCode.resourceExhausted, "grpc: received message larger than max (4294967295 vs. 16777216)"],
      [compressed, GrpcCode.unimplemented, "grpc: Decompressor is not installed for a compressed message"],
      [frame(Buffer.alloc(100)).subarray(0, 50), GrpcCode.internal, "unexpected EOF"],
      [Buffer.alloc(3), GrpcCode.internal, "unexpected EOF"],
      [Buffer.alloc(0), GrpcCode.internal, "cardinality violation: no message"],
      [Buffer.concat([whole, whole]), GrpcCode.internal, "cardinality violation: more than one message"],
    ] as const;
    for (const [body, code, message] of cases) {
      const fields = await answer(client.request(POST), body);
      assert.deepEqual([fields["grpc-status"], fields["grpc-message"]], [String(code), message]);
    }
    const fields = await answer(client.request(POST), whole);
    assert.equal(fields["grpc-status"], "0");
    client.close();
  });

  test("that nobody reads hold their sender back", async () => {
    let sent = 0;
    const endless = serverStream(echo, async function* () {
      for (;;) {
        await setImmediate();
        yield "x".repeat(100_000);
        sent += 100_000;
      }
    });
    await using served = await serveGrpc(new GrpcServer([endless]));
    const client = await session(served);
    const stream = client.request(POST);
    stream.on("error", () => undefined);
    stream.end(frame(Buffer.alloc(0)));
    await once(stream, "response");
    let before = -1;
    while (before !== sent) {
      before = sent;
      for (let turn = 0; turn < 50; turn += 1) await setImmediate();
    }
    assert.ok(sent < 4_000_000, `${sent} bytes were sent to a client that reads none`);
    client.destroy();
  });

  test("that a handler does not read hold the client back", async () => {
    const never = bidiStream(echo, async (_requests, _send, { signal }) => {
      if (!signal.aborted) await once(signal, "abort");
    });
    await using served = await serveGrpc(new GrpcServer([never]));
    const client = await session(served);
    const stream = client.request(POST);
    stream.on("error", () => undefined);
    for (let count = 0; count < 20; count += 1) stream.write(Buffer.alloc(1_000_000));
    for (let turn = 0; turn < 500; turn += 1) await setImmediate();
    const taken = 20_000_000 - stream.writableLength;
    assert.ok(taken > 0 && taken <= GrpcLimits.streamWindow + 1_000_000, `${taken} bytes were taken`);
    client.destroy();
  });
});

suite("headers", () => {
  test("endless metadata ends that connection", async () => {
    await using served = await serveEcho();
    const client = await session(served);
    const many = Array.from({ length: GrpcLimits.headerFields }, (_, at) => `value ${at}`);
    const fields = await answer(client.request({ ...POST, many }), frame(Buffer.alloc(0)));
    assert.equal(fields["grpc-status"], undefined);
    const socket = await raw(served);
    // A header block that never ends: CONTINUATION frames without END_HEADERS.
    socket.write(http2Frame(1, 0, 1, Buffer.from([0x82])));
    const piece = http2Frame(
      9,
      0,
      1,
      Buffer.concat([Buffer.from([0x00, 0x01, 0x61, 0x7f, 0x81, 0x7e]), Buffer.alloc(16_000, 0x61)]),
    );
    const timer = setInterval(() => socket.write(piece), 1);
    await closed(socket);
    clearInterval(timer);
    await stillServes(served);
  });

  test("a status far over 64 KiB is sent whole", async () => {
    const details = Buffer.alloc(300_000, 7);
    const implementation = unary(echo, () => Promise.reject(new GrpcError(GrpcCode.unknown, "failed", { details })));
    await using served = await serveGrpc(new GrpcServer([implementation]));
    const socket = await served.socket();
    const headers = Buffer.concat([
      ...[
        [":method", "POST"],
        [":scheme", "http"],
        [":path", PATH],
        [":authority", "x"],
      ].map(([a = "", b = ""]) => literalField(a, b)),
      literalField("content-type", "application/grpc"),
    ]);
    socket.write(
      Buffer.concat([
        Buffer.from(PREFACE),
        http2Frame(4, 0, 0),
        http2Frame(1, 4, 1, headers),
        http2Frame(0, 1, 1, frame(Buffer.alloc(0))),
      ]),
    );
    // HEADERS (1) and CONTINUATION (9) of stream 1, until END_HEADERS.
    let size = 0;
    let pending = Buffer.alloc(0);
    for await (const chunk of socket) {
      pending = Buffer.concat([pending, chunk as Buffer]);
      let ended = false;
      while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
        const length = pending.readUIntBE(0, 3);
        const [type, flags = 0] = [pending[3], pending[4]];
        if (type === 1 || type === 9) {
          size += length;
          ended ||= (flags & 4) !== 0;
        }
        pending = pending.subarray(9 + length);
      }
      if (ended) break;
    }
    // A Huffman code of base64 takes at least five bits for each character.
    assert.ok(size > 240_000, `only ${size} bytes of headers arrived`);
  });
});

suite("floods", () => {
  test("thousands of streams are held back", async () => {
    const held = bidiStream(echo, async (_requests, _send, { signal }) => {
      if (!signal.aborted) await once(signal, "abort");
    });
    const server = new GrpcServer([held, unary(textMethod("Other"), async () => "served")]);
    await using served = await serveGrpc(server);
    const client = await session(served);
    await once(client, "remoteSettings");
    for (let count = 0; count < 3000; count += 1) client.request(POST).on("error", () => undefined);
    while (server.calls < GrpcLimits.streams) await setImmediate();
    using other = await served.client();
    assert.equal(await invoke(other, textMethod("Other"), ""), "served");
    assert.equal(server.calls, GrpcLimits.streams);
    client.destroy();
    while (server.calls > 0) await setImmediate();
  });

  test("streams that are reset at once end the connection", async () => {
    await using served = await serveEcho();
    const client = await session(served);
    await once(client, "remoteSettings");
    const end = closed(client);
    const flood = async (): Promise<void> => {
      while (!client.destroyed && !client.closed) {
        for (let count = 0; count < 100 && !client.destroyed && !client.closed; count += 1) {
          const stream = client.request(POST);
          stream.on("error", () => undefined);
          stream.close(constants.NGHTTP2_CANCEL);
        }
        await setImmediate();
      }
    };
    await Promise.all([end, flood()]);
    await stillServes(served);
  });

  test("settings and pings without end", async () => {
    await using served = await serveEcho();
    for (const piece of [http2Frame(4, 0, 0), http2Frame(6, 0, 0, Buffer.alloc(8))]) {
      const socket = await raw(served);
      socket.pause();
      const many = Buffer.concat(Array.from({ length: 1000 }, () => piece));
      for (let count = 0; count < 50; count += 1) socket.write(many);
      await stillServes(served);
      socket.destroy();
    }
    await stillServes(served);
  });
});

test("a request that is too large is refused before it is sent", async () => {
  await using served = await serveEcho();
  using client = await served.client();
  const refused = invoke(client, echo, "x".repeat(GrpcLimits.message + 1));
  await assert.rejects(refused, { code: GrpcCode.resourceExhausted });
  await stillServes(served);
});
