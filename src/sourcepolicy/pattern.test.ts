import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { regex, wildcard } from "./pattern.ts";

const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
const words = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 12 });

test("a wildcard is the regular expression with a greedy group for each star", () => {
  fc.assert(
    fc.property(letters, words, (pattern, text) => {
      fc.pre(!pattern.includes("**"));
      const reference = new RegExp(`^${pattern.replaceAll("*", "(.*)")}$`);
      const found = wildcard(pattern);
      const match = reference.exec(text);
      assert.equal(found.matches(text), match !== null);
      const template = "<${0}|$1|${2}|${3}>";
      const expected = match === null ? text : `<${[0, 1, 2, 3].map((group) => match[group] ?? "").join("|")}>`;
      assert.equal(found.format(text, template), expected);
    }),
  );
});

test("a wildcard with many stars takes no time", () => {
  const pattern = wildcard(`${"a*".repeat(4000)}b`);
  assert.equal(pattern.matches("a".repeat(16_000)), false);
});

test("a regular expression that backtracks for ever is stopped", () => {
  const pattern = regex("^(a+)+$");
  assert.throws(() => pattern.matches(`${"a".repeat(64)}b`), { code: "limit-exceeded" });
  assert.equal(pattern.matches("aaa"), true);
});

test("Go's syntax is translated", () => {
  assert.equal(regex("(?i)ALPINE").matches("x/alpine:3"), true);
  assert.equal(regex("\\Aa\\z").matches("a\n"), false);
  assert.equal(regex("^\\pL$").matches("é"), true);
  assert.equal(regex("^\\p{Greek}\\P{Lu}$").matches("αa"), true);
  assert.equal(regex("(?P<x>b)").format("abc", "[$x]"), "a[b]c");
  for (const wrong of ["(?=a)", "(?<!a)b", "(a)\\1", "(", "a{2,1}"])
    assert.throws(() => regex(wrong), { code: "invalid-argument", message: /^invalid regex/ });
});

test("texts have a limit", () => {
  assert.throws(() => wildcard("a".repeat(20_000)), { code: "limit-exceeded" });
  assert.throws(() => regex("a").matches("a".repeat(20_000)), { code: "limit-exceeded" });
});
