import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Limits, isVarveError } from "../core/index.ts";
import { parseIgnoreFile, trimSpace } from "./index.ts";

test("reads an ignore file as moby does", () => {
  const text = "test1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path\n!\n! ";
  assert.deepEqual(parseIgnoreFile(text), [
    "test1",
    "test2",
    "a/file/here",
    "lastfile",
    "!inverted/abs/path",
    "!",
    "!",
  ]);
});

test("a byte order mark, carriage returns and blanks at the ends are dropped", () => {
  assert.deepEqual(parseIgnoreFile(Buffer.from("\ufeff# c\r\n  a/ \r\n\r\n\t!b/./c  \r\n")), ["a", "!b/c"]);
});

test("a comment begins in the first column", () => {
  assert.deepEqual(parseIgnoreFile(" # not one\n#one"), ["# not one"]);
});

test("an absurdly large file is refused", () => {
  const big = "a".repeat(Limits.ignoreFile + 1);
  assert.throws(
    () => parseIgnoreFile(big),
    (error) => isVarveError(error, "limit-exceeded"),
  );
});

test("any text is read", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseIgnoreFile(text)));
});

test("white space is Go's", () => {
  assert.equal(trimSpace("\u0085\u00a0 a b \u3000\t"), "a b");
  assert.equal(trimSpace("\ufeffa"), "\ufeffa");
});
