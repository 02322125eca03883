import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { serveGrpc, textMethod } from "../../testing/grpc.ts";
import {
  type CallContext,
  GrpcCode,
  GrpcError,
  GrpcServer,
  type Implementation,
  Metadata,
  bidiStream,
  clientStream,
  invoke,
  invokeBidi,
  invokeServerStream,
  serverStream,
  unary,
} from "./index.ts";

const method = textMethod("Run");

async function* texts(...values: readonly string[]): AsyncGenerator<string> {
  await setImmediate();
  yield* values;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(items);
}

/** A unary method that waits until its call is aborted, and the reasons for which its calls were. */
function waiting(): {
  readonly method: Implementation;
  readonly started: Promise<void>;
  readonly aborted: Promise<unknown>;
} {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  const implementation = unary(method, async (_request, { signal }) => {
    started.resolve();
    if (!signal.aborted) await once(signal, "abort");
    aborted.resolve(signal.reason);
    throw signal.reason;
  });
  return { method: implementation, started: started.promise, aborted: aborted.promise };
}

suite("the four kinds of methods", () => {
  test("one request, one response", async () => {
    await using served = await serveGrpc(new GrpcServer([unary(method, async (name) => `hello ${name}`)]));
    using client = await served.client();
    assert.equal(await invoke(client, method, "you"), "hello you");
    assert.equal(await invoke(client, method, ""), "hello ");
  });

  test("a stream of responses, larger than any window", async () => {
    const large = "x".repeat(3_000_000);
    await using served = await serveGrpc(
      new GrpcServer([serverStream(method, (name) => texts(name, "", large, large, large))]),
    );
    using client = await served.client();
    assert.deepEqual(await all(invokeServerStream(client, method, "a")), ["a", "", large, large, large]);
  });

  test("a stream of requests", async () => {
    await using served = await serveGrpc(
      new GrpcServer([clientStream(method, async (requests) => (await all(requests)).join("+"))]),
    );
    using client = await served.client();
    using call = invokeBidi(client, method);
    for (const each of ["a", "b", "c".repeat(2_000_000)]) await call.send(each);
    call.end();
    assert.deepEqual(await all(call.responses), [`a+b+${"c".repeat(2_000_000)}`]);
  });

  test("streams both ways, independent of each other", async () => {
    const echo = bidiStream(method, async (requests, send) => {
      await send("first");
      for await (const each of requests) await send(each.toUpperCase());
      await send("last");
    });
    await using served = await serveGrpc(new GrpcServer([echo]));
    using client = await served.client();
    using call = invokeBidi(client, method);
    const responses = call.responses[Symbol.asyncIterator]();
    assert.deepEqual(await responses.next(), { done: false, value: "first" });
    await call.send("a");
    assert.deepEqual(await responses.next(), { done: false, value: "A" });
    call.end();
    assert.deepEqual(await responses.next(), { done: false, value: "last" });
    assert.equal((await responses.next()).done, true);
  });
});

suite("metadata", () => {
  test("repeated values keep their commas, both ways and in trailers", async () => {
    const seen: Metadata[] = [];
    const implementation = unary(method, async (_request, call: CallContext) => {
      seen.push(call.metadata);
      call.sendHeaders(Metadata.of([["started", ["x,y", "z"]]]));
      call.trailers.append("ended", "a,b").append("ended", "c");
      return "";
    });
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    const metadata = Metadata.of([
      ["include-patterns", ["a,b", "c", "a,b", ""]],
      ["dir-name", "context"],
    ]);
    using call = client.start("/varve.test.Texts/Run", { metadata });
    await call.send(Buffer.from(""));
    call.end();
    assert.deepEqual((await call.headers).all("started"), ["x,y", "z"]);
    assert.equal((await all(call.messages)).length, 1);
    assert.deepEqual(call.trailers.all("ended"), ["a,b", "c"]);
    assert.deepEqual(seen[0]?.all("include-patterns"), ["a,b", "c", "a,b", ""]);
    assert.equal(seen[0]?.get("dir-name"), "context");
    assert.equal(seen[0]?.has(":path"), false);
  });

  test("what a header cannot hold is refused where it is written", () => {
    for (const [key, value] of [
      ["Upper", "x"],
      [":path", "x"],
      ["a", "ü"],
      ["a", "line\nbreak"],
    ] as const)
      assert.throws(() => new Metadata().append(key, value), { name: "GrpcError", code: GrpcCode.internal });
  });
});

