import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { serveGrpc } from "../../../../testing/grpc.ts";
import { healthy, openSession } from "../../../../testing/session-client.ts";
import { sessionDaemon } from "../../../../testing/session-daemon.ts";
import { GrpcCode, GrpcServer, type Implementation, Metadata, unary } from "../../../grpc/index.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../proto/gen/health_pb.ts";
import { Secrets } from "../proto/gen/secrets_pb.ts";
import { served } from "../proto/methods.ts";
import { readSessionHeaders } from "../index.ts";
import { SessionManager } from "./manager.ts";
import { getSecret } from "./secrets.ts";
import { sessionMethod } from "./tunnel.ts";

/** A secret that never comes, and a promise of the call's start. */
function blockedSecret(): { readonly method: Implementation; readonly asked: Promise<void> } {
  const asked = Promise.withResolvers<void>();
  const method = unary(served(Secrets.method.getSecret), async (_request, { signal }) => {
    asked.resolve();
    if (!signal.aborted) await once(signal, "abort");
    throw signal.reason;
  });
  return { method, asked: asked.promise };
}

const secret = unary(served(Secrets.method.getSecret), async ({ id }) => ({ data: Buffer.from(`value of ${id}`) }));

async function valueOf(sessions: SessionManager, id: string): Promise<string> {
  const value = await getSecret(await sessions.get(id), "a");
  return Buffer.from(value ?? "").toString();
}

suite("sessions", () => {
  test("are found by id, also with a prefix, and before they are open", async () => {
    await using own = await sessionDaemon();
    const early = own.sessions.get("context:one");
    await using client = own.open([secret, healthy], { id: "one" });
    assert.equal((await early).id, "one");
    assert.equal(await valueOf(own.sessions, "one"), "value of a");
    assert.equal((await early).sharedKey, "shared key");
    assert.equal((await early).supports({ service: "MOBY.buildkit.secrets.v1.Secrets", name: "getsecret" }), true);
    assert.equal((await early).supports({ service: "moby.buildkit.secrets.v1.Secrets", name: "Other" }), false);
    client.close();
    await client.ended;
    assert.equal(own.sessions.find("one"), undefined);
    assert.equal(own.sessions.size, 0);
  });

  test("that do not come are an error after a time", async () => {
    await using own = await sessionDaemon({ patience: 10 });
    const expected = {
      code: GrpcCode.deadlineExceeded,
      message: "no active session for none: context deadline exceeded",
    };
    await assert.rejects(own.sessions.get("none"), expected);
    await using _client = own.open([], { id: "other" });
    await assert.rejects(own.sessions.get("x:none"), expected);
    await assert.rejects(own.sessions.get("none", { signal: AbortSignal.abort() }), { code: "cancelled" });
  });

  test("of the same id replace each other, unless they come by an upgrade", async () => {
    await using own = await sessionDaemon();
    await using first = own.open([], { id: "same" });
    const before = await own.sessions.get("same");
    await using second = own.open([secret], { id: "same" });
    while (own.sessions.find("same") === before) await setImmediate();
    assert.equal(await valueOf(own.sessions, "same"), "value of a");
    assert.throws(() => own.sessions.checkUnused("same"), { message: "session same already exists" });
    first.close();
    await first.ended;
    assert.equal(await valueOf(own.sessions, "same"), "value of a");
    second.close();
    await second.ended;
    own.sessions.checkUnused("same");
  });

  test("are tried in order", async () => {
    await using own = await sessionDaemon({ patience: 10 });
    await using _one = own.open([], { id: "one" });
    await using _two = own.open([secret], { id: "two" });
    const read = async (ids: readonly string[]): Promise<string> =>
      await own.sessions.any(ids, async (session) => {
        const value = await getSecret(session, "a");
        if (value === undefined) throw new Error(`none in ${session.id}`);
        return session.id;
      });
    assert.equal(await read(["none", "one", "two"]), "two");
    await assert.rejects(read(["two:", "one"]), { message: "none in one" });
    await assert.rejects(read([]), { message: "no active sessions" });
  });
});

