import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type TemporaryRecords, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { pruneRecords } from "../prune/prune.ts";
import { type RecordUsage, recordUsage } from "../prune/usage.ts";

const skip = recordsMissing() ?? false;
const HOLDER = fileURLToPath(new URL("../../../testing/context-copy-process.ts", import.meta.url));

async function usage(setup: TemporaryRecords): Promise<RecordUsage[]> {
  return await recordUsage({ ...setup, table: setup.records.table });
}

test("a copy that was kept is found again by its key", { skip }, async () => {
  await using setup = await temporaryRecords();
  const request = { key: "context::laptop", name: "context" };
  const paths: string[] = [];
  for (const name of ["a", "b"]) {
    await using copy = await setup.contextCopies.acquire(request);
    writeFileSync(join(copy.path, name), "");
    copy.keep();
    paths.push(copy.path);
    const [row] = await usage(setup);
    assert.equal(row?.inUse, true);
  }
  assert.equal(paths[0], paths[1], "checksums are cached by path");
  assert.deepEqual(readdirSync(paths[0] ?? "").sort(), ["a", "b"]);
  const [row, ...others] = await usage(setup);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [row?.recordType, row?.description, row?.inUse, row?.mutable, row?.usageCount],
    ["source.local", "local source for context", false, true, 2],
  );
  await using other = await setup.contextCopies.acquire({ key: "context::desktop", name: "context" });
  assert.deepEqual(readdirSync(other.path), []);
});

test("a copy that was not kept, or has no key, is removed", { skip }, async () => {
  await using setup = await temporaryRecords();
  for (const key of ["k", undefined]) {
    await using copy = await setup.contextCopies.acquire({ key, name: "context" });
    if (key === undefined) copy.keep();
    assert.equal((await usage(setup)).length, 1);
  }
  assert.deepEqual(await usage(setup), []);
  assert.deepEqual([...setup.snapshotter.walk()], []);
});

test("while a copy is in use, another one is used; later, the one that was used last", { skip }, async () => {
  await using setup = await temporaryRecords();
  const acquire = async (mark: string): Promise<AsyncDisposable & { readonly path: string }> => {
    const copy = await setup.contextCopies.acquire({ key: "k", name: "context" });
    writeFileSync(join(copy.path, mark), "");
    copy.keep();
    return copy;
  };
  const first = await acquire("first");
  const second = await acquire("second");
  assert.notEqual(first.path, second.path);
  await second[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  {
    const [row] = setup.records.table.all();
    setup.records.table.used([row?.id ?? ""], Date.now() + 1000);
    await using again = await acquire("third");
    assert.equal(existsSync(join(again.path, "first")), true);
    await using other = await acquire("fourth");
    assert.equal(existsSync(join(other.path, "second")), true);
  }
  assert.equal((await usage(setup)).length, 2);
});

test("prune removes copies that are not in use", { skip }, async () => {
  await using setup = await temporaryRecords();
  const request = { key: "k", name: "context" };
  const deps = { ...setup, table: setup.records.table };
  {
    await using copy = await setup.contextCopies.acquire(request);
    copy.keep();
    assert.deepEqual(await pruneRecords({}, deps), []);
  }
  const removed = await pruneRecords({ filters: ["type==source.local"] }, deps);
  assert.deepEqual(
    removed.map(({ recordType }) => recordType),
    ["source.local"],
  );
  await using copy = await setup.contextCopies.acquire(request);
  assert.deepEqual(readdirSync(copy.path), []);
});

test("a copy whose process was killed during a transfer is not used again, and is removed", { skip }, async () => {
  await using setup = await temporaryRecords();
  const request = { key: "k", name: "context" };
  {
    await using copy = await setup.contextCopies.acquire(request);
    copy.keep();
  }
  const child = spawn(process.execPath, [HOLDER, setup.root, "k"], { stdio: ["pipe", "pipe", "inherit"] });
  const [path] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual(readdirSync(path.toString()), ["half"]);
  setup.content.expireLeases();
  await using copy = await setup.contextCopies.acquire(request);
  assert.deepEqual(readdirSync(copy.path), []);
  assert.equal(existsSync(path.toString()), false);
});
