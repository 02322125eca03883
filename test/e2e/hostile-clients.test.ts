import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Control } from "../../src/api/buildkit/proto/gen/control_pb.ts";
import { called } from "../../src/api/buildkit/proto/methods.ts";
import { GrpcClient, GrpcLimits, invoke } from "../../src/grpc/index.ts";
import { type ServingVarve, startServing } from "../../testing/buildkit-server.ts";
import { http2Frame, literalField } from "../../testing/http2-frames.ts";
import { residentMemory } from "../../testing/process-state.ts";
import { Varve } from "../../testing/varve.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const SETTINGS = http2Frame(4, 0, 0);
const HEADERS = 1;
const RESET = 3;
const CONTINUATION = 9;
const END_HEADERS = 4;
/** What all attacks together may add to the memory of the server, in bytes. */
const MEMORY = 600 * 1024 * 1024;

/** The fields of a call of `Control/Info`. */
const INFO = Buffer.concat(
  [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/moby.buildkit.v1.Control/Info"],
    [":authority", "x"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ].map(([name = "", value = ""]) => literalField(name, value)),
);

/** What breaks a connection of HTTP/2, sent after the settings. */
const MALFORMED: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a frame that is too large", Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])],
  ["data of a stream that nobody opened", http2Frame(0, 0, 99, Buffer.alloc(10))],
  ["headers that cannot be decoded", http2Frame(HEADERS, END_HEADERS, 1, Buffer.alloc(50, 0xff))],
  ["settings of a wrong size", http2Frame(4, 0, 0, Buffer.alloc(5))],
  ["a window that overflows", http2Frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
  ["a stream with an even number", http2Frame(HEADERS, END_HEADERS, 2, INFO)],
  ["the end of headers that did not begin", http2Frame(CONTINUATION, END_HEADERS, 1, INFO)],
];

/** Messages of a call that are not of gRPC, or too large. */
const MESSAGES: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["a message of 4 GiB", Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1])],
  ["a message over the limit", Buffer.concat([sizeOf(GrpcLimits.message + 1), Buffer.alloc(100)])],
  ["a compressed message", Buffer.from([1, 0, 0, 0, 1, 0])],
  ["a message that ends early", Buffer.from([0, 0, 0, 0, 9, 1])],
  ["bytes that are no message of the API", Buffer.concat([sizeOf(50), Buffer.alloc(50, 0xff)])],
];

function sizeOf(length: number): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(length, 1);
  return header;
}

suite("a server with hostile clients", () => {
  let varve: Varve;
  let server: ServingVarve;
  let memory: number;
  const paths: string[] = [];
  before(async () => {
    varve = await Varve.open();
    paths.push(...["b.sock", "d.sock"].map((name) => join(varve.folder, name)));
    const [buildkit = "", docker = ""] = paths;
    server = await startServing(varve, ["serve", `--buildkit=unix://${buildkit}`, `--docker=unix://${docker}`], {
      count: 2,
    });
    memory = residentMemory(server.pid);
  });
  after(async () => {
    assert.equal(await server?.stop(), 0);
    await varve?.[Symbol.asyncDispose]();
  });

  afterEach(async () => {
    for (const path of paths) await stillBuilds(path);
    const added = residentMemory(server.pid) - memory;
    assert.ok(added < MEMORY, `${Math.round(added / 1e6)} MB more`);
    assert.deepEqual(
      server.printed.filter((line) => /error|at .*\.[tj]s/i.test(line)),
      [],
    );
  });

  async function open(path: string): Promise<Socket> {
    const socket = connect(path);
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  /** Another client can build, here an empty result. */
  async function stillBuilds(path: string): Promise<void> {
    using client = new GrpcClient(await open(path));
    await invoke(client, called(Control.method.solve), { ref: randomUUID(), definition: new Uint8Array() });
  }

  /** A connection that speaks HTTP/2 and drops what it receives. */
  async function raw(path: string): Promise<Socket> {
    const socket = await open(path);
    socket.resume();
    socket.write(Buffer.concat([PREFACE, SETTINGS]));
    return socket;
  }

  async function closed(emitter: {
    once(event: "close", listener: () => void): unknown;
    destroyed: boolean;
  }): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (emitter.destroyed) return;
    emitter.once("close", resolve);
    await promise;
  }

  /** Resolves when the socket takes more, or is closed. */
  async function drained(socket: Socket): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once("drain", resolve);
    await Promise.race([promise, closed(socket)]);
  }

  test("malformed frames end that connection", async () => {
    for (const path of paths)
      for (const [, bytes] of MALFORMED) {
        const socket = await raw(path);
        socket.write(bytes);
        await closed(socket);
      }
  });

  test("messages that are malformed or too large are an error of that call", async () => {
    for (const path of paths) {
      const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
      for (const [what, bytes] of MESSAGES) {
        const stream = session.request({
          ":method": "POST",
          ":path": "/moby.buildkit.v1.Control/Solve",
          "content-type": "application/grpc",
          te: "trailers",
        });
        let status: unknown;
        const note = (headers: { readonly "grpc-status"?: unknown }): void => void (status ??= headers["grpc-status"]);
        stream
          .on("response", note)
          .on("trailers", note)
          .on("error", () => undefined);
        stream.end(bytes);
        stream.resume();
        await closed(stream);
        assert.notEqual(status ?? "reset", "0", what);
      }
      session.close();
      await once(session, "close");
    }
  });

  test("metadata without end is cut off", async () => {
    for (const path of paths) {
      const socket = await raw(path);
      const piece = literalField("x-endless", "y".repeat(100));
      const pieces = Buffer.concat(Array.from({ length: 100 }, () => piece));
      socket.write(http2Frame(HEADERS, 0, 1, INFO));
      let sent = 0;
      while (!socket.destroyed && socket.writable) {
        if (!socket.write(http2Frame(CONTINUATION, 0, 1, pieces))) await drained(socket);
        sent += pieces.byteLength;
        await setImmediate();
        assert.ok(sent < 64 * 1024 * 1024, "64 MiB of metadata were taken");
      }
    }
  });

  test("streams that are opened and reset without end close that connection, or are ignored", async () => {
    for (const path of paths) {
      const socket = await raw(path);
      for (let stream = 1; stream < 20_000 && socket.writable; stream += 2) {
        socket.write(
          Buffer.concat([
            http2Frame(HEADERS, END_HEADERS, stream, INFO),
            http2Frame(RESET, 0, stream, Buffer.alloc(4)),
          ]),
        );
        if (stream % 200 === 1) await setImmediate();
      }
      socket.destroy();
    }
  });

  test("thousands of calls that wait, and of connections that say nothing, leave room for others", async () => {
    for (const path of paths) {
      const idle = await Promise.all(Array.from({ length: 300 }, async () => await open(path)));
      const sessions = Array.from({ length: 4 }, () => {
        const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
        session.on("error", () => undefined);
        return session;
      });
      for (const session of sessions)
        for (let index = 0; index < 1000; index += 1) {
          const stream = session.request({
            ":method": "POST",
            ":path": "/moby.buildkit.v1.Control/Session",
            "content-type": "application/grpc",
            te: "trailers",
            "x-docker-expose-session-uuid": randomUUID(),
          });
          stream.on("error", () => undefined);
        }
      await stillBuilds(path);
      for (const session of sessions) session.destroy();
      for (const socket of idle) socket.destroy();
    }
  });
});