suite("the end of a session", () => {
  test("ends its calls", async () => {
    await using own = await sessionDaemon();
    const { method, asked } = blockedSecret();
    await using client = own.open([method, healthy], { id: "one" });
    const session = await own.sessions.get("one");
    const call = getSecret(session, "a");
    await asked;
    client.close();
    await assert.rejects(call, { code: GrpcCode.unavailable });
    assert.equal(session.isEnded, true);
    await assert.rejects(getSecret(session, "a"), { code: GrpcCode.unavailable });
    await client.ended;
  });

  test("a call alone can be cancelled", async () => {
    await using own = await sessionDaemon();
    const { method, asked } = blockedSecret();
    await using _client = own.open([method], { id: "one" });
    const session = await own.sessions.get("one");
    const controller = new AbortController();
    const call = getSecret(session, "a", { signal: controller.signal });
    await asked;
    controller.abort();
    await assert.rejects(call, { code: GrpcCode.cancelled });
    assert.equal(session.isEnded, false);
  });

  test("comes after failed health checks in a row", async () => {
    await using own = await sessionDaemon({ health: { interval: 1, timeout: 60_000, failures: 2 } });
    const { method } = blockedSecret();
    let checks = 0;
    const health = unary(served(Health.method.check), async () => {
      checks += 1;
      if (checks !== 2 && checks !== 4) throw new Error("ill");
      return await Promise.resolve({ status: HealthCheckResponse_ServingStatus.SERVING });
    });
    await using client = own.open([method, health], { id: "one" });
    await assert.rejects(getSecret(await own.sessions.get("one"), "a"), {
      code: GrpcCode.unknown,
      message: "session healthcheck failed fatally: ill",
    });
    assert.equal(checks, 6);
    await client.ended;
  });

  test("comes when the client does not answer a health check in time", async () => {
    await using own = await sessionDaemon({ health: { interval: 1, timeout: 10, failures: 1 } });
    const { method } = blockedSecret();
    const health = unary(served(Health.method.check), async (_request, { signal }) => {
      if (!signal.aborted) await once(signal, "abort");
      throw signal.reason;
    });
    await using client = own.open([method, health], { id: "one" });
    await assert.rejects(getSecret(await own.sessions.get("one"), "a"), {
      code: GrpcCode.unknown,
      message: "session healthcheck failed fatally: context deadline exceeded",
    });
    await client.ended;
  });

  test("comes with the daemon's stop", async () => {
    const sessions = new SessionManager();
    const server = new GrpcServer([sessionMethod(sessions)]);
    const grpc = await serveGrpc(server);
    using client = await grpc.client();
    await using session = openSession(client, [healthy], { id: "one" });
    await sessions.get("one");
    await grpc[Symbol.asyncDispose]();
    assert.equal(sessions.size, 0);
    await session.ended;
  });

  test("is also that of a raw connection", async () => {
    const sessions = new SessionManager();
    const inner = new GrpcServer([secret, healthy]);
    await using grpc = await serveGrpc(inner);
    const socket = await grpc.socket();
    const headers = readSessionHeaders(
      Metadata.received(["X-Docker-Expose-Session-Uuid", "raw", "X-Docker-Expose-Session-Grpc-Method", "/a/B"]),
    );
    const ended = sessions.serve(socket, headers);
    assert.equal(await valueOf(sessions, "raw"), "value of a");
    assert.equal(sessions.find("raw")?.supports({ service: "A", name: "b" }), true);
    socket.destroy();
    await ended;
    assert.equal(sessions.size, 0);
  });
});

test("a client asks for its own health rules, within bounds", () => {
  const timeout = (text: string): number | undefined =>
    readSessionHeaders(Metadata.received(["x-buildkit-session-health-custom-timeout", text])).healthTimeout;
  assert.deepEqual(["2500", "1", "0", "-5", "x", "", "99999999999"].map(timeout), [
    2500,
    1000,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
