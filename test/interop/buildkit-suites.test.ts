import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { readBuildkitResults } from "../../conformance/go-results.ts";
import { compareSuite, readExpectedFailures } from "../../conformance/suites.ts";

/** What the suites printed, by the list of the tests that do not pass. */
const SUITES = [
  { list: "buildkit-dockerfile.txt", variable: "VARVE_BUILDKIT_DOCKERFILE_LOG" },
  { list: "buildkit-dockerfile-client.txt", variable: "VARVE_BUILDKIT_DOCKERFILE_CLIENT_LOG" },
  { list: "buildkit-dockerfile-image.txt", variable: "VARVE_BUILDKIT_DOCKERFILE_IMAGE_LOG" },
  { list: "buildkit-client.txt", variable: "VARVE_BUILDKIT_CLIENT_LOG" },
] as const;

for (const { list, variable } of SUITES) {
  const log = process.env[variable];
  const skip = log === undefined ? `${variable} names no log` : false;
  test(`BuildKit's tests pass but for those in ${list}`, { skip }, async () => {
    const results = readBuildkitResults(await readFile(log ?? "", "utf8"));
    assert.ok(results.size > 100, "the log is of a whole suite");
    const expected = readExpectedFailures(
      await readFile(new URL(`../../conformance/${list}`, import.meta.url), "utf8"),
    );
    assert.deepEqual(compareSuite(results, expected), { failures: [], passes: [], absent: [] });
  });
}
