import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { nodeFact } from "./doctor/machine.ts";
import { doctorFacts } from "./doctor.ts";

test("tries what a build needs, and leaves neither a root nor anything else", async () => {
  await using directory = await temporaryDirectory("varve-doctor-");
  const root = join(directory.path, "not/yet/there");
  const report = await doctorFacts({ root });
  assert.equal(report.root, root);
  const states = new Map(report.facts.map((fact) => [fact.name, fact.state]));
  for (const name of [
    "node",
    "kernel",
    "privileges",
    "root",
    "overlayfs",
    "reflink",
    "OCI runtime",
    "RUN",
    "seccomp",
    "git",
  ]) {
    assert.ok(states.has(name), name);
  }
  assert.equal(states.get("node"), "ok");
  assert.equal(
    report.ready,
    ["kernel", "privileges", "root", "OCI runtime", "RUN"].every((name) => states.get(name) !== "missing"),
  );
  assert.deepEqual(await readdir(directory.path), []);
});

test("says why a root cannot be used, and that no build works in it", async () => {
  const report = await doctorFacts({ root: "/proc/varve" });
  const fact = report.facts.find(({ name }) => name === "root");
  assert.equal(fact?.state, "missing");
  assert.match(fact.consequence ?? "", /^\/proc cannot be written to \(E[A-Z]+\)$/);
  assert.equal(fact.mend, "varve --root DIR …");
  assert.equal(report.ready, false);
});

test("every fact that is not well says what follows", async () => {
  await using directory = await temporaryDirectory("varve-doctor-");
  for (const fact of (await doctorFacts({ root: directory.path })).facts) {
    if (fact.state !== "ok") assert.notEqual(fact.consequence, undefined, fact.name);
  }
});

test("stops when asked to", async () => {
  const stopped = AbortSignal.abort();
  await assert.rejects(doctorFacts({ root: "/proc/varve" }, stopped), (error) => isVarveError(error, "cancelled"));
});

test("knows which Node is too old", () => {
  assert.equal(nodeFact("24.11.9").state, "missing");
  assert.equal(nodeFact("22.30.0").state, "missing");
  assert.equal(nodeFact("24.12.0").state, "ok");
  assert.equal(nodeFact("26.0.0").state, "ok");
});
