import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Filesystem, mountedFilesystem } from "../../testing/filesystems.ts";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { allocate } from "../linux/index.ts";
import type { Database } from "./index.ts";
import { openTestState as openState } from "../../testing/state.ts";

const MIB = 1_048_576;

function reserved(root: string): number {
  return readdirSync(join(root, "reserve")).reduce((sum, name) => {
    const { blocks } = statSync(join(root, "reserve", name));
    return sum + blocks * 512;
  }, 0);
}

/** Fills the filesystem as another program would: to the last byte. */
function fillUp(root: string): string {
  const path = join(root, "another-program");
  const fd = openSync(path, "a");
  try {
    const { bavail, bsize } = statfsSync(root);
    allocate(fd, Math.floor(bavail * bsize * 0.9));
    for (let size = MIB; size >= 1;) {
      try {
        writeSync(fd, Buffer.alloc(size, 1));
      } catch {
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(fd);
  }
  return path;
}

const add = (state: Database, id: string): unknown =>
  state.run("INSERT INTO lease VALUES (?, 0, 0, ?)", id, "x".repeat(20_000));
const ids = (state: Database): string[] => state.all<{ id: string }>("SELECT id FROM lease").map(({ id }) => id);
const isStorage = (error: unknown): boolean => isVarveError(error, "storage") && /Free space/.test(error.hint ?? "");

const SIZES: readonly (readonly [Filesystem, number])[] = [
  ["tmpfs", 16 * MIB],
  ["ext4", 24 * MIB],
  ["xfs", 320 * MIB],
  ["btrfs", 128 * MIB],
];

for (const [type, size] of SIZES) {
  test(`on a full ${type} a database opens and rows can be removed, but no more are added`, async (t) => {
    const root = await mountedFilesystem(t, type, size);
    if (root === undefined) return;
    const path = join(root, "state.db");
    const rows = Array.from({ length: 20 }, (_, index) => String(index));
    {
      using state = openState(path);
      for (const id of rows) add(state, id);
    }
    const whole = reserved(root);
    assert.ok(whole > 0 && whole <= statfsSync(root).blocks * statfsSync(root).bsize);
    const other = fillUp(root);
    {
      using state = openState(path);
      assert.deepEqual(ids(state).length, rows.length);
      assert.throws(() => {
        for (let n = 0; n < 1000; n += 1) add(state, `more-${n}`);
      }, isStorage);
      state.note("UPDATE lease SET labels = ?", "y".repeat(MIB));
      for (const id of rows) state.transaction(() => state.run("DELETE FROM lease WHERE id = ?", id), { frees: true });
      assert.deepEqual(
        ids(state).filter((id) => rows.includes(id)),
        [],
      );
    }
    rmSync(other);
    {
      using state = openState(path);
      add(state, "again");
    }
    assert.ok(reserved(root) >= whole, `${reserved(root)} of ${whole} bytes`);
  });
}

test("a process that opens a database on a full disk is not killed for its shared memory", async (t) => {
  // Blocks are smaller than pages here, so that a page of a mapped file can lack space for a part of it.
  const root = await mountedFilesystem(t, "ext4", 24 * MIB);
  if (root === undefined) return;
  const path = join(root, "state.db");
  {
    using state = openState(path);
    add(state, "a");
  }
  fillUp(root);
  const script = `const { openState } = await import(${JSON.stringify(new URL("state.ts", import.meta.url).href)});
    const state = openState(process.argv[1]); state.note("PRAGMA user_version"); state.close();`;
  for (let n = 0; n < 3; n += 1) {
    const { signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, path], {
      encoding: "utf8",
    });
    assert.equal(signal, null, stderr);
  }
});

test("a reserve grows with its database, and takes at most half of what is free", async (t) => {
  const root = await mountedFilesystem(t, "tmpfs", 256 * MIB);
  if (root === undefined) return;
  const path = join(root, "state.db");
  openState(path).close();
  assert.equal(reserved(root), 4 * MIB);
  {
    using state = openState(path);
    state.run("INSERT INTO lease VALUES ('large', 0, 0, ?)", "x".repeat(6 * MIB));
  }
  openState(path).close();
  assert.ok(reserved(root) >= 6 * MIB, String(reserved(root)));
  assert.ok(reserved(root) <= 16 * MIB, String(reserved(root)));
});

test("a new database on a full disk fails with a hint", async (t) => {
  const root = await mountedFilesystem(t, "tmpfs", MIB);
  if (root === undefined) return;
  fillUp(root);
  assert.throws(() => openState(join(root, "state.db")), isStorage);
});

test("only a lack of space releases a part of the reserve", async () => {
  await using directory = await temporaryDirectory("varve-reserve-");
  using state = openState(join(directory.path, "state.db"));
  const before = readdirSync(join(directory.path, "reserve"));
  let runs = 0;
  assert.throws(() =>
    state.transaction(
      () => {
        runs += 1;
        state.run("INSERT INTO nothing VALUES (1)");
      },
      { frees: true },
    ),
  );
  assert.equal(runs, 1);
  assert.deepEqual(readdirSync(join(directory.path, "reserve")), before);
});
