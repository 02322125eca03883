import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VarveError } from "./error.ts";
import { familiarReference, formatReference, parseReference, withDefaultTag } from "./reference.ts";

const D = `sha256:${"a".repeat(64)}`;

const GOOD: readonly [text: string, full: string, familiar: string][] = [
  ["alpine", "docker.io/library/alpine", "alpine"],
  ["alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"],
  ["user/app", "docker.io/user/app", "user/app"],
  ["docker.io/alpine", "docker.io/library/alpine", "alpine"],
  ["index.docker.io/library/alpine", "docker.io/library/alpine", "alpine"],
  ["localhost/app", "localhost/app", "localhost/app"],
  ["localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t"],
  ["[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"],
  [`ghcr.io/o/r:1@${D}`, `ghcr.io/o/r:1@${D}`, `ghcr.io/o/r:1@${D}`],
  ["a/b/c/d__e-f.g", "docker.io/a/b/c/d__e-f.g", "a/b/c/d__e-f.g"],
];

for (const [text, full, familiar] of GOOD) {
  test(`${text} is ${full}`, () => {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), full);
    assert.equal(familiarReference(reference), familiar);
    assert.deepEqual(parseReference(full), reference);
  });
}

const BAD = [
  "",
  "A",
  "Alpine",
  "a:",
  "a:b:c",
  "a@sha256:1",
  "a//b",
  "/a",
  "a/",
  "a b",
  "-a",
  "a..b",
  `a:${"t".repeat(129)}`,
  "a".repeat(300),
  "b".repeat(64),
  "http://x/y",
  "a@md5:aa",
  "x/../y",
  "x\u0000y",
];

for (const text of BAD) {
  test(`${JSON.stringify(text.slice(0, 20))} is refused`, () => {
    assert.throws(
      () => parseReference(text),
      (error: unknown) => error instanceof VarveError && error.code === "invalid-argument",
    );
  });
}

test("a name without tag and digest means latest; one with either is left alone", () => {
  assert.equal(withDefaultTag(parseReference("a")).tag, "latest");
  assert.equal(withDefaultTag(parseReference("a:1")).tag, "1");
  assert.equal(withDefaultTag(parseReference(`a@${D}`)).tag, undefined);
});

test("any text is read or refused, and what is read reads the same again", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      try {
        const reference = parseReference(text);
        assert.deepEqual(parseReference(formatReference(reference)), reference);
      } catch (error) {
        assert.ok(error instanceof VarveError);
      }
    }),
  );
});
