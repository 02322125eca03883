import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { checkGlob, hasGlob, matchGlob } from "./index.ts";

/** Pattern, name, expected; undefined = malformed. The cases of Go's own tests of path.Match. */
const CASES: [pattern: string, name: string, expected: boolean | undefined][] = [
  ["abc", "abc", true],
  ["*", "abc", true],
  ["*c", "abc", true],
  ["a*", "a", true],
  ["a*", "abc", true],
  ["a*", "ab/c", false],
  ["a*/b", "abc/b", true],
  ["a*/b", "a/c/b", false],
  ["a*b*c*d*e*/f", "axbxcxdxe/f", true],
  ["a*b*c*d*e*/f", "axbxcxdxexxx/f", true],
  ["a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false],
  ["a*b*c*d*e*/f", "axbxcxdxexxx/fff", false],
  ["a*b?c*x", "abxbbxdbxebxczzx", true],
  ["a*b?c*x", "abxbbxdbxebxczzy", false],
  ["ab[c]", "abc", true],
  ["ab[b-d]", "abc", true],
  ["ab[e-g]", "abc", false],
  ["ab[^c]", "abc", false],
  ["ab[^b-d]", "abc", false],
  ["ab[^e-g]", "abc", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "ab", false],
  ["a?b", "a☺b", true],
  ["a[^a]b", "a☺b", true],
  ["a???b", "a☺b", false],
  ["a[^a][^a][^a]b", "a☺b", false],
  ["[a-ζ]*", "α", true],
  ["*[a-ζ]", "A", false],
  ["a?b", "a/b", false],
  ["a*b", "a/b", false],
  ["[\\]a]", "]", true],
  ["[\\-]", "-", true],
  ["[x\\-]", "x", true],
  ["[x\\-]", "-", true],
  ["[x\\-]", "z", false],
  ["[\\-x]", "x", true],
  ["[]a]", "]", undefined],
  ["[-]", "-", undefined],
  ["[x-]", "x", undefined],
  ["[x-]", "z", undefined],
  ["[-x]", "x", undefined],
  ["\\", "a", undefined],
  ["[a-b-c]", "a", undefined],
  ["[", "a", undefined],
  ["[^", "a", undefined],
  ["[^bc", "a", undefined],
  ["a[", "a", undefined],
  ["a[", "ab", undefined],
  ["a[", "x", undefined],
  ["a/b[", "x", undefined],
  ["*x", "xxx", true],
  ["", "", true],
  ["", "a", false],
  ["*", "", true],
];

test("matches as Go's path.Match", () => {
  for (const [pattern, name, expected] of CASES) {
    if (expected === undefined)
      assert.throws(
        () => matchGlob(pattern, name),
        (error) => isVarveError(error, "invalid-build"),
        pattern,
      );
    else assert.equal(matchGlob(pattern, name), expected, `${pattern} on ${name}`);
  }
});

test("a pattern of many stars takes no exponential time", () => {
  const started = performance.now();
  assert.equal(matchGlob("*a".repeat(200) + "b", "a".repeat(4000)), false);
  assert.ok(performance.now() - started < 2000);
});

test("random patterns give an answer or invalid-build, the same for every name", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "*", "?", "[", "]", "^", "-", "\\", "/", "é"),
    maxLength: 12,
  });
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      const valid = attempt(() => checkGlob(pattern));
      assert.equal(
        attempt(() => matchGlob(pattern, name)),
        valid,
      );
    }),
  );
});

function attempt(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    assert.ok(isVarveError(error, "invalid-build"));
    return false;
  }
}

test("a wildcard counts only when no backslash escapes it", () => {
  assert.equal(hasGlob("a/*.txt"), true);
  assert.equal(hasGlob("a/\\*.txt"), false);
  assert.equal(hasGlob("a/\\\\*.txt"), true);
  assert.equal(hasGlob("a]b"), false);
});
