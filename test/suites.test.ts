import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { compareSuite, readExpectedFailures } from "../conformance/suites.ts";

test("failures that are not listed, passes that are, and tests that are gone are differences", () => {
  const expected = readExpectedFailures("# a comment\n\nfails\truns a container\npasses\tran one\ngone\twas there\n");
  const results = new Map([
    ["fails", "failed"],
    ["passes", "passed"],
    ["new", "failed"],
    ["skipped", "skipped"],
    ["good", "passed"],
  ] as const);
  assert.deepEqual(compareSuite(results, expected), {
    failures: ["new", "skipped"],
    passes: ["passes"],
    absent: ["gone"],
  });
});

test("a line needs a name and a reason, once", () => {
  for (const text of ["name", "name\t", "\treason", "a\tb\tc", "a\tb\na\tc"])
    assert.throws(() => readExpectedFailures(text), /^Error: line \d/, text);
});

test("the lists of the project can be read", () => {
  for (const path of globSync("conformance/*.txt")) readExpectedFailures(readFileSync(path, "utf8"));
});
