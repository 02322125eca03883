import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { type Agent, request as httpRequest } from "node:http";
import { Agent as TlsAgent, get as httpsGet } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeCertificates } from "../../../testing/certificates.ts";
import { askSocket } from "../../../testing/docker-server.ts";
import { parseAddress } from "../listen/index.ts";
import { openListener } from "./open.ts";
import type { Handler } from "./types.ts";

const echo: Handler = () => Promise.resolve({ status: 200, headers: {} });

describe("unix sockets", () => {
  let folder: string;
  before(async () => void (folder = await mkdtemp(join(tmpdir(), "varve-socket-"))));
  after(async () => await rm(folder, { recursive: true, force: true }));

  test("only the owner and the group docker may connect, with any umask", async () => {
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

  test("a socket with a listening server is kept, even a busy one; a stale socket is replaced", async () => {
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

  test("a file that is not a socket is not replaced", async () => {
    const path = join(folder, "file");
    await writeFile(path, "mine");
    await chmod(path, 0o600);
    await assert.rejects(openListener(echo, { kind: "unix", path }, { kind: "none" }), { code: "already-exists" });
    assert.equal(await readFile(path, "utf8"), "mine");
  });
});

describe("TCP", () => {
  const any = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;

  test("without TLS is rejected, unless insecure access is allowed on loopback", async () => {
    await assert.rejects(openListener(echo, any, { kind: "none" }), { code: "invalid-argument" });
    await assert.rejects(openListener(echo, { ...any, host: "0.0.0.0" }, { kind: "insecure-loopback" }), {
      code: "invalid-argument",
    });
  });

  test("on loopback without TLS, requests of web pages are rejected", async () => {
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

  test("with TLS accepts only clients with a certificate", async () => {
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

  test("addresses are parsed strictly", () => {
    assert.deepEqual(parseAddress("tcp://[::1]:2376"), { kind: "tcp", host: "::1", port: 2376 });
    assert.deepEqual(parseAddress("fd://"), { kind: "fd", fd: 3 });
    assert.deepEqual(parseAddress("fd://4"), { kind: "fd", fd: 4 });
    assert.deepEqual(parseAddress("unix:///run/a b.sock"), { kind: "unix", path: "/run/a b.sock" });
    for (const text of [
      "",
      "unix://a",
      "tcp://:1",
      "tcp://a:99999",
      "tcp://a",
      "fd://2",
      "tcp://a:1/b",
      `unix:///${"a".repeat(200)}`,
    ])
      assert.throws(() => parseAddress(text), { code: "invalid-argument" }, text);
  });
});
