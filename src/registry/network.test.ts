import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, mkdir } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Descriptor, type VarveError, isVarveError, parseReference } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { startFaultProxy } from "../../testing/fault-proxy.ts";
import { type TemporaryStore, noise, putImage, temporaryStore } from "../../testing/images.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { ANONYMOUS, Registry, type RegistryHostConfig, type RegistryOptions, pull, push } from "./index.ts";

const skip = registryMissing() ?? false;
const credentials = (): Promise<typeof ANONYMOUS> => Promise.resolve(ANONYMOUS);

function connect(options: RegistryOptions = {}): Registry {
  return new Registry({ credentials, env: {}, retry: { first: 1, longest: 4 }, ...options });
}

const hosts = (entries: readonly (readonly [string, RegistryHostConfig])[]): RegistryOptions["config"] & object => ({
  registries: Object.fromEntries(entries),
});

let from: TemporaryStore;
let target: Descriptor;

before(async () => {
  from = await temporaryStore();
  target = await putImage(from, { layers: [noise(50_000)] });
});
after(() => from[Symbol.asyncDispose]());

suite("TLS", { skip }, () => {
  let server: RegistryServer;
  before(async () => {
    server = await startRegistry({ tls: "mutual" });
  });
  after(() => server[Symbol.asyncDispose]());

  const files = (): { ca: string; cert: string; key: string } => {
    assert.ok(server.certificates);
    const { ca, clientCert, clientKey } = server.certificates;
    return { ca, cert: clientCert, key: clientKey };
  };

  test("a configured authority and client certificate are used", async () => {
    using registry = connect({ config: hosts([[server.host, files()]]) });
    await push(registry, [parseReference(`${server.host}/app:1`)], { store: from.store, target });
    await using into = await temporaryStore();
    const { store, lease } = into;
    await pull(registry, parseReference(`${server.host}/app:1`), { store, lease, platform: "all" });
  });

  test("certificates are found by host, as Docker keeps them", async () => {
    await using directory = await temporaryDirectory();
    const own = join(directory.path, server.host);
    await mkdir(own);
    await copyFile(files().ca, join(own, "ca.crt"));
    await copyFile(files().cert, join(own, "client.cert"));
    await copyFile(files().key, join(own, "client.key"));
    using registry = connect({ certificates: directory.path });
    await registry.ping(server.host);
  });

  test("a certificate of another authority is refused, with a hint, and plain HTTP is not tried", async () => {
    const other = files().cert;
    using registry = connect({ config: hosts([[server.host, { ca: other }]]) });
    await assert.rejects(registry.ping(server.host), (error: VarveError) => {
      assert.equal(error.code, "remote");
      assert.equal(error.details.failure, "untrusted");
      assert.match(error.hint ?? "", /certs\.d/);
      return true;
    });
  });

  test("that a client certificate is wanted is said", async () => {
    using registry = connect({ config: hosts([[server.host, { ca: files().ca }]]) });
    await assert.rejects(registry.ping(server.host), (error: VarveError) => {
      assert.equal(error.details.failure, "handshake");
      assert.match(error.hint ?? "", /"cert" and "key"/);
      return true;
    });
  });

  test("files that are absent or not PEM are named", async () => {
    for (const ca of ["/nonexistent/ca.crt", join(from.path, "state.db")]) {
      using registry = connect({ config: hosts([[server.host, { ca }]]) });
      await assert.rejects(registry.ping(server.host), (error) => isVarveError(error, "invalid-argument"));
    }
  });

  test("a server without TLS is named as such where TLS is wanted", async () => {
    await using plain = await startFaultProxy({});
    using registry = connect();
    const port = plain.host.split(":")[1];
    const named = parseReference(`tls-wanted.invalid:${port}/app:1`);
    await assert.rejects(registry.resolve(named), (error: VarveError) => error.details.failure === "unresolved");
    await registry.ping(plain.host).catch((error: VarveError) => assert.equal(error.details.status, 404));
  });
});

suite("an unreachable registry", () => {
  test("is named, with what to look for", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    using registry = connect();
    await assert.rejects(registry.resolve(parseReference(`localhost:${port}/app:1`)), (error: VarveError) => {
      assert.equal(error.code, "remote");
      assert.match(error.message, /^Cannot resolve localhost:\d+\/app:1: localhost:\d+ does not accept connections/);
      assert.match(error.hint ?? "", /listens/);
      return true;
    });
  });

  test("that accepts and never speaks ends in a time-out", async () => {
    const { createServer: createTcp } = await import("node:net");
    const silent = createTcp(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    using registry = connect({ timeouts: { connect: 50, idle: 50 }, retry: { first: 1, longest: 1, attempts: 2 } });
    await assert.rejects(registry.resolve(parseReference(`localhost:${port}/app:1`)), (error: VarveError) => {
      assert.equal(error.details.failure, "timeout");
      return true;
    });
    silent.close();
  });
});

