import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Frame, FrameReader, frame } from "./frames.ts";

const kind = fc.constantFrom(...Object.values(Frame));

test("frames arrive whole and in order, however the bytes are cut", () => {
  const sent = fc.array(fc.record({ kind, payload: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 10 });
  const cuts = fc.array(fc.nat(400), { maxLength: 20 });
  const property = fc.property(sent, cuts, (frames, sizes) => {
    const bytes = Buffer.concat(frames.map((each) => frame(each.kind, each.payload)));
    const reader = new FrameReader();
    const received = [];
    let at = 0;
    for (const size of [...sizes, bytes.byteLength]) {
      received.push(...reader.push(bytes.subarray(at, at + size)));
      at += size;
    }
    assert.deepEqual(
      received.map((each) => ({ kind: each.kind, payload: Buffer.from(each.payload) })),
      frames.map((each) => ({ kind: each.kind, payload: Buffer.from(each.payload) })),
    );
  });
  fc.assert(property);
});

test("a frame over the limit is refused before its bytes are kept", () => {
  const header = Buffer.alloc(5);
  header.writeUInt8(Frame.input, 0);
  header.writeUInt32LE(4_194_305, 1);
  assert.throws(() => new FrameReader().push(header), /a frame has 4194305 bytes/);
});
