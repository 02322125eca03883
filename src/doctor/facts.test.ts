import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mountedFilesystem } from "../../testing/filesystems.ts";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { openTestState } from "../../testing/state.ts";
import { openFilesFact, temporaryFact } from "./limits.ts";
import { nodeFact } from "./machine.ts";
import { doctorFacts } from "./facts.ts";

test("tries what builds need, and leaves no files", async () => {
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
    "platforms",
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

test("reports why a root cannot be used", async () => {
  const report = await doctorFacts({ root: "/proc/varve" });
  const fact = report.facts.find(({ name }) => name === "root");
  assert.equal(fact?.state, "missing");
  assert.match(fact.consequence ?? "", /^\/proc cannot be written to \(E[A-Z]+\)$/);
  assert.equal(fact.fix, "export VARVE_ROOT=/path/to/a/writable/directory");
  assert.equal(report.ready, false);
});

/** What doctor says of a root: the name and the consequence of each thing that is missing. */
async function missingIn(root: string): Promise<ReadonlyMap<string, string>> {
  const report = await doctorFacts({ root });
  const missing = report.facts.filter(({ state }) => state === "missing");
  assert.equal(report.ready, missing.length === 0);
  for (const { name, fix } of missing) if (name !== "RUN") assert.notEqual(fix, undefined, name);
  return new Map(missing.map(({ name, value, consequence = "" }) => [name, `${value}: ${consequence}`]));
}

test("reports a damaged database and one of a newer version, and does not change them", async () => {
  await using directory = await temporaryDirectory("varve-doctor-");
  const path = join(directory.path, "state.db");
  openTestState(path).close();
  const before = await missingIn(directory.path);
  assert.equal(before.has("database"), false);
  const whole = await readFile(path);
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, 3 * 4096, 4 * 4096);
  const newer = Buffer.from(whole);
  // PRAGMA user_version: https://sqlite.org/fileformat2.html#user_version_number
  newer.writeUInt32BE(9999, 60);
  for (const [bytes, says] of [
    [damaged, /builds cannot use this root/],
    [Buffer.alloc(8192, "not a database "), /builds cannot use this root/],
    [newer, /version is 9999/],
  ] as const) {
    await writeFile(path, bytes);
    assert.match((await missingIn(directory.path)).get("database") ?? "", says);
    assert.deepEqual(await readFile(path), bytes);
  }
});

test("reports that builds fail on a full disk and on a read-only one", async (t) => {
  const root = await mountedFilesystem(t, "tmpfs", 8 * 1_048_576);
  if (root === undefined) return;
  openTestState(join(root, "state.db")).close();
  assert.deepEqual([...(await missingIn(root)).keys()], []);
  const { bavail, bsize } = statfsSync(root);
  await writeFile(join(root, "filler"), new Uint8Array(bavail * bsize));
  assert.match((await missingIn(root)).get("disk") ?? "", /^0\.0 MB free: the disk is full/);
  await rm(join(root, "filler"));
  execFileSync("mount", ["-o", "remount,ro", root]);
  assert.match((await missingIn(root)).get("root") ?? "", /cannot be written to \(EROFS\)/);
  assert.throws(
    () => {
      using state = openTestState(join(root, "state.db"));
      state.run("DELETE FROM lease");
    },
    (error) => isVarveError(error, "storage") && /read-only/.test(error.message) && error.hint !== undefined,
  );
});

test("the limit on open files", () => {
  const limits = (count: string): string =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${count}  4096  files\n`;
  const states = ["24", "256", "1024", "unlimited"].map((count) => openFilesFact(limits(count)).state);
  assert.deepEqual(states, ["missing", "limited", "ok", "ok"]);
});

test("reports that temporary files cannot be created", async () => {
  const { state, consequence } = await temporaryFact("/proc/nothing");
  assert.deepEqual([state, consequence?.startsWith("temporary files cannot be created (ENOENT)")], ["limited", true]);
});

test("every fact that is not ok has a consequence", async () => {
  await using directory = await temporaryDirectory("varve-doctor-");
  for (const fact of (await doctorFacts({ root: directory.path })).facts) {
    if (fact.state !== "ok") assert.notEqual(fact.consequence, undefined, fact.name);
  }
});

test("stops when the signal is aborted", async () => {
  const stopped = AbortSignal.abort();
  await assert.rejects(doctorFacts({ root: "/proc/varve" }, stopped), (error) => isVarveError(error, "cancelled"));
});

test("reports a version of Node that is too old", () => {
  assert.equal(nodeFact("24.11.9").state, "missing");
  assert.equal(nodeFact("22.30.0").state, "missing");
  assert.equal(nodeFact("24.12.0").state, "ok");
  assert.equal(nodeFact("26.0.0").state, "ok");
});
