import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { createFile } from "./create.ts";
import { openState } from "./state.ts";

test("a file gets its name when it is complete, and nothing else is left", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  createFile(path, (db) => {
    assert.ok(!readdirSync(dir.path).includes("state.db"));
    db.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
  });
  assert.deepEqual(readdirSync(dir.path), ["state.db"]);
  using db = new DatabaseSync(path);
  assert.deepEqual({ ...db.prepare("PRAGMA journal_mode").get() }, { journal_mode: "wal" });
  assert.deepEqual({ ...db.prepare("SELECT x FROM t").get() }, { x: 1 });
});

test("of two concurrent creations one wins, and an existing file is left as it is", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  createFile(path, (outer) => {
    // Also removes the file of the outer creation, as if that had been killed.
    createFile(path, (db) => db.exec("CREATE TABLE first (x)"));
    outer.exec("CREATE TABLE second (x)");
  });
  createFile(path, () => assert.fail("there is a file"));
  assert.deepEqual(readdirSync(dir.path), ["state.db"]);
  using db = new DatabaseSync(path);
  assert.deepEqual({ ...db.prepare("SELECT name FROM sqlite_schema").get() }, { name: "first" });
});

test("a creation that fails leaves nothing", async () => {
  await using dir = await temporaryDirectory();
  createFile(join(dir.path, "state.db"), () => {
    throw new Error("the disk is full");
  });
  assert.deepEqual(readdirSync(dir.path), []);
  mkdirSync(join(dir.path, "state.db"));
  createFile(join(dir.path, "state.db"), () => assert.fail("the name is taken"));
  assert.deepEqual(readdirSync(dir.path), ["state.db"]);
});

const traced = spawnSync("strace", ["-V"]).status === 0;
test("opening a new database syncs its file once", { skip: traced ? false : "no strace" }, async () => {
  await using dir = await temporaryDirectory();
  const trace = join(dir.path, "trace");
  const module = new URL("state.ts", import.meta.url).href;
  const script = `const { openState } = await import(${JSON.stringify(module)}); openState(process.argv[1]).close();`;
  const node = [process.execPath, "--input-type=module", "-e", script, join(dir.path, "root/state.db")];
  execFileSync("strace", ["-f", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-o", trace, ...node]);
  const synced = readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.includes("/root/"));
  assert.equal(synced.length, 1, synced.join("\n"));
  using state = openState(join(dir.path, "root/state.db"));
  assert.equal(state.get<{ n: number }>("SELECT count(*) AS n FROM tables_version")?.n, 0);
});
