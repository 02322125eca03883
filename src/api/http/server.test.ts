import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { type Socket, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { askSocket } from "../../../testing/docker-server.ts";
import { bytesOf } from "../../io/index.ts";
import { type Listener, openListener } from "./open.ts";
import type { Handler, HttpRequest } from "./types.ts";

const echo: Handler = async ({ body, method, path }) => {
  let size = 0;
  for await (const chunk of body) size += chunk.byteLength;
  return { status: 200, headers: { "X-Seen": `${method} ${path}` }, body: `${size}` };
};

/** Sends raw bytes. Returns the server's answer until it closes or `until` was received. */
async function raw(path: string, bytes: string, until?: string): Promise<string> {
  const socket = connect(path);
  let seen = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => {
    seen += chunk.toString("latin1");
    if (until !== undefined && seen.includes(until)) resolve();
  });
  socket.on("error", () => resolve());
  socket.on("close", () => resolve());
  socket.write(bytes);
  await promise;
  socket.destroy();
  return seen;
}

describe("the HTTP server", () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "varve-http-"));
    path = join(folder, "s");
  });
  after(async () => await rm(folder, { recursive: true, force: true }));
  const serve = async (handler: Handler): Promise<Listener> =>
    await openListener(handler, { kind: "unix", path }, { kind: "none" });

  test("reads chunked and sized bodies, keeps connections open, and answers 100-continue", async () => {
    await using _listener = await serve(echo);
    const one = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const two = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab";
    const three = "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const seen = await raw(path, one + two + three);
    assert.deepEqual(
      [...seen.matchAll(/X-Seen: (.*)\r/g)].map(([, target]) => target),
      ["POST /a", "POST /b", "GET /c"],
    );
    assert.match(seen, /HTTP\/1\.1 100 Continue/);
  });

  test("rejects malformed HTTP and endless headers", async () => {
    await using _listener = await serve(echo);
    const hostile: readonly [what: string, bytes: string, answer: RegExp][] = [
      ["rubbish", "\x00\x01\x02\r\n\r\n", /^HTTP\/1\.1 400/],
      [
        "two lengths",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        /^HTTP\/1\.1 400/,
      ],
      [
        "a length and chunks",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        /^HTTP\/1\.1 400/,
      ],
      ["a folded header", "GET / HTTP/1.1\r\nHost: x\r\n a: b\n\r\n\r\n", /^HTTP\/1\.1 400/],
      ["no host", "GET / HTTP/1.1\r\n\r\n", /^HTTP\/1\.1 400/],
      ["a giant header", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(2_000_000)}\r\n\r\n`, /^HTTP\/1\.1 431|^$/],
    ];
    for (const [what, bytes, answer] of hostile) assert.match(await raw(path, bytes), answer, what);
    assert.equal((await askSocket(path, "GET", "/still")).status, 200);
  });

  test("a malformed chunk size fails the request, not the server", async () => {
    await using _listener = await serve(echo);
    await raw(path, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n");
    assert.equal((await askSocket(path, "GET", "/still")).status, 200);
  });

  test("serves 200 connections at once beside idle ones", async () => {
    await using _listener = await serve(echo);
    const idle = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = connect(path);
        await once(socket, "connect");
        socket.write("GET / HT");
        return socket;
      }),
    );
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => askSocket(path, "POST", `/${i}`, { body: "x".repeat(i) })),
    );
    assert.deepEqual(
      answers.map(({ text }) => text),
      answers.map((_, i) => String(i)),
    );
    for (const socket of idle) socket.destroy();
  });

  test("a client that disconnects aborts its request while it uploads, waits or reads", async () => {
    const reasons: string[] = [];
    const { promise: third, resolve: done } = Promise.withResolvers<void>();
    const told = (what: string): void => {
      reasons.push(what);
      if (reasons.length === 3) done();
    };
    await using _listener = await serve(async (request) => {
      if (request.path === "/upload") {
        await echo(request).catch((error: unknown) => told((error as Error).message));
        return { status: 200, headers: {} };
      }
      if (request.path === "/wait") {
        await once(request.signal, "abort");
        told((request.signal.reason as Error).message);
        return { status: 200, headers: {} };
      }
      return { status: 200, headers: {}, body: endless(request, () => told("stopped reading")) };
    });
    const leave = async (bytes: string, until?: string): Promise<void> => {
      const socket: Socket = connect(path);
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.write(bytes);
      if (until !== undefined) await once(socket, "data");
      socket.end();
      socket.destroy();
    };
    await leave("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    await leave("POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    await leave("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "data");
    await third;
    assert.equal(reasons.filter((reason) => reason.endsWith("the client disconnected")).length, 2);
    assert.equal(reasons.includes("stopped reading"), true);
  });

  test("a client that is still sending receives the response", async () => {
    await using _listener = await serve(() => Promise.resolve({ status: 403, headers: {}, body: "no" }));
    const big = await askSocket(path, "POST", "/", { body: Buffer.alloc(20_000_000) });
    assert.deepEqual([big.status, big.text], [403, "no"]);
  });

  test("a partly read upload is discarded to its end, so that the next request is served", async () => {
    await using _listener = await serve(async ({ body, method }) => {
      if (method === "GET") return { status: 200, headers: {}, body: "next" };
      for await (const chunk of body) return { status: 400, headers: {}, body: String(chunk.byteLength > 0) };
      return { status: 200, headers: {} };
    });
    const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n${"x".repeat(3_000_000)}`;
    const seen = await raw(path, `${post}GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(seen, /^HTTP\/1\.1 400[^]*\r\n\r\ntrueHTTP\/1\.1 200[^]*\r\n\r\nnext$/);
  });

  test("a response ends even if the rest of its request never comes", async () => {
    const readers: Readonly<Record<string, (request: HttpRequest) => Promise<unknown>>> = {
      "/none": () => Promise.resolve(),
      "/some": async ({ body }) => await body[Symbol.asyncIterator]().next(),
      "/waits": async ({ body }) => {
        const chunks = body[Symbol.asyncIterator]();
        await chunks.next();
        void Promise.resolve(chunks.next()).catch(() => undefined);
      },
    };
    await using _listener = await serve(async (request) => {
      await readers[request.path]?.(request);
      return { status: 200, headers: {}, body: bytesOf(Buffer.from("told")) };
    });
    const asks = Object.keys(readers).flatMap((name) => ["keep-alive", "close"].map((kept) => [name, kept] as const));
    const answers = asks.map(async ([name, kept]) => {
      const length = `Host: x\r\nConnection: ${kept}\r\nContent-Length: 1000`;
      // The client never closes the connection, so the server does.
      const seen = await raw(path, `POST ${name} HTTP/1.1\r\n${length}\r\n\r\nabc`);
      assert.match(seen, /^HTTP\/1\.1 200[^]*\r\n4\r\ntold\r\n0\r\n\r\n$/, `${name} ${kept}`);
    });
    await Promise.all(answers);
  });

  test("a stream that fails looks incomplete to the client", async () => {
    await using _listener = await serve(() => Promise.resolve({ status: 200, headers: {}, body: failing() }));
    await assert.rejects(askSocket(path, "GET", "/"));
  });

  test("stopping cancels running requests, waits for them to clean up, and closes all connections", async () => {
    let cleaned = false;
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const listener = await serve(async ({ signal }) => {
      begin();
      await once(signal, "abort");
      await once(AbortSignal.timeout(20), "abort");
      cleaned = true;
      return { status: 503, headers: {}, body: "stopping" };
    });
    const asked = askSocket(path, "GET", "/");
    await begun;
    await listener[Symbol.asyncDispose]();
    assert.equal(cleaned, true);
    assert.equal((await asked).status, 503);
    assert.deepEqual(await readdir(folder), ["s.lock"]);
  });
});

async function* endless({ signal }: HttpRequest, onEnd: () => void): AsyncGenerator<Uint8Array> {
  try {
    while (!signal.aborted) {
      yield Buffer.alloc(65_536);
      await once(AbortSignal.timeout(1), "abort");
    }
  } finally {
    onEnd();
  }
}

// oxlint-disable-next-line require-await -- the shape of a stream
async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("some");
  throw new Error("broken");
}
