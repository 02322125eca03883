import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { readBuildkitResults } from "../conformance/go-results.ts";
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

test("a test of BuildKit's suites ends as the worst of its settings and subtests", () => {
  const printed = `--- FAIL: TestIntegration (8.0s)
    --- PASS: TestIntegration/TestGood/worker=oci/frontend=builtin (2.5s)
    --- FAIL: TestIntegration/TestGood/worker=containerd/frontend=builtin (2.5s)
    --- FAIL: TestIntegration/TestGood/worker=oci-rootless/frontend=builtin (2.5s)
    --- PASS: TestIntegration/TestBad/worker=oci/secmode=sandbox (1.0s)
    --- FAIL: TestIntegration/TestBad/worker=oci/secmode=insecure (1.0s)
        --- FAIL: TestIntegration/TestParts/worker=oci/one (1.0s)
        --- SKIP: TestIntegration/TestParts/worker=oci/two (1.0s)
    --- SKIP: TestIntegration/TestNone/worker=oci (0.0s)
    --- PASS: TestIntegration/TestTwice/worker=oci#01 (0.0s)
`;
  assert.deepEqual(Object.fromEntries(readBuildkitResults(printed)), {
    TestGood: "passed",
    TestBad: "failed",
    TestParts: "failed",
    TestNone: "skipped",
    TestTwice: "passed",
  });
});
