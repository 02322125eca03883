import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { log, status, vertex, warning } from "../../../../testing/build-events.ts";
import type { BuildEvent } from "../../../engine/index.ts";
import { StatusLog, statusBlob } from "../../../history/index.ts";
import { collect } from "../../../io/index.ts";
import { type StatusResponse, StatusResponseSchema } from "../proto/gen/control_pb.ts";
import { decodeStatus } from "./decode-status.ts";

function logOf(...events: readonly BuildEvent[]): StatusLog {
  const log = new StatusLog({ size: -1, speed: -1 });
  for (const event of events) log.append(event);
  log.close();
  return log;
}

async function storedOf(log: StatusLog): Promise<Buffer> {
  return await collect(bytesOf(statusBlob(log).data), 1e9, { what: "a status" });
}

test("a stored status is read however it is cut, and a damaged one is refused", async () => {
  const events = [
    vertex("a", { start: 1 }),
    status("a", "layer", { current: 3 }),
    warning("w"),
    log("a", Buffer.alloc(3e6)),
  ];
  const stored = await storedOf(logOf(...events));
  const decode = async (pieces: readonly Uint8Array[]): Promise<StatusResponse[]> =>
    await Array.fromAsync(decodeStatus(streamOf(pieces)));
  const whole = await decode([stored]);
  assert.deepEqual(
    whole.flatMap(({ vertexes }) => vertexes.map(({ name, error }) => `${name} ${error}`)),
    ["a ", "a context canceled"],
  );
  assert.equal(whole[0]?.statuses[0]?.current, 3n);
  assert.equal(Buffer.from(whole[0]?.warnings[0]?.short ?? []).toString(), "w");
  assert.equal(
    whole.flatMap(({ logs }) => logs).reduce((sum, { msg }) => sum + msg.length, 0),
    3e6,
  );
  const pieces = Array.from({ length: Math.ceil(stored.length / 7) }, (_, index) =>
    stored.subarray(index * 7, index * 7 + 7),
  );
  assert.deepEqual(await decode(pieces), whole);
  await assert.rejects(decode([stored.subarray(0, -1)]), { code: "corrupt" });
  await assert.rejects(decode([Buffer.from("ffffffff00", "hex")]), { code: "corrupt" });
  await assert.rejects(decode([Buffer.from("01000000ff", "hex")]), { code: "corrupt" });
});

function bytesOf(data: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return data instanceof Uint8Array ? streamOf([data]) : data;
}

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

test("a stored status is encoded as by the code that is made from the API's definitions", async () => {
  const source = {
    name: "Dockerfile",
    text: "FROM x\n",
    ranges: [{ start: { line: 1, column: 2, offset: 0 }, end: { line: 3, column: 0, offset: 9 } }],
  };
  const events: readonly BuildEvent[] = [
    vertex("base", { start: 0, end: 5, cached: true }),
    { ...vertex("a"), inputs: [vertex("base").digest, vertex("c").digest] },
    {
      ...vertex("a", { start: 1.5, end: 2, error: "no \u{1f6ab}" }),
      progressGroup: { id: "g", name: "group", weak: true },
    },
    status("a", "transferring x", { current: 2 ** 40, total: 7, completedAt: Date.UTC(1969, 0, 1) }),
    log("a", "text", 1),
    {
      kind: "warning",
      short: "w",
      detail: ["one", "two"],
      url: "u",
      level: 3,
      source,
      location: { file: "Dockerfile", line: 7 },
    },
  ];
  const closed = logOf(...events);
  const expected = (await Array.fromAsync(closed.read())).map((each) =>
    toBinary(StatusResponseSchema, create(StatusResponseSchema, each)),
  );
  const stored = await storedOf(closed);
  assert.equal(stored.subarray(4).toString("hex"), Buffer.concat(expected).toString("hex"));
});
