import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { suite, test } from "node:test";
import { type VarveError, digestOf, isVarveError, parseReference } from "../core/index.ts";
import { type Wait, collect } from "../io/index.ts";
import { type SilentServer, startSilentServer } from "../../testing/silent-server.ts";
import { ANONYMOUS, Registry } from "./index.ts";

const timeouts = { idle: 60, notice: 10 };
const blob = { mediaType: "application/octet-stream", digest: digestOf("x"), size: 1 };

/** A client that reaches these hosts by plain HTTP. */
function connect(hosts: readonly string[], mirrors: readonly string[] = []): Registry {
  const [first = "", ...others] = hosts.map((host) => [host, { http: true }] as const);
  const origin = [first[0], { http: true, mirrors: mirrors.map((mirror) => `http://${mirror}`) }] as const;
  return new Registry({
    credentials: () => Promise.resolve(ANONYMOUS),
    env: {},
    timeouts,
    retry: { first: 1, longest: 4 },
    config: { registries: Object.fromEntries([origin, ...others]) },
  });
}

function app(server: SilentServer): ReturnType<typeof parseReference> {
  return parseReference(`${server.host}/app:1`);
}

/** The tries that were told of, each once. */
function triesOf(waits: readonly Wait[]): string[] {
  return [...new Set(waits.map(({ host, attempt, attempts }) => `${host} ${attempt}/${attempts}`))];
}

const timedOut = (error: VarveError): boolean => error.details.failure === "timeout";

suite("a server that never answers", () => {
  test("is tried three times, and each attempt is reported", async () => {
    await using server = await startSilentServer();
    using registry = connect([server.host]);
    const waits: Wait[] = [];
    const onWait = (wait: Wait): void => void waits.push(wait);
    await assert.rejects(registry.resolve(app(server), { onWait }), timedOut);
    assert.deepEqual(server.requests, Array(3).fill("HEAD /v2/app/manifests/1"));
    assert.deepEqual(
      triesOf(waits),
      [1, 2, 3].map((attempt) => `${server.host} ${attempt}/3`),
    );
    assert.ok(waits.every(({ state }) => state === "quiet"));
  });

  test("is reported by downloads and uploads too", async () => {
    await using server = await startSilentServer();
    using registry = connect([server.host]);
    const waits: Wait[] = [];
    const onWait = (wait: Wait): void => void waits.push(wait);
    await assert.rejects(collect(registry.blob(app(server), blob, { onWait }), 1, { what: "it" }), timedOut);
    assert.equal(server.requests.length, 3);
    const told = [1, 2, 3].map((attempt) => `${server.host} ${attempt}/3`);
    assert.deepEqual(triesOf(waits.splice(0)), told);
    const source = (): never => assert.fail("nothing was asked for");
    await assert.rejects(registry.pushBlob(app(server), { ...blob, size: 100_000 }, source, { onWait }), timedOut);
    assert.equal(server.requests.length, 6);
    assert.deepEqual(triesOf(waits), told);
  });

  test("is tried three times where it hands out tokens, for a manifest as for a blob", async () => {
    await using tokens = await startSilentServer();
    await using server = await startSilentServer((_request, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.host}/token",service="s"` }).end();
    });
    using registry = connect([server.host, tokens.host]);
    const waits: Wait[] = [];
    const onWait = (wait: Wait): void => void (wait.host === tokens.host && waits.push(wait));
    await assert.rejects(registry.resolve(app(server), { onWait }), timedOut);
    assert.equal(tokens.requests.length, 3);
    const told = [1, 2, 3].map((attempt) => `${tokens.host} ${attempt}/3`);
    assert.deepEqual(triesOf(waits.splice(0)), told);
    await assert.rejects(collect(registry.blob(app(server), blob, { onWait }), 1, { what: "it" }), timedOut);
    assert.equal(tokens.requests.length, 6);
    assert.deepEqual(triesOf(waits), told);
  });

  test("is tried once if it is a mirror", async () => {
    await using mirror = await startSilentServer();
    await using server = await startSilentServer((_request, response) => void response.writeHead(404).end());
    using registry = connect([server.host, mirror.host], [mirror.host]);
    await assert.rejects(registry.manifest(app(server)), (error) => isVarveError(error, "not-found"));
    assert.equal(mirror.requests.length, 1);
  });

  test("is asked once each way for its scheme", async () => {
    let connections = 0;
    const silent = createServer(() => void (connections += 1)).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const quick = { ...timeouts, connect: timeouts.idle };
    using registry = new Registry({ credentials: () => Promise.resolve(ANONYMOUS), env: {}, timeouts: quick });
    const waits: Wait[] = [];
    const onWait = (wait: Wait): void => void waits.push(wait);
    await assert.rejects(registry.resolve(parseReference(`${host}/app:1`), { onWait }), timedOut);
    assert.equal(connections, 2);
    assert.deepEqual(triesOf(waits), [`${host} 1/1`]);
    silent.close();
  });

  test("a cancelled caller leaves at once", async () => {
    await using server = await startSilentServer();
    using registry = connect([server.host]);
    const gone = new AbortController();
    const asked = server.next();
    const resolved = registry.resolve(app(server), { signal: gone.signal, onWait: () => gone.abort() });
    await asked;
    await assert.rejects(resolved, (error) => isVarveError(error, "cancelled"));
    assert.equal(server.requests.length, 1);
  });
});

test("a pause that a server asks for is reported", async () => {
  const gone = new AbortController();
  await using server = await startSilentServer((_request, response) => {
    response.writeHead(429, { "retry-after": "30" }).end();
  });
  using registry = connect([server.host]);
  const waits: Wait[] = [];
  const onWait = (wait: Wait): void => {
    waits.push(wait);
    gone.abort();
  };
  await assert.rejects(registry.resolve(app(server), { signal: gone.signal, onWait }), { code: "cancelled" });
  assert.deepEqual(waits, [{ state: "pause", host: server.host, ms: 30_000, attempt: 2, attempts: 4 }]);
});
