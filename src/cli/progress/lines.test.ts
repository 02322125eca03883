import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Lines } from "./lines.ts";

function linesOf(...pieces: readonly (string | Uint8Array)[]): string[] {
  const lines = new Lines();
  return [...pieces.flatMap((piece) => lines.push(Buffer.from(piece))), ...lines.end()];
}

test("splits at newlines for any chunks", () => {
  assert.deepEqual(linesOf("a\nb", "c\n", "\nd"), ["a", "bc", "", "d"]);
  assert.deepEqual(linesOf(), []);
  assert.deepEqual(linesOf("a\n"), ["a"]);
});

test("a character split between chunks is joined; invalid UTF-8 is replaced", () => {
  const sushi = Buffer.from("寿司\n");
  assert.deepEqual(linesOf(sushi.subarray(0, 1), sushi.subarray(1, 4), sushi.subarray(4)), ["寿司"]);
  assert.deepEqual(linesOf(Buffer.of(0x61, 0xff, 0x0a, 0xe5)), ["a\ufffd", "\ufffd"]);
});

test("a carriage return overwrites the line", () => {
  assert.deepEqual(linesOf("10%\r50%\r100%\ndone\r\n"), ["100%", "done"]);
  assert.deepEqual(linesOf("10%\r", "50%\r", "\n"), ["50%"]);
  assert.deepEqual(linesOf("abc\r", "\nx"), ["abc", "x"]);
  assert.deepEqual(linesOf("\r\r\r\n"), [""]);
});

test("long output without a newline is split, and overwritten text is discarded", () => {
  const lines = linesOf(...Array.from({ length: 20 }, () => "x".repeat(10_000)));
  assert.equal(lines.join("").length, 200_000);
  assert.ok(lines.every((line) => line.length <= 16_384));
  assert.deepEqual(linesOf(...Array.from({ length: 2000 }, (_, at) => `${at}%${" ".repeat(1000)}\r`), "done\n"), [
    "done",
  ]);
  const started = performance.now();
  linesOf("\r".repeat(1_000_000) + "x", "\r".repeat(1_000_000));
  assert.ok(performance.now() - started < 2000);
});

test("chunk boundaries do not change the lines", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\n", "\r", "寿", " ") });
  fc.assert(
    fc.property(text, fc.array(fc.nat(12), { maxLength: 8 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const pieces: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) {
        pieces.push(bytes.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      assert.deepEqual(linesOf(...pieces, bytes.subarray(at)), linesOf(bytes));
    }),
  );
});
