import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { type SuiteResult, compareSuite, readExpectedFailures } from "../../conformance/suites.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable, busyboxImage, finished } from "../../testing/varve.ts";

const PYTHON = "/usr/bin/python3";
const FILES = ["api_build_test.py", "api_image_test.py", "models_images_test.py"];
/** What the suite takes from the public registry. */
const IMAGES = ["alpine:latest", "alpine:3.10", "busybox:latest", "busybox:1.35", "hello-world:latest"];

const checkout = process.env["VARVE_DOCKER_PY"];
const skip =
  checkout === undefined
    ? "VARVE_DOCKER_PY does not name a checkout of docker-py"
    : (buildsUnavailable(PYTHON) ?? registryMissing() ?? false);

test("docker-py's integration tests of builds and images end as the list says", { skip }, async () => {
  await using stack = new AsyncDisposableStack();
  const varve = stack.use(await Varve.open());
  const registry = stack.use(await startRegistry());
  const config = join(varve.folder, "config.json");
  await writeFile(config, JSON.stringify({ registries: { "docker.io": { mirrors: [registry.url] } } }));
  await fillRegistry(varve, registry.host);
  const socket = await serve(varve, config, stack);
  const results = await runSuite(checkout ?? "", socket);
  assert.ok(results.size >= 50, `only ${results.size} tests were run`);
  const expected = readExpectedFailures(await readFile("conformance/docker-py.txt", "utf8"));
  assert.deepEqual(compareSuite(results, expected), { failures: [], passes: [], absent: [] });
});

async function fillRegistry(varve: Varve, host: string): Promise<void> {
  const base = "varve.test/flat:1";
  const steps = await busyboxImage(varve);
  // The suite counts layers, and its images have one.
  const flat = await varve.context("flat", `FROM scratch\nCOPY --from=${steps} / /\nCMD ["sh"]\n`);
  await varve.build(["-t", base, flat]);
  for (const image of IMAGES) {
    const name = `${host}/library/${image}`;
    for (const args of [
      ["tag", base, name],
      ["push", name],
      ["rmi", name],
    ]) {
      const { code, stderr } = await varve.run(args);
      assert.equal(code, 0, stderr);
    }
  }
}

/** Starts `varve serve` over an empty root, which has nothing of what filled the registry. */
async function serve(varve: Varve, config: string, stack: AsyncDisposableStack): Promise<string> {
  const socket = join(varve.folder, "docker.sock");
  const root = join(varve.folder, "served");
  const child = varve.start(["--config", config, "serve", "--docker", `unix://${socket}`], {
    env: { VARVE_ROOT: root },
  });
  const exited = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  assert.ok(child.stdout !== null);
  await once(createInterface({ input: child.stdout }), "line");
  return socket;
}

async function runSuite(directory: string, socket: string): Promise<Map<string, SuiteResult>> {
  const args = ["-m", "pytest", "-v", "--tb=short", "--color=no", "-p", "no:cacheprovider"];
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, PYTHONDONTWRITEBYTECODE: "1" };
  const paths = FILES.map((file) => `tests/integration/${file}`);
  const child = spawn(PYTHON, [...args, ...paths], { cwd: directory, env, stdio: ["pipe", "pipe", "pipe"] });
  const { stdout, stderr } = await finished(child);
  const results = resultsOf(stdout);
  if (results.size === 0) throw new Error(`pytest ran no test:\n${stdout}${stderr}`);
  return results;
}

/** A test that is expected to fail, and does not, passes. */
const RESULTS: Readonly<Record<string, SuiteResult>> = { PASSED: "passed", XPASS: "passed", SKIPPED: "skipped" };

/** An error of a test's setup or teardown comes after its result, and counts. */
function resultsOf(output: string): Map<string, SuiteResult> {
  const results = new Map<string, SuiteResult>();
  for (const [, name = "", word = ""] of output.matchAll(
    /^(tests\/\S+::\S+) (PASSED|FAILED|SKIPPED|XFAIL|XPASS|ERROR)/gm,
  ))
    results.set(name, RESULTS[word] ?? "failed");
  return results;
}
