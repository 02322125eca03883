import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { http2Frame, literalField } from "../../testing/http2-frames.ts";
import { textMethod } from "../../testing/grpc.ts";
import { frame } from "./framing.ts";
import { type BidiCall, GrpcClient, GrpcCode, invokeBidi } from "./index.ts";

const method = textMethod("Run");

const [DATA, HEADERS, RESET, SETTINGS] = [0, 1, 3, 4];
const [END_STREAM, END_HEADERS] = [1, 4];

const responseHeaders = http2Frame(
  HEADERS,
  END_HEADERS,
  1,
  Buffer.concat([Buffer.from([0x88]), literalField("content-type", "application/grpc")]),
);

function trailers(status: GrpcCode, message: string): Buffer {
  const fields = [literalField("grpc-status", String(status)), literalField("grpc-message", message)];
  return http2Frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.concat(fields));
}

function reset(code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return http2Frame(RESET, 0, 1, payload);
}

/** Calls a server that answers the first data of a call with these bytes, all at once. */
async function answered(
  answer: readonly Buffer[],
  run: (call: BidiCall<string, string>) => Promise<void>,
): Promise<void> {
  // Events of streams that are not sockets come in another order.
  const [inner, outer] = duplexPair();
  outer.write(http2Frame(SETTINGS, 0, 0));
  let got = Buffer.alloc(0);
  outer.on("data", (chunk: Buffer) => {
    const before = got.includes("request");
    got = Buffer.concat([got, chunk]);
    if (!before && got.includes("request")) outer.write(Buffer.concat(answer));
  });
  using client = new GrpcClient(inner);
  using call = invokeBidi(client, method);
  await call.send("request");
  await run(call);
}

test("an error with a reset behind it is the error, for those who read and those who send", async () => {
  for (const code of [0, 8])
    await answered([responseHeaders, trailers(GrpcCode.alreadyExists, "no"), reset(code)], async (call) => {
      const expected = { code: GrpcCode.alreadyExists, message: "no" };
      await assert.rejects(Array.fromAsync(call.responses), expected);
      await assert.rejects(call.send("more"), expected);
    });
  await answered([responseHeaders, trailers(GrpcCode.alreadyExists, "no"), reset(0)], async (call) => {
    const sending = async (): Promise<void> => {
      for (;;) await call.send("x".repeat(100_000));
    };
    await assert.rejects(sending(), { code: GrpcCode.alreadyExists, message: "no" });
  });
});

test("a success with a reset behind it has all its messages", async () => {
  const messages = ["one", "", "x".repeat(10_000)];
  const data = messages.map((message) => http2Frame(DATA, 0, 1, frame(Buffer.from(message))));
  await answered([responseHeaders, ...data, trailers(GrpcCode.ok, ""), reset(0)], async (call) => {
    assert.deepEqual(await Array.fromAsync(call.responses), messages);
  });
});

test("a stream without a status is an error", async () => {
  await answered([responseHeaders, http2Frame(DATA, END_STREAM, 1)], async (call) => {
    await assert.rejects(Array.fromAsync(call.responses), {
      code: GrpcCode.internal,
      message: /without sending trailers/,
    });
  });
  await answered([responseHeaders, reset(7)], async (call) => {
    await assert.rejects(Array.fromAsync(call.responses), { code: GrpcCode.unavailable, message: /error code 7/ });
  });
  await answered([http2Frame(HEADERS, END_HEADERS | END_STREAM, 1, literalField(":status", "503"))], async (call) => {
    await assert.rejects(Array.fromAsync(call.responses), { code: GrpcCode.unavailable, message: /status code 503/ });
  });
});
