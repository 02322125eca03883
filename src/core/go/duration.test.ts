import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../error.ts";
import { formatGoDuration, parseGoDuration } from "./duration.ts";

test("durations are read and written as Go does", () => {
  for (const [text, nanoseconds] of [
    ["1h30m0s", 5400e9],
    ["1m30s", 90e9],
    ["1.5s", 1.5e9],
    ["300ms", 3e8],
    ["1.5µs", 1500],
    ["7ns", 7],
    ["-2s", -2e9],
    ["0s", 0],
  ] as const) {
    assert.equal(parseGoDuration(text), nanoseconds, text);
    assert.equal(formatGoDuration(nanoseconds), text);
  }
  assert.equal(parseGoDuration("0"), 0);
  assert.equal(parseGoDuration("1h"), 3600e9);
});

test("a malformed duration throws Go's message", () => {
  for (const [text, message] of [
    ["", 'time: invalid duration ""'],
    [".s", 'time: invalid duration ".s"'],
    ["5", 'time: missing unit in duration "5"'],
    ["5d", 'time: unknown unit "d" in duration "5d"'],
    ["9999999h", 'time: invalid duration "9999999h"'],
  ] as const)
    assert.throws(
      () => parseGoDuration(text),
      (error) => isVarveError(error, "invalid-argument") && error.message === message,
      text,
    );
});
