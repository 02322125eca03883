import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { type Database, openState } from "../state/index.ts";
import { type Snapshotter, mountSnapshot, openSnapshotter } from "./index.ts";

interface Opened {
  readonly state: Database;
  readonly open: () => Snapshotter;
}

async function opened(t: TestContext): Promise<Opened> {
  const directory = await temporaryDirectory();
  const state = openState(join(directory.path, "state.db"));
  t.after(async () => {
    state.close();
    await directory[Symbol.asyncDispose]();
  });
  return { state, open: () => openSnapshotter({ root: join(directory.path, "snapshots"), state, driver: "copy" }) };
}

async function layer(s: Snapshotter, name: string, parent?: string): Promise<void> {
  {
    await using tree = await mountSnapshot(await s.prepare("key", parent));
    writeFileSync(join(tree.path, name), name);
  }
  await s.commit(name, "key");
}

/** What a crash of the machine leaves: rows of a run that has ended. */
function crash(state: Database): void {
  state.run("UPDATE snapshot SET unsynced = 'an earlier run' WHERE unsynced IS NOT NULL");
}

function names(s: Snapshotter): string[] {
  return [...s.walk()].map(({ name }) => name);
}

test("what was flushed survives a crash of the machine, what was not and what is on top of it does not", async (t) => {
  const { state, open } = await opened(t);
  const s = open();
  await layer(s, "a");
  await layer(s, "b", "a");
  await s.flush();
  await layer(s, "c", "b");
  await layer(s, "d", "c");
  await s.prepare("writing", "d");
  assert.deepEqual(names(open()), ["a", "b", "c", "d", "writing"], "this run still has them");
  crash(state);
  const after = open();
  assert.deepEqual(names(after), ["a", "b"]);
  assert.deepEqual(state.all("SELECT 1 FROM edge WHERE from_id IN ('c', 'd', 'writing') OR to_id IN ('c', 'd')"), []);
  await layer(after, "c", "b");
  await after.flush();
  crash(state);
  assert.deepEqual(names(open()), ["a", "b", "c"], "its name can be used again");
});

test("a flush covers the commits of other processes", async (t) => {
  const { state, open } = await opened(t);
  const killed = open();
  await layer(killed, "a");
  const s = open();
  await layer(s, "b", "a");
  await s.flush();
  crash(state);
  assert.deepEqual(names(open()), ["a", "b"]);
});

test("commits during a flush are flushed by the next", async (t) => {
  const { state, open } = await opened(t);
  const s = open();
  await layer(s, "a");
  const first = s.flush();
  await layer(s, "b", "a");
  await Promise.all([first, s.flush(), s.flush()]);
  crash(state);
  assert.deepEqual(names(open()), ["a", "b"]);
});

test("snapshots are synced without a flush, too", async (t) => {
  const { state, open } = await opened(t);
  await layer(open(), "a");
  const pending = (): boolean => state.get("SELECT 1 FROM snapshot WHERE unsynced IS NOT NULL") !== undefined;
  assert.equal(pending(), true);
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = setInterval(() => {
    if (!pending()) resolve();
  }, 20);
  await promise;
  clearInterval(look);
});
