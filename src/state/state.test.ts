import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, copyFileSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { openTestState as openState } from "../../testing/state.ts";
import type { Row } from "./index.ts";
import { contentTables } from "../content/index.ts";
import { imageTables } from "../image/index.ts";
import { APPLICATION_ID, FORMAT } from "./format.ts";

const MODULE = new URL("../../testing/state.ts", import.meta.url).href;

/** With the prototype that a strict comparison wants. */
function copy(row: Row | undefined): object {
  return { ...row };
}

function child(script: string, ...args: readonly string[]): Promise<string> {
  const running = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  running.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  return once(running, "close").then(([code]) => {
    assert.equal(code, 0, out);
    return out;
  });
}

test("rows written by one connection are read by another", async () => {
  await using dir = await temporaryDirectory();
  using a = openState(join(dir.path, "deep", "state.db"));
  using b = openState(join(dir.path, "deep", "state.db"));
  assert.deepEqual(a.run("INSERT INTO image VALUES (?, ?, ?, ?)", "n", "{}", 1, 2), { changes: 1 });
  assert.deepEqual(copy(b.get("SELECT * FROM image")), { name: "n", descriptor: "{}", created_at: 1, updated_at: 2 });
  assert.equal(b.get("SELECT * FROM image WHERE name = ?", "other"), undefined);
});

test("a transaction that throws is rolled back; an inner one rolls back only itself", () => {
  using state = openState(":memory:");
  const add = (id: string): unknown => state.run("INSERT INTO lease VALUES (?, 0, 0, '{}')", id);
  const ids = (): unknown[] => state.all<{ id: string }>("SELECT id FROM lease ORDER BY id").map(({ id }) => id);
  assert.throws(() =>
    state.transaction(() => {
      add("a");
      throw new Error("stop");
    }),
  );
  assert.deepEqual(ids(), []);
  state.transaction(() => {
    add("b");
    assert.throws(() =>
      state.transaction(() => {
        add("c");
        assert.throws(() => state.transaction(() => assert.fail("innermost")));
        throw new Error("inner");
      }),
    );
    state.transaction(() => add("d"));
  });
  assert.deepEqual(ids(), ["b", "d"]);
  assert.equal(state.inTransaction, false);
});

test("a transaction whose function is asynchronous is refused and rolled back", () => {
  using state = openState(":memory:");
  assert.throws(
    () => state.transaction(() => Promise.resolve(state.run("INSERT INTO lease VALUES ('a', 0, 0, '{}')"))),
    (error) => isVarveError(error, "internal"),
  );
  assert.equal(state.get("SELECT 1 FROM lease"), undefined);
});

test("a durable transaction syncs, and those after it are as before", async () => {
  await using dir = await temporaryDirectory();
  using state = openState(join(dir.path, "state.db"));
  const level = state.transaction(() => copy(state.get("PRAGMA synchronous")), { durable: true });
  assert.deepEqual(level, { synchronous: 2 });
  assert.deepEqual(copy(state.get("PRAGMA synchronous")), { synchronous: 1 });
});

test("a key that is taken is already-exists", () => {
  using state = openState(":memory:");
  const add = (): unknown => state.run("INSERT INTO blob VALUES ('d', 1, 1)");
  add();
  assert.throws(add, (error) => isVarveError(error, "already-exists"));
});

test("a version from the future is refused and left as it is", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  openState(path).close();
  using db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 9999");
  assert.throws(
    () => openState(path),
    (error) => isVarveError(error, "unsupported") && /version is 9999/.test(error.message),
  );
  assert.deepEqual({ ...db.prepare("PRAGMA user_version").get() }, { user_version: 9999 });
});

test("another program's database is refused", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  using db = new DatabaseSync(path);
  db.exec("CREATE TABLE theirs (x)");
  assert.throws(
    () => openState(path),
    (error) => isVarveError(error, "unsupported"),
  );
});

test("a damaged file is refused as corrupt and never replaced", async () => {
  await using dir = await temporaryDirectory();
  const garbage = join(dir.path, "garbage.db");
  writeFileSync(garbage, Buffer.alloc(8192, "not a database "));
  assert.throws(
    () => openState(garbage),
    (error) => isVarveError(error, "corrupt") && error.hint !== undefined,
  );
  assert.deepEqual(readFileSync(garbage), Buffer.alloc(8192, "not a database "));

  const path = join(dir.path, "state.db");
  openState(path).close();
  const torn = join(dir.path, "torn.db");
  copyFileSync(path, torn);
  const fd = openSync(torn, "r+");
  writeSync(fd, Buffer.alloc(3000, 0xff), 0, 3000, 100);
  closeSync(fd);
  assert.throws(
    () => {
      using state = openState(torn);
      state.all("SELECT * FROM image");
    },
    (error) => isVarveError(error, "corrupt"),
  );
});

test("several processes open a new database at once, and their writes all arrive", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  const script = `
    import { openTestState as openState } from ${JSON.stringify(MODULE)};
    using state = openState(process.argv[1]);
    for (let i = 0; i < 100; i++) state.transaction(() => {
      const n = state.get("SELECT count(*) AS n FROM lease").n;
      state.run("INSERT INTO lease VALUES (?, 0, ?, '{}')", process.argv[2] + ":" + i, n);
    });`;
  await Promise.all(["a", "b", "c"].map((name) => child(script, path, name)));
  using state = openState(path);
  assert.deepEqual(copy(state.get("SELECT count(*) AS n, count(DISTINCT expires_at) AS d FROM lease")), {
    n: 300,
    d: 300,
  });
});

test("rows committed by a process that is then killed are there", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  const script = `
    import { openTestState as openState } from ${JSON.stringify(MODULE)};
    const state = openState(process.argv[1]);
    state.run("INSERT INTO lease VALUES ('kept', 0, 0, '{}')");
    state.db.exec("BEGIN IMMEDIATE");
    state.db.exec("INSERT INTO lease VALUES ('half', 0, 0, '{}')");
    process.kill(process.pid, "SIGKILL");`;
  const running = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, path], { stdio: "inherit" });
  const [, signal] = await once(running, "close");
  assert.equal(signal, "SIGKILL");
  using state = openState(path);
  assert.deepEqual(
    state.all<{ id: string }>("SELECT id FROM lease").map(({ id }) => id),
    ["kept"],
  );
});

test("a root of the first version is brought up to date, with what is in it", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  {
    using old = new DatabaseSync(path);
    for (const { migrations } of [contentTables, imageTables]) old.exec(migrations[0] ?? "");
    old.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`);
    old.exec("INSERT INTO lease VALUES ('kept', 0, 0, '{}')");
  }
  using state = openState(path);
  assert.equal(state.get<{ id: string }>("SELECT id FROM lease")?.id, "kept");
  assert.deepEqual(state.all("SELECT * FROM local_image"), []);
  assert.deepEqual(copy(state.get("PRAGMA user_version")), { user_version: FORMAT });
});
