import assert from "node:assert/strict";
import { test } from "node:test";
import { cacheKeyStoreContract } from "../../testing/contracts/cache-key-store.ts";
import { type Toy, ToyLog, solveToy, toy } from "../../testing/toy-graph.ts";
import { digestOf } from "../core/index.ts";
import { CacheKey, type KeyDigest, RECORD_OUTPUT, Solver, recordDigest } from "../solver/index.ts";
import { openState } from "../state/index.ts";
import { RecordKeyStore, type ResultTable, SqliteKeyStore, localCache } from "./index.ts";

cacheKeyStoreContract("sqlite, by records", () => {
  const state = openState(":memory:");
  const dispose = (): Promise<void> => Promise.resolve(state.close());
  return Promise.resolve({ store: new RecordKeyStore(state), [Symbol.asyncDispose]: dispose });
});

const table: ResultTable<Toy> = { get: (text) => ({ text }), id: ({ text }) => text };
const record = (name: string): KeyDigest => recordDigest(digestOf(name), 0);

/** Keys as a document tells of them: records, and what leads to them. */
function chain(...names: readonly string[]): CacheKey[] {
  const keys: CacheKey[] = [];
  for (const name of names) {
    const below = keys.at(-1);
    const key = new CacheKey(record(name), RECORD_OUTPUT, { inputs: below === undefined ? 0 : 1 });
    if (below !== undefined) key.addAlternative(0, { key: below, selector: "" });
    keys.push(key);
  }
  return keys;
}

test("keys saved by record digests are found by ops", async () => {
  using state = openState(":memory:");
  const cache = localCache(state, table, new RecordKeyStore(state));
  const keys = chain("base", "middle", "top");
  for (const key of keys) assert.notEqual(await cache.saveKey(key), undefined);
  await cache.save(keys[2] as CacheKey, { text: "imported" }, 1);
  const log = new ToyLog();
  const middle = toy(log, { name: "middle", inputs: [toy(log, { name: "base" })] });
  const solver = new Solver({ cache: localCache(state, table) });
  assert.equal(await solveToy(solver, toy(log, { name: "top", inputs: [middle] })), "imported");
  assert.deepEqual(log.take(), []);
});

test("keys saved by ops are found by record digests, and nothing is added", async () => {
  using state = openState(":memory:");
  const log = new ToyLog();
  const middle = toy(log, { name: "middle", inputs: [toy(log, { name: "base" })] });
  await solveToy(new Solver({ cache: localCache(state, table) }), toy(log, { name: "top", inputs: [middle] }));
  const before = new SqliteKeyStore(state).walk().sort();
  const cache = localCache(state, table, new RecordKeyStore(state));
  const keys = chain("base", "middle", "top");
  for (const key of keys) await cache.saveKey(key);
  assert.deepEqual(
    (await cache.recordsAt(keys[2]?.idsIn("local")[0] ?? "")).map(({ result }) => result.id),
    ["top(middle(base()))"],
  );
  const store = new SqliteKeyStore(state);
  assert.deepEqual(store.walk().sort(), before);
  assert.equal(before.flatMap((key) => store.outgoing(key)).length, 2);
});

test("two writers of the same records make the same keys", async () => {
  const ids = async (): Promise<string[]> => {
    using state = openState(":memory:");
    const cache = localCache(state, table, new RecordKeyStore(state));
    for (const key of chain("base", "middle", "top")) await cache.saveKey(key);
    return new SqliteKeyStore(state).walk().sort();
  };
  assert.deepEqual(await ids(), await ids());
});
