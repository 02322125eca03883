import assert from "node:assert/strict";
import { test } from "node:test";
import { countWords } from "../src/words.ts";

test("counts words whatever their case", () => {
  assert.deepEqual(countWords("One two, two; ONE one"), [
    ["one", 3],
    ["two", 2],
  ]);
});

test("knows letters beyond ASCII", () => {
  assert.deepEqual(countWords("ål Ål"), [["ål", 2]]);
});