suite("errors", () => {
  test("code, message and details arrive as they were thrown", async () => {
    const message = 'it failed: 100% of "ü\n\u{1f600}"';
    const details = Buffer.from([8, 5, 18, 1, 65]);
    const implementation = unary(method, () => Promise.reject(new GrpcError(GrpcCode.notFound, message, { details })));
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    await assert.rejects(invoke(client, method, ""), { name: "GrpcError", code: GrpcCode.notFound, message, details });
  });

  test("an error after messages comes with the trailers", async () => {
    const implementation = serverStream(method, async function* () {
      yield "one";
      await setImmediate();
      throw new Error("then it broke");
    });
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    const responses = invokeServerStream(client, method, "");
    assert.deepEqual(await responses.next(), { done: false, value: "one" });
    await assert.rejects(responses.next(), { code: GrpcCode.unknown, message: "then it broke" });
  });

  test("services and methods that do not exist", async () => {
    await using served = await serveGrpc(new GrpcServer([unary(method, async () => "")]));
    using client = await served.client();
    await assert.rejects(invoke(client, textMethod("Nope"), ""), {
      code: GrpcCode.unimplemented,
      message: "unknown method Nope for service varve.test.Texts",
    });
    await assert.rejects(invoke(client, { ...method, service: "other" }, ""), {
      code: GrpcCode.unimplemented,
      message: "unknown service other",
    });
  });

  test("a client that still sends gets the error, and is stopped", async () => {
    const implementation = bidiStream(method, () => Promise.reject(new GrpcError(GrpcCode.alreadyExists, "no")));
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    using call = invokeBidi(client, method);
    const sending = (async () => {
      for (;;) await call.send("x".repeat(100_000));
    })();
    await assert.rejects(all(call.responses), { code: GrpcCode.alreadyExists, message: "no" });
    await assert.rejects(sending, { code: GrpcCode.alreadyExists });
  });
});

suite("ends", () => {
  test("an aborted call is reset, and the handler's signal aborted", async () => {
    const { method: implementation, started, aborted } = waiting();
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    const controller = new AbortController();
    const call = invoke(client, method, "", { signal: controller.signal });
    await started;
    controller.abort();
    await assert.rejects(call, { code: GrpcCode.cancelled, message: "context canceled" });
    assert.equal((await aborted) instanceof GrpcError, true);
  });

  test("leaving a stream of responses resets it", async () => {
    const ended = Promise.withResolvers<void>();
    const implementation = serverStream(method, async function* (_request, { signal }) {
      signal.addEventListener("abort", () => ended.resolve());
      for (;;) {
        await setImmediate();
        yield "again";
      }
    });
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    for await (const each of invokeServerStream(client, method, "")) {
      assert.equal(each, "again");
      break;
    }
    await ended.promise;
  });

  test("a deadline ends the call at both ends", async () => {
    const { method: implementation, aborted } = waiting();
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    const expected = { code: GrpcCode.deadlineExceeded, message: "context deadline exceeded" };
    await assert.rejects(invoke(client, method, "", { timeout: 20 }), expected);
    assert.ok((await aborted) instanceof GrpcError);
    using raw = client.start("/varve.test.Texts/Run", { metadata: Metadata.of([["grpc-timeout", "1x"]]) });
    await assert.rejects(all(raw.messages), { code: GrpcCode.internal, message: 'malformed grpc-timeout: "1x"' });
  });

  test("the server alone keeps a deadline", async () => {
    const { method: implementation } = waiting();
    await using served = await serveGrpc(new GrpcServer([implementation]));
    using client = await served.client();
    using call = client.start("/varve.test.Texts/Run", { metadata: Metadata.of([["grpc-timeout", "5m"]]) });
    await call.send(Buffer.from(""));
    call.end();
    await assert.rejects(all(call.messages), { code: GrpcCode.deadlineExceeded });
  });

  test("the end of a connection ends its calls at both ends", async () => {
    const { method: implementation, started, aborted } = waiting();
    await using served = await serveGrpc(new GrpcServer([implementation]));
    const client = await served.client();
    const call = invoke(client, method, "");
    await started;
    client.close(new GrpcError(GrpcCode.unavailable, "session healthcheck failed fatally"));
    await assert.rejects(call, { code: GrpcCode.unavailable, message: "session healthcheck failed fatally" });
    assert.ok((await aborted) instanceof GrpcError);
    await assert.rejects(invoke(client, method, ""), { message: "session healthcheck failed fatally" });
    assert.equal(client.signal.aborted, true);
  });

  test("a stopping server finishes calls, and tells those that wait for events", async () => {
    const finish = Promise.withResolvers<string>();
    const slow = unary(method, async () => await finish.promise);
    const listen = unary(textMethod("Listen"), async (_request, { stopping }) => {
      if (!stopping.aborted) await once(stopping, "abort");
      return "stopped";
    });
    const server = new GrpcServer([slow, listen]);
    await using served = await serveGrpc(server);
    using client = await served.client();
    const calls = [invoke(client, method, ""), invoke(client, textMethod("Listen"), "")];
    while (server.calls < 2) await setImmediate();
    const stopped = server.stop(60_000);
    assert.equal(await calls[1], "stopped");
    finish.resolve("finished");
    assert.equal(await calls[0], "finished");
    await stopped;
    assert.equal(server.connections, 0);
    await assert.rejects(invoke(client, method, ""), { code: GrpcCode.unavailable });
  });

  test("calls that do not end in time are aborted, and a second stop does not wait", async () => {
    const { method: implementation, started, aborted } = waiting();
    const server = new GrpcServer([implementation]);
    await using served = await serveGrpc(server);
    using client = await served.client();
    const call = assert.rejects(invoke(client, method, ""), {
      code: GrpcCode.unavailable,
      message: "the server is stopping",
    });
    await started;
    const first = server.stop(60_000);
    await server.stop();
    await first;
    await call;
    await aborted;
  });
});
