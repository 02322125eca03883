import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { printable, printableJson, printableLine, withoutColours } from "./printable.ts";

test("keeps letters of every script, tabs, newlines and colours", () => {
  const text = "naïve\tスシ 🍣\n\u001b[1;31mred\u001b[0m";
  assert.equal(printable(text), text);
});

test("drops what moves the cursor, sets titles, or asks the terminal to answer", () => {
  const cases: readonly [string, string][] = [
    ["a\u001b[2Jb", "ab"],
    ["a\u001b[2K\u001b[1Gb", "ab"],
    ["\u001b]0;title\u0007x", "x"],
    ["\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\", "link"],
    ["\u001bP+q\u001b\\x", "x"],
    ["\u001b(0x", "x"],
    ["\u001bcx", "x"],
    ["a\u0007\b\u007f\u009b2Jb", "a2Jb"],
    ["x\u001b", "x"],
    ["gpj.\u202eexe", "gpj.exe"],
  ];
  for (const [hostile, safe] of cases) assert.equal(printable(hostile), safe, JSON.stringify(hostile));
});

test("colours end with the text: nothing after it is hidden", () => {
  assert.equal(printable("\u001b[8mhidden"), "\u001b[8mhidden\u001b[0m");
});

test("whatever comes, only colours are left of escapes", () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      "\u001b",
      "[",
      "]",
      "\u0000",
      "\u0007",
      "\\",
      "3",
      ";",
      "m",
      "J",
      "P",
      "c",
      "?",
      "\u009b",
      "\n",
    ),
    maxLength: 24,
  });
  fc.assert(
    fc.property(hostile, (text) => {
      const safe = withoutColours(printable(text));
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      assert.doesNotMatch(safe, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      assert.equal(printable(printable(text)), printable(text));
    }),
    { numRuns: 2000 },
  );
});

test("a name stays in its line", () => {
  assert.equal(printableLine("RUN <<EOF\n  #9 DONE 0.1s\nEOF"), "RUN <<EOF #9 DONE 0.1s EOF");
});

test("long hostile text takes no longer than other text", () => {
  for (const unit of ["\u001b]", "\u001b[", "\u001bP", " \n", "\u001b[0"]) {
    const started = performance.now();
    printableLine(unit.repeat(100_000));
    assert.ok(performance.now() - started < 2000, JSON.stringify(unit));
  }
});

test("JSON is the same value with its hidden controls escaped", () => {
  const value = { a: "\u009b\u007f\u202e é \u001b" };
  const json = printableJson(value);
  assert.deepEqual(JSON.parse(json), value);
  assert.match(json, /"\\u009b\\u007f\\u202e é \\u001b"/);
});
