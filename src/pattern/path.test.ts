import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { basePath, cleanPath, dirPath, joinPath } from "./index.ts";

test("cleans as Go", () => {
  const cases: [string, string][] = [
    ["", "."],
    ["/", "/"],
    ["//a//b/", "/a/b"],
    ["a/../..", ".."],
    ["/..", "/"],
    ["../../a", "../../a"],
    ["!a/../b", "b"],
    ["./.", "."],
  ];
  for (const [given, expected] of cases) assert.equal(cleanPath(given), expected);
});

test("cleaning agrees with Node's normalize but for a trailing slash", () => {
  const unit = fc.constantFrom("a", ".", "..", "/", "b");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (path) => {
      const normal = posix.normalize(path);
      assert.equal(cleanPath(path), normal.length > 1 ? normal.replace(/\/$/, "") : normal);
    }),
  );
});

test("joins, and takes apart", () => {
  assert.equal(joinPath("", ""), "");
  assert.equal(joinPath("/a", "", "../b"), "/b");
  assert.equal(basePath("/a/b/"), "b");
  assert.equal(basePath("/"), "/");
  assert.equal(basePath(""), ".");
  assert.equal(dirPath("/a/b"), "/a");
  assert.equal(dirPath("a"), ".");
});
