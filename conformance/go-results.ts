import type { SuiteResult } from "./suites.ts";

const ENDS: Readonly<Record<string, SuiteResult>> = { PASS: "passed", FAIL: "failed", SKIP: "skipped" };

/** Returns how each test and subtest ended, by what `go test -v` prints: `--- PASS: TestBuild/empty (0.01s)`. */
export function readGoResults(printed: string): ReadonlyMap<string, SuiteResult> {
  const found = [...printed.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+) \(/gm)];
  return new Map(found.map(([, end = "", name = ""]) => [name, ENDS[end] ?? "failed"]));
}

/** A test of BuildKit's integration suites, with a worker that its daemon has. */
const BUILDKIT_TEST = /^TestIntegration\/(?<test>Test[^/]+)\/worker=oci(?![-\w])/;

/**
 * Returns how the tests of a BuildKit integration suite ended, by their own names. A test that runs with several settings or
 * has subtests failed if one of them failed, and was skipped if all were.
 */
export function readBuildkitResults(printed: string): ReadonlyMap<string, SuiteResult> {
  const results = new Map<string, SuiteResult>();
  for (const [name, result] of readGoResults(printed)) {
    const test = BUILDKIT_TEST.exec(name)?.groups?.["test"];
    if (test === undefined) continue;
    results.set(test, worse(results.get(test) ?? "skipped", result));
  }
  return results;
}

const SEVERITY: readonly SuiteResult[] = ["skipped", "passed", "failed"];

function worse(left: SuiteResult, right: SuiteResult): SuiteResult {
  return SEVERITY.indexOf(left) < SEVERITY.indexOf(right) ? right : left;
}
