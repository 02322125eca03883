import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../error.ts";
import { formatGoTime, parseGoTime } from "./time.ts";

test("times are compared to the nanosecond and written as Go writes them", () => {
  assert.equal(parseGoTime("1970-01-01T00:00:01.000000001Z"), 1_000_000_001n);
  assert.equal(parseGoTime("1970-01-01T01:00:00.5+01:00"), 500_000_000n);
  assert.equal(parseGoTime("0001-01-01T00:00:00Z"), -62_135_596_800_000_000_000n);
  for (const text of ["", "yesterday", "2024-01-01", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00"])
    assert.equal(parseGoTime(text), undefined);
  for (const text of [
    "2023-11-14T22:13:20Z",
    "0001-01-01T00:00:00Z",
    "2024-01-01T00:00:00.12Z",
    "1969-12-31T23:59:59.999999999Z",
  ])
    assert.equal(formatGoTime(parseGoTime(text) ?? 0n), text);
  assert.throws(
    () => formatGoTime(10n ** 21n),
    (error) => isVarveError(error, "invalid-argument"),
  );
});

test("times that Go does not read are refused", () => {
  for (const text of [
    "2024-02-30T00:00:00Z",
    "2024-01-01t00:00:00z",
    "0000-01-01T00:00:00+01:00",
    "2024-01-01T00:00:00+25:00",
  ])
    assert.equal(parseGoTime(text), undefined, text);
});
