import assert from "node:assert/strict";
import { test } from "node:test";
import { Limits } from "../core/index.ts";
import { compileExpression } from "./expression.ts";
import { matchingWork } from "./state-machine.ts";

/** Words of states followed. */
function wordsOf(pattern: string, path: string): number {
  const before = matchingWork.words;
  compileExpression(pattern).matches(path);
  return matchingWork.words - before;
}

const HOSTILE: readonly [name: string, piece: string, letter: string][] = [
  ["stars", "*a", "a"],
  ["directories", "**/", "a/"],
  ["optional directories before stars", "**/*", "a/"],
  ["classes", "[^b]*", "a"],
];

for (const [name, piece, letter] of HOSTILE)
  test(`a match costs one operation for a character and 32 terms of the pattern: ${name}`, () => {
    const cost = (times: number, length: number): number => wordsOf(`${piece.repeat(times)}x`, letter.repeat(length));
    for (const [times, length] of [
      [100, 100],
      [100, 1000],
      [800, 100],
      [800, 1000],
    ] as const) {
      const words = cost(times, length);
      assert.ok(words > 0 && words <= length * letter.length * ((times * piece.length) / 32 + 2), `${words}`);
    }
  });

test("a pattern with wildcards is no longer than a path can be", () => {
  assert.throws(() => compileExpression(`${"*a".repeat(Limits.path / 2)}b`), { code: "limit-exceeded" });
  assert.ok(compileExpression("*a".repeat(Limits.path / 2)).matches("a".repeat(Limits.path)));
});
