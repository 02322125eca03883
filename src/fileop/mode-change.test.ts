import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { parseModeChange } from "./mode-change.ts";

const CASES: readonly (readonly [text: string, before: number, after: number, isDirectory?: boolean])[] = [
  ["0755", 0o4600, 0o755],
  ["4755", 0, 0o4755],
  ["7", 0o777, 0o007],
  ["u+x", 0o644, 0o744],
  ["+x", 0o644, 0o755],
  ["a+x", 0o644, 0o755],
  ["go-w", 0o666, 0o644],
  ["go=", 0o4777, 0o4700],
  ["u=rw,go=r", 0o777, 0o644],
  ["a=rX", 0o644, 0o444],
  ["a=rX", 0o744, 0o555],
  ["a=rX", 0o600, 0o555, true],
  ["u=rwX,go=rX", 0o600, 0o644],
  ["u=rwX,go=rX", 0o700, 0o755, true],
  ["u+x,a+X", 0o644, 0o744],
  ["-X", 0o755, 0o644],
  ["u+s", 0o755, 0o4755],
  ["g+s", 0o755, 0o2755],
  ["o+s", 0o755, 0o755],
  ["+s", 0o755, 0o6755],
  ["+t", 0o777, 0o1777],
  ["u+t", 0o777, 0o1777],
  ["o+t", 0o777, 0o777],
  ["u=", 0o4755, 0o055],
  ["g=u", 0o754, 0o774],
  ["o=g", 0o750, 0o755],
  ["go+u", 0o700, 0o777],
  ["g-o", 0o777, 0o707],
  ["u=g", 0o4750, 0o4550],
  ["go=u-w", 0o700, 0o755],
  ["=r", 0o6777, 0o444],
  ["ugo+rw", 0, 0o666],
];

for (const [text, before, after, isDirectory = false] of CASES) {
  test(`${text} turns ${before.toString(8)} into ${after.toString(8)}${isDirectory ? " for a directory" : ""}`, () => {
    assert.equal(parseModeChange(text)(before, isDirectory).toString(8), after.toString(8));
  });
}

test("malformed modes are errors", () => {
  for (const text of ["", "u", "z+x", "u+z", "888", "77777", "u+x,", ",u+x", "+x u", "0x1", "u x"]) {
    assert.throws(
      () => parseModeChange(text),
      (error) => isVarveError(error, "invalid-argument"),
      text,
    );
  }
});

test("a change never leaves the permission bits, and done twice is done once", () => {
  const clause = fc.stringMatching(/^[ugoa]{0,2}[-+=][rwxst]{0,3}$/);
  fc.assert(
    fc.property(
      fc.array(clause, { minLength: 1, maxLength: 3 }),
      fc.nat(0o7777),
      fc.boolean(),
      (clauses, mode, isDirectory) => {
        const change = parseModeChange(clauses.join(","));
        const once = change(mode, isDirectory);
        assert.ok(once >= 0 && once <= 0o7777);
        assert.equal(change(once, isDirectory), once);
      },
    ),
  );
});
