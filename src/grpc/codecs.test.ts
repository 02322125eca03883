import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { GrpcCode } from "./code.ts";
import { GrpcError } from "./error.ts";
import { MessageReader, PartialBytes, checkMessage, frame } from "./framing.ts";
import { Metadata } from "./metadata.ts";
import { decodeMessage, encodeMessage, receivedStatus, statusHeaders } from "./status.ts";
import { formatTimeout, parseTimeout } from "./timeout.ts";

const messages = fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 6 });

suite("messages", () => {
  test("are the same however the stream is cut", () => {
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }), (sent, cuts) => {
        const stream = Buffer.concat(sent.map((message) => frame(message)));
        const partial = new PartialBytes();
        using reader = new MessageReader(partial);
        const got: Buffer[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          got.push(...reader.push([stream.subarray(at, at + size)]));
          at += size;
        }
        reader.end();
        assert.deepEqual(
          got.map(String),
          sent.map((message) => Buffer.from(message).toString()),
        );
        assert.equal(partial.held, 0);
      }),
    );
  });

  test("take memory for what has arrived only, and give it back", () => {
    const partial = new PartialBytes(20_000);
    const head = frame(Buffer.alloc(1_000_000)).subarray(0, 5);
    const reader = new MessageReader(partial);
    assert.deepEqual(reader.push([Buffer.concat([head, Buffer.alloc(10_000)])]), []);
    assert.equal(partial.held, 10_000);
    const other = new MessageReader(partial);
    assert.throws(() => other.push([Buffer.concat([head, Buffer.alloc(10_001)])]), {
      code: GrpcCode.resourceExhausted,
    });
    other[Symbol.dispose]();
    reader[Symbol.dispose]();
    assert.equal(partial.held, 0);
  });

  test("a message over the limit is refused by its prefix", () => {
    const reader = new MessageReader(new PartialBytes(), 100);
    const small = frame(Buffer.from("small"));
    const large = frame(Buffer.alloc(101)).subarray(0, 5);
    assert.deepEqual(reader.push([Buffer.concat([small, large, small])]).map(String), ["small"]);
    assert.throws(() => reader.check(), {
      code: GrpcCode.resourceExhausted,
      message: "grpc: received message larger than max (101 vs. 100)",
    });
    assert.throws(() => checkMessage(Buffer.alloc(101), 100), { code: GrpcCode.resourceExhausted });
  });
});

suite("statuses", () => {
  test("any message survives its encoding, which is printable", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (message) => {
        const encoded = encodeMessage(message);
        assert.match(encoded, /^[\x20-\x7e]*$/);
        assert.equal(decodeMessage(encoded), message.toWellFormed());
      }),
    );
    assert.equal(encodeMessage("100%\n"), "100%25%0A");
    assert.equal(decodeMessage("100% or %zz%2"), "100% or %zz%2");
  });

  test("a status that nobody defines is unknown", () => {
    const status = receivedStatus(Metadata.received(["grpc-status", "77", "grpc-message", "odd"]));
    assert.ok(status.kind === "error");
    assert.deepEqual([status.error.code, status.error.message], [GrpcCode.unknown, "odd"]);
    assert.equal(receivedStatus(Metadata.received(["grpc-status", "-1"])).kind, "error");
    assert.equal(statusHeaders(new GrpcError(GrpcCode.ok, "not an error"))["grpc-status"], "2");
  });
});

suite("timeouts", () => {
  test("are read in all units", () => {
    const values = ["1H", "2M", "3S", "4m", "5u", "6n", "99999999S"].map(parseTimeout);
    assert.deepEqual(values, [3_600_000, 120_000, 3000, 4, 0.005, 0.000006, 99_999_999_000]);
    for (const text of ["", "1", "S", "-1S", "123456789S", "1.5S", "1 S"]) assert.equal(parseTimeout(text), undefined);
  });

  test("are never written shorter than they are", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (milliseconds) => {
        assert.ok((parseTimeout(formatTimeout(milliseconds)) ?? 0) >= Math.min(milliseconds, 99_999_999_000));
      }),
    );
  });
});
