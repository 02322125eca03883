import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compareSuite, readExpectedFailures } from "../../conformance/suites.ts";
import { startDockerServer } from "../../testing/docker-server.ts";
import { newerDocker } from "../../testing/dockerd.ts";
import { importMobyImages, runMobyTests } from "../../testing/moby-suite.ts";
import { buildsUnavailable } from "../../testing/varve.ts";

const EXPECTED = new URL("../../conformance/moby-build.txt", import.meta.url);

/** A checkout of moby, in which `go test -c` was run in both folders. */
const checkout = process.env["VARVE_MOBY"];
const newer = newerDocker();
const skip =
  checkout === undefined
    ? "VARVE_MOBY names no checkout of moby"
    : (buildsUnavailable() ?? (newer === undefined ? "no newer Docker can be had here" : undefined));

const SUITES = [
  { folder: "integration-cli", run: "TestDockerCLIBuildSuite|TestDockerAPISuite/TestBuild" },
  // What starts a daemon of its own would not be asked of ours.
  { folder: "integration/build", run: ".", skip: "UserNamespace|CgroupNamespaces" },
] as const;

test("moby's tests of builds pass but for those that are listed", { skip }, async (t) => {
  const results = new Map();
  for (const { folder, ...tests } of SUITES) {
    await using server = await startDockerServer({ buildkit: true });
    await importMobyImages(server);
    const run = { ...tests, folder: join(checkout ?? "", folder), docker: join(newer ?? "", "usr/bin/docker") };
    const { results: found, printed } = await runMobyTests(run, server);
    if (process.env["VARVE_MOBY_LOG"] !== undefined) t.diagnostic(printed);
    assert.ok(found.size > 20, printed);
    for (const [name, result] of found) results.set(name, result);
  }
  const expected = readExpectedFailures(await readFile(EXPECTED, "utf8"));
  assert.deepEqual(compareSuite(results, expected), { failures: [], passes: [], absent: [] });
});
