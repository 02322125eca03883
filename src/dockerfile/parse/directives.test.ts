import assert from "node:assert/strict";
import { test } from "node:test";
import { detectSyntax, directive, sourceFile } from "../index.ts";

const syntax = (text: string): string | undefined => detectSyntax(sourceFile("x", text))?.image;

test("the front end can be named in any language", () => {
  assert.equal(syntax("# syntax=a/b:1 extra\nFROM x"), "a/b:1");
  assert.equal(syntax("#SYNTAX = a\n"), "a");
  assert.equal(syntax("// syntax=a\n"), "a");
  assert.equal(syntax('{"syntax": "a"}'), "a");
  assert.equal(syntax("#!/usr/bin/env x\n# syntax=a"), "a");
  assert.equal(syntax("\n# syntax=a"), undefined);
  assert.equal(syntax('{"__proto__": {"syntax": "a"}}'), undefined);
  assert.equal(syntax("# foo=bar\n# syntax=a"), undefined);
});

test("words after the image of a front end are for the front end", () => {
  const found = detectSyntax(sourceFile("x", "#!/bin/x\n# syntax=a/b:1 extra words\nFROM x"));
  assert.deepEqual([found?.image, found?.cmdline, found?.range.start.line], ["a/b:1", "a/b:1 extra words", 2]);
});

test("a directive has a value and a place", () => {
  const found = directive("check", sourceFile("x", "# syntax=a\n# check=skip=all;error=true\nFROM x"));
  assert.equal(found?.value, "skip=all;error=true");
  assert.equal(found?.range.start.line, 2);
});
