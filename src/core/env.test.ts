import assert from "node:assert/strict";
import { test } from "node:test";
import { splitEnv, withEnv } from "./env.ts";

test("a variable replaces its first entry or is appended", () => {
  const entries = ["PATH=/bin", "A=1", "A=2", "BARE"];
  const changed = withEnv(entries, [
    { key: "A", value: "x=y" },
    { key: "BARE", value: "" },
    { key: "NEW", value: "n" },
    { key: "NEW", value: "m" },
  ]);
  assert.deepEqual(changed, ["PATH=/bin", "A=x=y", "A=2", "BARE=", "NEW=m"]);
  assert.deepEqual(entries, ["PATH=/bin", "A=1", "A=2", "BARE"]);
});

test("an entry is split at its first equals sign", () => {
  assert.deepEqual(splitEnv("A=b=c"), ["A", "b=c"]);
  assert.deepEqual(splitEnv("A"), ["A", ""]);
});
