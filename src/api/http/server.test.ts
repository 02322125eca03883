import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { type Agent, request as httpRequest } from "node:http";
import { Agent as TlsAgent, get as httpsGet } from "node:https";
import { type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeCertificates } from "../../../testing/certificates.ts";
import { askSocket } from "../../../testing/docker-server.ts";
import { parseAddress } from "./address.ts";
import { type Listener, openListener } from "./open.ts";
import type { Handler, HttpRequest } from "./types.ts";

const echo: Handler = async ({ body, method, path }) => {
  let size = 0;
  for await (const chunk of body) size += chunk.byteLength;
  return { status: 200, headers: { "X-Seen": `${method} ${path}` }, body: `${size}` };
};

/** Everything the server says to raw bytes until it closes, or until `until` has come. */
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

  test("a body of any framing is read; connections are kept; 100-continue is answered", async () => {
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

  test("what is no HTTP is refused, and so are headers without end", async () => {
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

  test("a chunk of a malformed size ends the request, not the server", async () => {
    await using _listener = await serve(echo);
    await raw(path, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n");
    assert.equal((await askSocket(path, "GET", "/still")).status, 200);
  });

  test("200 connections at once are served, idle ones beside them", async () => {
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

  test("a client that goes away aborts its request: while it uploads, while it waits, while it reads", async () => {
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
    assert.equal(reasons.filter((reason) => reason.endsWith("the client went away")).length, 2);
    assert.equal(reasons.includes("stopped reading"), true);
  });

  test("an answer reaches a client that is still sending", async () => {
    await using _listener = await serve(() => Promise.resolve({ status: 403, headers: {}, body: "no" }));
    const big = await askSocket(path, "POST", "/", { body: Buffer.alloc(20_000_000) });
    assert.deepEqual([big.status, big.text], [403, "no"]);
  });

  test("a stream that fails does not look whole", async () => {
    await using _listener = await serve(() => Promise.resolve({ status: 200, headers: {}, body: failing() }));
    await assert.rejects(askSocket(path, "GET", "/"));
  });

  test("stopping cancels what runs, waits for it to clean up, and leaves nothing", async () => {
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

describe("unix sockets", () => {
  let folder: string;
  before(async () => void (folder = await mkdtemp(join(tmpdir(), "varve-socket-"))));
  after(async () => await rm(folder, { recursive: true, force: true }));

  test("only the owner and the group docker may connect, whatever the umask", async () => {
    const path = join(folder, "mode");
    const umask = process.umask(0);
    try {
      await using _listener = await openListener(echo, { kind: "unix", path }, { kind: "none" });
      const group = /^docker:[^:]*:(\d+)/m.exec(await readFile("/etc/group", "utf8"))?.[1];
      const { mode, gid } = await stat(path);
      if (group === undefined || process.getuid?.() !== 0) assert.equal(mode & 0o777, 0o600);
      else assert.deepEqual([mode & 0o777, gid], [0o660, Number(group)]);
    } finally {
      process.umask(umask);
    }
  });

  test("a socket somebody listens on is left alone, even while it is busy; a dead one is replaced", async () => {
    const path = join(folder, "taken");
    const other = createServer();
    other.listen(path);
    await once(other, "listening");
    await assert.rejects(openListener(echo, { kind: "unix", path }, { kind: "none" }), { code: "busy" });
    other.close();
    const child = spawn(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
    ]);
    await once(child, "exit");
    assert.equal((await stat(path)).isSocket(), true);
    await using _listener = await openListener(echo, { kind: "unix", path }, { kind: "none" });
    assert.equal((await askSocket(path, "GET", "/")).status, 200);
    await assert.rejects(openListener(echo, { kind: "unix", path }, { kind: "none" }), { code: "busy" });
  });

  test("what is no socket is not replaced", async () => {
    const path = join(folder, "file");
    await writeFile(path, "mine");
    await chmod(path, 0o600);
    await assert.rejects(openListener(echo, { kind: "unix", path }, { kind: "none" }), { code: "already-exists" });
    assert.equal(await readFile(path, "utf8"), "mine");
  });
});

describe("TCP", () => {
  const any = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;

  test("is refused without certificates, unless it is asked for, on loopback", async () => {
    await assert.rejects(openListener(echo, any, { kind: "none" }), { code: "invalid-argument" });
    await assert.rejects(openListener(echo, { ...any, host: "0.0.0.0" }, { kind: "insecure-loopback" }), {
      code: "invalid-argument",
    });
  });

  test("on loopback without TLS, pages of browsers are refused", async () => {
    await using listener = await openListener(echo, any, { kind: "insecure-loopback" });
    const { port } = listener.address as { port: number };
    const ask = async (headers: Record<string, string>): Promise<number | undefined> => {
      const asked = httpRequest({ host: "127.0.0.1", port, headers, agent: false as unknown as Agent });
      asked.end();
      const [answer] = (await once(asked, "response")) as [{ statusCode?: number; resume(): void }];
      answer.resume();
      return answer.statusCode;
    };
    assert.deepEqual(
      [
        await ask({}),
        await ask({ host: `localhost:${port}` }),
        await ask({ host: "evil.example" }),
        await ask({ origin: "http://evil.example" }),
      ],
      [200, 200, 403, 403],
    );
  });

  test("with TLS takes clients with a certificate only", async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-tls-"));
    try {
      const made = await makeCertificates(folder);
      const files = { ca: made.ca, cert: made.serverCert, key: made.serverKey };
      await using listener = await openListener(echo, any, { kind: "tls", files });
      const { port } = listener.address as { port: number };
      const ask = async (client: object): Promise<number | undefined> => {
        const agent = new TlsAgent({ ca: await readFile(made.ca), ...client });
        const [answer] = (await once(httpsGet({ host: "127.0.0.1", port, agent }), "response")) as [
          { statusCode?: number; resume(): void },
        ];
        answer.resume();
        agent.destroy();
        return answer.statusCode;
      };
      await assert.rejects(ask({}));
      assert.equal(await ask({ cert: await readFile(made.clientCert), key: await readFile(made.clientKey) }), 200);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("addresses are read strictly", () => {
    assert.deepEqual(parseAddress("tcp://[::1]:2376"), { kind: "tcp", host: "::1", port: 2376 });
    assert.deepEqual(parseAddress("unix:///run/a b.sock"), { kind: "unix", path: "/run/a b.sock" });
    for (const text of [
      "",
      "unix://a",
      "tcp://:1",
      "tcp://a:99999",
      "tcp://a",
      "fd://",
      "tcp://a:1/b",
      `unix:///${"a".repeat(200)}`,
    ])
      assert.throws(() => parseAddress(text), { code: "invalid-argument" }, text);
  });
});
