import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { isVarveError } from "../../core/index.ts";
import type { CacheMount, CacheSharing } from "./cache-mounts.ts";
import { SCRATCH } from "../types.ts";

const skip = recordsMissing() ?? false;
const HOLDER = fileURLToPath(new URL("../../../testing/cache-mount-process.ts", import.meta.url));

interface Holder extends AsyncDisposable {
  /** Settles when the process has the mount. */
  readonly ready: Promise<string>;
  kill(): Promise<void>;
}

/** Another process that holds a cache mount. */
function holder(root: string, key: string, sharing: CacheSharing, mark: string): Holder {
  const child: ChildProcess = spawn(process.execPath, [HOLDER, root, key, sharing, mark], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const { promise: ready, resolve } = Promise.withResolvers<string>();
  if (child.stdout !== null) createInterface({ input: child.stdout }).once("line", resolve);
  return {
    ready,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      await ended;
    },
  };
}

async function acquire(setup: TemporaryRecords, sharing: CacheSharing, ms = 5000): Promise<CacheMount> {
  const hold = { ...setup.hold, signal: AbortSignal.timeout(ms) };
  return await setup.cacheMounts.acquire({ key: "k", sharing, description: "test" }, hold);
}

test("a cache mount keeps what is put into it, and starts with what it is given", { skip }, async () => {
  await using setup = await temporaryRecords();
  const request = {
    key: "k",
    sharing: "shared" as const,
    description: "d",
    initialize: async (path: string) => writeFileSync(join(path, "first"), ""),
  };
  const contents: string[][] = [];
  for (const name of ["a", "b"]) {
    await using mount = await setup.cacheMounts.acquire(request, setup.hold);
    writeFileSync(join(mount.path, name), "");
    contents.push(readdirSync(mount.path).sort());
  }
  assert.deepEqual(contents, [
    ["a", "first"],
    ["a", "b", "first"],
  ]);
  const [row] = setup.records.table.byKey("k");
  assert.deepEqual([row?.type, row?.kind, row?.usageCount], ["exec.cachemount", "mutable", 2]);
  await setup.cacheMounts.prune("k");
  assert.deepEqual(setup.records.table.byKey("k"), [], "nobody gets it again");
  assert.ok(row !== undefined && setup.records.get(row.id) !== undefined, "it is in use by this build");
});

test("shared: two processes are in one directory at once", { skip }, async () => {
  await using setup = await temporaryRecords();
  await using one = holder(setup.root, "k", "shared", "one");
  await one.ready;
  await using mount = await acquire(setup, "shared");
  assert.deepEqual(readdirSync(mount.path), ["one"]);
});

test("private: a second process gets a directory of its own, a later one whichever is free", { skip }, async () => {
  await using setup = await temporaryRecords();
  await using one = holder(setup.root, "k", "private", "one");
  await one.ready;
  {
    await using mount = await acquire(setup, "private");
    assert.deepEqual(readdirSync(mount.path), []);
    writeFileSync(join(mount.path, "two"), "");
  }
  await using again = await acquire(setup, "private");
  assert.deepEqual(readdirSync(again.path), ["two"]);
});

test("locked: a second process waits until the first has ended, however it ends", { skip }, async () => {
  await using setup = await temporaryRecords();
  await using one = holder(setup.root, "k", "locked", "one");
  await one.ready;
  await assert.rejects(acquire(setup, "locked", 250), (error) => isVarveError(error, "cancelled"));
  const waiting = acquire(setup, "locked");
  await one.kill();
  await using mount = await waiting;
  assert.deepEqual(readdirSync(mount.path), ["one"]);
});

test("what nobody uses any more can be forgotten", { skip }, async () => {
  await using setup = await temporaryRecords();
  const lease = await setup.content.lease();
  {
    await using _mount = await setup.cacheMounts.acquire({ key: "k", sharing: "shared", description: "" }, { lease });
  }
  await lease[Symbol.asyncDispose]();
  await setup.cacheMounts.prune("k");
  assert.deepEqual(setup.records.table.byKey("k"), []);
  assert.deepEqual([...setup.snapshotter.walk()], []);
});

test("mount points of a process that was killed are taken away by the next", { skip }, async () => {
  await using setup = await temporaryRecords();
  const mounts = join(setup.root, "mounts");
  const one = holder(setup.root, "k", "shared", "one");
  await one.ready;
  assert.equal(readdirSync(mounts).length, 2, "a directory and its lock");
  await one.kill();
  assert.equal(readdirSync(mounts).length, 2);
  await using two = holder(setup.root, "k", "shared", "two");
  await two.ready;
  assert.equal(readdirSync(mounts).length, 2, "those of the second only");
  const id = await addLayer(setup, SCRATCH, (path) => writeFileSync(join(path, "f"), ""));
  await using tree = await setup.records.mount(id, setup.hold);
  assert.ok(existsSync(join(tree.path, "f")));
  assert.equal(readdirSync(mounts).length, 4, "a living process keeps its own");
});
