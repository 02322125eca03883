/** How one test of another project's suite ended. */
export type SuiteResult = "passed" | "failed" | "skipped";

/** Where results and a list of expected failures disagree, by name of test. All empty: they agree. */
export interface SuiteDifferences {
  /** Tests that did not pass and are not listed. */
  readonly failures: readonly string[];
  /** Listed tests that passed: their lines must go. */
  readonly passes: readonly string[];
  /** Listed tests that were not run: the suite no longer has them, or they were not asked for. */
  readonly absent: readonly string[];
}

/**
 * Reads a list of tests that do not pass: a line has the test's name as its runner prints it, a tab and the reason. Empty
 * lines and lines that begin with "#" are comments. Throws for a line without a reason and for a name that comes twice.
 */
export function readExpectedFailures(text: string): ReadonlyMap<string, string> {
  const expected = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [name = "", reason = "", ...more] = line.split("\t");
    if (name === "" || reason.trim() === "" || more.length > 0)
      throw new Error(`line ${index + 1} is not a name, a tab and a reason: ${line}`);
    if (expected.has(name)) throw new Error(`line ${index + 1}: ${name} is listed twice`);
    expected.set(name, reason);
  }
  return expected;
}

/** Compares results with what is expected. A listed test that passes is a difference as much as one that fails unlisted. */
export function compareSuite(
  results: ReadonlyMap<string, SuiteResult>,
  expected: ReadonlyMap<string, string>,
): SuiteDifferences {
  const named = (keep: (name: string, result: SuiteResult) => boolean): string[] =>
    [...results].filter(([name, result]) => keep(name, result)).map(([name]) => name);
  return {
    failures: named((name, result) => result !== "passed" && !expected.has(name)).toSorted(),
    passes: named((name, result) => result === "passed" && expected.has(name)).toSorted(),
    absent: [...expected.keys()].filter((name) => !results.has(name)).toSorted(),
  };
}
