import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { decodePacket, encodePacket, type Packet } from "./packet.ts";
import { decodeStat, encodeStat, emptyStat, type Stat } from "./stat.ts";

const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const uint32 = fc.nat(0xffff_ffff);
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const data = fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array));

const stat: fc.Arbitrary<Stat> = fc.record({
  path: bytes,
  mode: uint32,
  uid: uint32,
  gid: uint32,
  size: int64,
  modTime: int64,
  linkname: bytes,
  devmajor: int64,
  devminor: int64,
  xattrs: fc.array(fc.tuple(bytes, data), { maxLength: 3 }).map((entries) => new Map(entries)),
});

const packet: fc.Arbitrary<Packet> = fc.oneof(
  stat.map((value): Packet => ({ type: "stat", stat: value })),
  fc.constant<Packet>({ type: "listed" }),
  uint32.map((id): Packet => ({ type: "request", id })),
  fc.record({ id: uint32, data }).map((fields): Packet => ({ type: "data", ...fields })),
  fc.constant<Packet>({ type: "finish" }),
  fc.string().map((text): Packet => ({ type: "error", text: text.toWellFormed() })),
);

/** The packet without the bytes that it was decoded from. */
function plain(value: Packet): Packet {
  if (value.type === "stat") return { type: "stat", stat: value.stat };
  return value.type === "data" ? { ...value, data: Buffer.from(value.data) } : value;
}

test("packets are decoded as they were encoded", () => {
  fc.assert(
    fc.property(packet, (value) => {
      const xattrs = (each: Packet): unknown =>
        each.type === "stat" ? [...each.stat.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)) : undefined;
      const decoded = plain(decodePacket(encodePacket(value)));
      assert.deepEqual(xattrs(decoded), xattrs(value));
      assert.deepEqual(
        decoded.type === "stat" ? { ...decoded.stat, xattrs: 0 } : decoded,
        value.type === "stat" ? { ...value.stat, xattrs: 0 } : value,
      );
    }),
  );
});

test("damaged packets are decoded or refused as corrupt", () => {
  fc.assert(
    fc.property(packet, fc.nat(), fc.nat(255), (value, at, byte) => {
      const message = Buffer.from(encodePacket(value));
      if (message.length > 0) message[at % message.length] = byte;
      for (const candidate of [message, message.subarray(0, at % (message.length + 1))]) {
        try {
          decodePacket(candidate);
        } catch (error) {
          assert.ok(isVarveError(error, "corrupt"), String(error));
        }
      }
    }),
  );
});

test("messages are those of fsutil", () => {
  const hex = (value: Packet): string => encodePacket(value).toString("hex");
  assert.equal(hex({ type: "listed" }), "");
  assert.equal(hex({ type: "request", id: 300 }), "080118ac02");
  assert.equal(hex({ type: "request", id: 0 }), "0801");
  assert.equal(hex({ type: "data", id: 1, data: Buffer.from("hi") }), "0802180122026869");
  assert.equal(hex({ type: "finish" }), "0803");
  assert.equal(hex({ type: "error", text: "x" }), "0804220178");
  assert.equal(hex({ type: "stat", stat: emptyStat }), "1200");
  const directory: Stat = {
    ...emptyStat,
    path: "a",
    mode: 0x8000_01ed,
    modTime: -1n,
    xattrs: new Map([["u", Buffer.of(7)]]),
  };
  assert.equal(encodeStat(directory).toString("hex"), "0a016110ed8380800830ffffffffffffffffff0152060a0175120107");
  assert.equal(decodePacket(Buffer.from("0805", "hex").fill(3, 1)).type, "finish");
  assert.throws(() => decodePacket(Buffer.from("0805", "hex")), { code: "corrupt", message: /its type is 5/ });
});

test("unknown fields are skipped, and numbers keep 64 bits", () => {
  // Field 15 as a number, as 8 bytes, as bytes and as 4 bytes; field 2 with the wrong wire type.
  const unknown = `780179${"00".repeat(8)}7a01617d000000001801`;
  assert.deepEqual(decodeStat(Buffer.from(`${unknown}0a0161`, "hex")), { ...emptyStat, path: "a", uid: 1 });
  assert.equal(decodeStat(Buffer.from("3080808080808080808001", "hex")).modTime, -(2n ** 63n));
  assert.equal(decodeStat(Buffer.from("28ffffffffffffffff7f", "hex")).size, 2n ** 63n - 1n);
  assert.throws(() => decodeStat(Buffer.from("28ffffffffffffffffffff7f", "hex")), { code: "corrupt" });
  assert.throws(() => decodeStat(Buffer.from("0b", "hex")), { code: "corrupt", message: /wire type 3/ });
});
