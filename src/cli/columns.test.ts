import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { displayWidth, fitColumns } from "./columns.ts";
import { table } from "./table.ts";

test("counts columns, not characters", () => {
  const widths: readonly [string, number][] = [
    ["", 0],
    ["abc", 3],
    ["naïve", 5],
    ["e\u0301", 1],
    ["寿司", 4],
    ["한글", 4],
    ["ｗ", 2],
    ["🍣", 2],
    ["a…", 2],
  ];
  for (const [text, width] of widths) assert.equal(displayWidth(text), width, text);
});

test("truncates text to the width", () => {
  assert.equal(fitColumns("abcdef", 6), "abcdef");
  assert.equal(fitColumns("abcdef", 4), "abc…");
  assert.equal(fitColumns("寿司屋", 4), "寿…");
  assert.equal(fitColumns("寿", 1), "…");
  assert.equal(fitColumns("ab", 0), "");
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "寿", "🍣", "\u0301") }), fc.nat(12), (text, width) => {
      assert.ok(displayWidth(fitColumns(text, width)) <= width);
    }),
  );
});

test("tables align wide letters and remove control characters", () => {
  assert.equal(table([]), "");
  assert.equal(
    table([
      { NAME: "寿司", BY: "\u001b[31mRUN a\nb\u001b[2J" },
      { NAME: "x", BY: "" },
    ]),
    "NAME  BY\n寿司  RUN a b\nx     \n",
  );
});
