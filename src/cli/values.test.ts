import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { attributes, byteSize, csvFields, duration, humanAge, humanSize, keyValues } from "./values.ts";

const usage = (error: unknown): boolean => isVarveError(error, "invalid-argument");

test("pairs keep everything after the first equals sign", () => {
  assert.deepEqual(keyValues("label", ["a=1", "b=", "c=x=y", "a=2"]), { a: "2", b: "", c: "x=y" });
  assert.throws(() => keyValues("label", ["=x"]), usage);
});

test("a name alone takes its value from the environment, and is omitted if there is none", () => {
  assert.deepEqual(keyValues("build-arg", ["A", "B", "C=3"], { A: "1" }), { A: "1", C: "3" });
  assert.deepEqual(keyValues("label", ["A"]), { A: "" });
});

test("names of Object.prototype's properties are ordinary names", () => {
  const pairs = keyValues("build-arg", ["__proto__=x", "constructor=y"]);
  assert.deepEqual(Object.entries(pairs), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  assert.deepEqual(keyValues("build-arg", ["constructor", "toString"], process.env), {});
});

test("any text can be a quoted comma-separated field", () => {
  assert.deepEqual(csvFields('type=local,"dest=a,b","x=say ""hi"""'), ["type=local", "dest=a,b", 'x=say "hi"']);
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", ",", '"', "=", " ") }), { minLength: 1 }), (fields) => {
      const line = fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(",");
      assert.deepEqual(csvFields(line), fields);
    }),
  );
});

test("malformed quotes fail with docker's message", () => {
  for (const text of ["", '"a', '"a"b', 'dest="a b"']) assert.throws(() => csvFields(text), usage, text);
});

test("attributes have keys in lower case", () => {
  assert.deepEqual(attributes("Type=oci, dest=Out.tar,push"), { type: "oci", dest: "Out.tar", push: "" });
});

test("sizes are binary and whole", () => {
  assert.equal(byteSize("shm-size", "64m"), 64 * 1024 ** 2);
  assert.equal(byteSize("shm-size", "1.5G"), 1.5 * 1024 ** 3);
  assert.equal(byteSize("shm-size", "2KiB"), 2048);
  assert.equal(byteSize("shm-size", " 512b "), 512);
  for (const text of ["", "m", "-1", "1x", "1e9", "NaN", "9".repeat(40)]) {
    assert.throws(() => byteSize("shm-size", text), usage, text);
  }
});

test("durations have Go's form, and days", () => {
  assert.equal(duration("keep-duration", "1h30m"), 5_400_000);
  assert.equal(duration("keep-duration", "7d"), 604_800_000);
  assert.equal(duration("keep-duration", "250ms"), 250);
  assert.equal(duration("keep-duration", "90"), 90_000);
  for (const text of ["", "h", "1w", "1h 2m", "-1h", "1h!"]) {
    assert.throws(() => duration("keep-duration", text), usage, text);
  }
});

test("formats sizes and ages", () => {
  assert.equal(humanSize(0), "0B");
  assert.equal(humanSize(999), "999B");
  assert.equal(humanSize(12_345_678), "12.35MB");
  assert.equal(humanAge(0), "just now");
  assert.equal(humanAge(-5000), "just now");
  assert.equal(humanAge(61_000), "1 minute ago");
  assert.equal(humanAge(3 * 86_400_000), "3 days ago");
  assert.equal(humanAge(Number.NaN), "unknown");
});