suite("mirrors", { skip }, () => {
  let origin: RegistryServer;
  let mirror: RegistryServer;
  before(async () => {
    [origin, mirror] = await Promise.all([startRegistry(), startRegistry()]);
    using registry = connect();
    await push(registry, [parseReference(`${origin.host}/app:1`)], { store: from.store, target });
    await push(registry, [parseReference(`${mirror.host}/app:1`)], { store: from.store, target });
  });
  after(async () => {
    await origin[Symbol.asyncDispose]();
    await mirror[Symbol.asyncDispose]();
  });

  test("are asked first, in order, with the namespace; the registry itself is left in peace", async () => {
    await using down = await startFaultProxy({ fault: () => ({ kind: "status", status: 502 }) });
    await using front = await startFaultProxy({ upstream: mirror.host });
    await using back = await startFaultProxy({ upstream: origin.host });
    const config = hosts([[back.host, { mirrors: [down.host, `http://${front.host}/`] }]]);
    using registry = connect({ config });
    await using into = await temporaryStore();
    const { store, lease } = into;
    await pull(registry, parseReference(`${back.host}/app:1`), { store, lease, platform: "all" });
    assert.deepEqual(await registry.tags(parseReference(`${back.host}/app`)), ["1"]);
    assert.equal(back.requests.length, 0);
    assert.ok(down.requests.length > 0);
    assert.ok(front.requests.every(({ url }) => url.includes(`ns=${encodeURIComponent(back.host)}`)));
    await push(registry, [parseReference(`${back.host}/app:2`)], { store: from.store, target });
    assert.ok(back.requests.every(({ url }) => !url.includes("ns=")));
    assert.ok(!front.requests.some(({ method }) => method === "PUT"));
  });

  test("that send wrong bytes are passed over", async () => {
    await using bad = await startFaultProxy({
      upstream: mirror.host,
      fault: ({ url }) => (url.includes("/blobs/") ? { kind: "corrupt" } : undefined),
    });
    using registry = connect({ config: hosts([[origin.host, { mirrors: [bad.host] }]]) });
    await using into = await temporaryStore();
    const { store, lease } = into;
    await pull(registry, parseReference(`${origin.host}/app:1`), { store, lease, platform: "all" });
    assert.deepEqual((await store.verify()).damaged, []);
  });

  test("that break off in the middle are taken over from, where they stopped", async () => {
    await using bad = await startFaultProxy({
      upstream: mirror.host,
      fault: ({ url }) => (url.includes("/blobs/") ? { kind: "reset", after: 20_000 } : undefined),
    });
    await using back = await startFaultProxy({ upstream: origin.host });
    using registry = connect({ config: hosts([[back.host, { mirrors: [bad.host] }]]) });
    await using into = await temporaryStore();
    const { store, lease } = into;
    await pull(registry, parseReference(`${back.host}/app:1`), { store, lease, platform: "all" });
    assert.ok(back.requests.some(({ headers }) => /^bytes=[1-9]/.test(headers.range ?? "")));
  });

  test("that are not hosts are refused", async () => {
    for (const wrong of ["http://user:secret@mirror.example", "http://mirror.invalid/?a=b", "a b"]) {
      using registry = connect({ config: hosts([["r.invalid", { mirrors: [wrong] }]]) });
      await assert.rejects(registry.resolve(parseReference("r.invalid/app:1")), (error) => {
        assert.ok(isVarveError(error, "invalid-argument"));
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
  });
});

/** An HTTP proxy that takes every name for `upstream`, and tells what it was asked for. */
async function startForwardProxy(upstream: string): Promise<{ url: string; asked: string[]; server: Server }> {
  const asked: string[] = [];
  const [host = "", port = ""] = upstream.split(":");
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(418).end();
  });
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const tunnel = connectTcp(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      tunnel.pipe(socket);
      socket.pipe(tunnel);
    });
    tunnel.on("error", () => socket.destroy());
    socket.on("error", () => tunnel.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, server };
}

suite("a proxy of the environment", { skip }, () => {
  let server: RegistryServer;
  before(async () => {
    server = await startRegistry({ tls: true });
  });
  after(() => server[Symbol.asyncDispose]());

  test("carries TLS to the registry, whose certificate is still checked", async () => {
    const proxy = await startForwardProxy(server.host);
    const env = { HTTPS_PROXY: proxy.url, http_proxy: proxy.url, NO_PROXY: "other.example,10.0.0.0/8" };
    const ca = server.certificates?.ca ?? "";
    using insecure = connect({ env, config: hosts([["registry.example", { insecure: true }]]) });
    await insecure.ping("registry.example");
    assert.deepEqual(proxy.asked, ["CONNECT registry.example:443"]);
    using strict = connect({ env, config: hosts([["registry.example", { ca }]]) });
    await assert.rejects(strict.ping("registry.example"), (error: VarveError) => error.details.failure === "untrusted");
    strict.allowInsecure("registry.example");
    await strict.ping("registry.example");
    using plain = connect({ env, config: hosts([["plain.example", { http: true }]]) });
    await assert.rejects(plain.ping("plain.example"), (error: VarveError) => error.details.status === 418);
    assert.equal(proxy.asked.at(-1), "GET http://plain.example/v2/");
    proxy.server.closeAllConnections();
    proxy.server.close();
  });

  test("is not used for this machine, and must be a URL", async () => {
    using direct = connect({ env: { HTTPS_PROXY: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1" } });
    await direct.ping(server.host);
    using wrong = connect({ env: { HTTPS_PROXY: "socks5://x" } });
    await assert.rejects(wrong.ping("registry.invalid"), (error) => isVarveError(error, "invalid-argument"));
  });
});
