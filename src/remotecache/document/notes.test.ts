import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { array, assert as check, nat, option, property, record, uint8Array } from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { type RecordNote, chosenNote, decodeNotes, encodeNotes } from "./notes.ts";

const parts = ["a", "bb", "ccc", ""].map((text) => Buffer.from(text));

const indices = array(nat(3), { maxLength: 6 });
const partsAt = (list: readonly number[]): Uint8Array[] => list.map((index) => parts[index] ?? Buffer.alloc(0));

const notes = array(record({ text: uint8Array(), named: indices, traced: option(indices) }), { minLength: 1 }).map(
  (list): RecordNote[] =>
    list.map(({ text, named, traced }, at) => ({
      record: at * 2,
      note: {
        text: Buffer.from(text),
        parts: partsAt(named),
        ...(traced === null ? {} : { trace: partsAt(traced) }),
      },
    })),
);

function plain(list: readonly RecordNote[]): unknown {
  return list.map(({ record: at, note }) => [
    at,
    Buffer.from(note.text).toString("hex"),
    note.parts.map((part) => Buffer.from(part).toString("hex")),
    note.trace?.map((part) => Buffer.from(part).toString("hex")),
  ]);
}

test("notes are read as they were written, whatever their order, and equal parts are stored once", () => {
  check(
    property(notes, (list) => {
      const bytes = encodeNotes(list);
      assert.ok(bytes !== undefined);
      assert.deepEqual(plain(decodeNotes(bytes, list.length * 2)), plain(list));
      assert.throws(() => decodeNotes(bytes, list.length * 2 - 2), { code: "corrupt" });
    }),
  );
  const shared = Buffer.alloc(100_000, "0123456789abcdef");
  const list = Array.from({ length: 50 }, (_, at) => ({
    record: at,
    note: { text: Buffer.from([at]), parts: [shared] },
  }));
  assert.ok((encodeNotes(list)?.length ?? 0) < 10_000);
  assert.equal(encodeNotes([]), undefined);
});

test("the first notes are whole if there are too many bytes", () => {
  const list = [3, 1, 2].map((at) => ({
    record: at,
    note: { text: Buffer.from([at]), parts: [Buffer.alloc(4_000_000, at)] },
  }));
  const read = decodeNotes(encodeNotes(list) ?? Buffer.alloc(0), 4);
  assert.deepEqual(
    read.map(({ record: at, note }) => [at, note.parts.length]),
    [
      [1, 1],
      [2, 0],
      [3, 1],
    ],
  );
});

test("if there are too many bytes, traces are left out first", () => {
  const list = [0, 1].map((at) => ({
    record: at,
    note: { text: Buffer.from([at]), parts: [Buffer.alloc(3_000_000, at)], trace: [Buffer.alloc(2_000_000, at + 2)] },
  }));
  const read = decodeNotes(encodeNotes(list) ?? Buffer.alloc(0), 2);
  assert.deepEqual(
    read.map(({ note }) => [note.parts.length, note.trace?.length]),
    [
      [1, 1],
      [1, undefined],
    ],
  );
});

test("of two notes the same one is chosen, in either order", () => {
  const [a, b] = [
    { text: Buffer.from("a"), parts: [] },
    { text: Buffer.from("b"), parts },
  ];
  assert.equal(chosenNote(a, b), b);
  assert.equal(chosenNote(b, a), b);
  assert.equal(chosenNote(a, { ...b, parts: [] }), a);
  const [one, two] = [
    { ...a, trace: parts.slice(0, 1) },
    { ...a, trace: parts.slice(1, 2) },
  ];
  assert.deepEqual(chosenNote(one, b), { ...b, trace: one.trace });
  assert.deepEqual(chosenNote(two, one), one);
  assert.deepEqual(chosenNote(one, two), one);
});

test("what is no note, or names what is not there, is refused", () => {
  const packed = (list: object, body = ""): Buffer => {
    const head = Buffer.from(`    ${JSON.stringify(list)}`);
    head.writeUInt32LE(head.length - 4);
    return deflateRawSync(Buffer.concat([head, Buffer.from(body)]));
  };
  const whole = { notes: [{ record: 0, length: 1, parts: [0] }], parts: [1] };
  assert.equal(decodeNotes(packed(whole, "ab"), 1).length, 1);
  const bad = [
    Buffer.alloc(0),
    Buffer.from("text"),
    deflateRawSync(Buffer.from([255, 255, 255, 255])),
    deflateRawSync(Buffer.alloc(17_000_000)),
    packed([]),
    packed(whole, "a"),
    packed({ ...whole, parts: [-1] }, "ab"),
    packed({ ...whole, parts: [1e300] }, "ab"),
    packed({ ...whole, parts: [] }, "ab"),
    packed({ ...whole, notes: [{ record: 1, length: 1 }] }, "ab"),
    packed({ ...whole, notes: [{ record: 0.5, length: 1 }] }, "ab"),
    packed({ ...whole, notes: [{ length: 1 }] }, "ab"),
    packed({ notes: [1] }),
    packed({ ...whole, notes: [{ record: 0, length: 1, trace: [1] }] }, "ab"),
  ];
  for (const [at, bytes] of bad.entries())
    assert.throws(
      () => decodeNotes(bytes, 1),
      (error) => isVarveError(error, "corrupt"),
      `case ${at}`,
    );
});
