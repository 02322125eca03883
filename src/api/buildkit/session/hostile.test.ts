import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { http2Frame } from "../../../../testing/http2-frames.ts";
import { healthy } from "../../../../testing/session-client.ts";
import { sessionDaemon } from "../../../../testing/session-daemon.ts";
import { GrpcCode, Metadata, type Method, invokeBidi, serverStream, unary } from "../../../grpc/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { Control } from "../proto/gen/control_pb.ts";
import { Secrets } from "../proto/gen/secrets_pb.ts";
import { served } from "../proto/methods.ts";
import { getSecret } from "./secrets.ts";

const session: Method<Uint8Array, Uint8Array> = bytesMethod(Control.method.session);
const SETTINGS = http2Frame(4, 0, 0);

/** What a client sends in place of HTTP/2, and then the end of its session's calls. */
const GARBAGE: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["text", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["zeros", Buffer.alloc(100_000)],
  ["a frame that is too large", Buffer.concat([SETTINGS, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])])],
  ["a stream that nobody opened", Buffer.concat([SETTINGS, http2Frame(0, 0, 99, Buffer.alloc(10))])],
  ["headers that cannot be decoded", Buffer.concat([SETTINGS, http2Frame(1, 4, 1, Buffer.alloc(50, 0xff))])],
];

const secret = unary(served(Secrets.method.getSecret), async () => await Promise.resolve({ data: Buffer.from("x") }));

suite("a client whose session is not HTTP/2", () => {
  for (const [what, bytes] of GARBAGE)
    test(`${what} ends that session only`, async () => {
      await using daemon = await sessionDaemon();
      await using _good = daemon.open([secret, healthy], { id: "good" });
      using call = invokeBidi(daemon.client, session, {
        metadata: Metadata.of([["x-docker-expose-session-uuid", "bad"]]),
      });
      const opened = await daemon.sessions.get("bad");
      const read = getSecret(opened, "a");
      await call.send(bytes);
      await assert.rejects(read, { name: "GrpcError" });
      await Array.fromAsync(call.responses).catch(() => undefined);
      while (daemon.sessions.find("bad") !== undefined) await setImmediate();
      assert.equal(opened.isEnded, true);
      const value = await getSecret(await daemon.sessions.get("good"), "a");
      assert.equal(Buffer.from(value ?? "").toString(), "x");
    });
});

test("a client that answers without end is stopped at the limit, and held back", async () => {
  await using daemon = await sessionDaemon();
  const raw = {
    ...served(Secrets.method.getSecret),
    response: { encode: (b: Uint8Array) => b, decode: (b: Uint8Array) => b },
  };
  let sent = 0;
  const endless = serverStream(raw, async function* () {
    for (;;) {
      await setImmediate();
      sent += 100_000;
      yield Buffer.alloc(100_000);
    }
  });
  await using _client = daemon.open([endless], { id: "one" });
  const one = await daemon.sessions.get("one");
  await assert.rejects(getSecret(one, "a"), { code: GrpcCode.internal });
  assert.ok(sent < 20_000_000, `${sent} bytes were sent`);
});
