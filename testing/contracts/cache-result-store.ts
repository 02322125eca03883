import assert from "node:assert/strict";
import { test } from "node:test";
import type { CacheResultStore } from "../../src/solver/index.ts";

export interface ResultStoreFixture<R> extends AsyncDisposable {
  readonly store: CacheResultStore<R>;
  /** A new result, different from all before. */
  readonly make: () => R;
  /** Takes away what the store needs to load a result. */
  readonly lose: (result: R) => void;
}

/** Every implementation of `CacheResultStore` that can be saved to runs this. */
export function cacheResultStoreContract<R>(name: string, setUp: () => Promise<ResultStoreFixture<R>>): void {
  const check = (what: string, body: (fixture: ResultStoreFixture<R>) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      await using fixture = await setUp();
      await body(fixture);
    });
  };

  check("what is saved is loaded again, with the time it was saved with", async ({ store, make }) => {
    const result = make();
    const stored = await store.save(result, 1_234);
    assert.ok(stored !== undefined);
    assert.equal(stored.createdAt, 1_234);
    assert.equal(await store.exists(stored.id), true);
    assert.deepEqual(await store.load(stored, {}), result);
  });

  check("a result has one name, different results have different ones", async ({ store, make }) => {
    const [a, b] = [make(), make()];
    const names = [await store.save(a, 1), await store.save(a, 2), await store.save(b, 3)].map((stored) => stored?.id);
    assert.equal(names[0], names[1]);
    assert.notEqual(names[0], names[2]);
  });

  check("a result that is gone does not exist and does not load", async ({ store, make, lose }) => {
    const [kept, gone] = [make(), make()];
    const [a, b] = [await store.save(kept, 1), await store.save(gone, 1)];
    assert.ok(a !== undefined && b !== undefined);
    lose(gone);
    assert.equal(await store.exists(b.id), false);
    await assert.rejects(async () => await store.load(b, {}));
    assert.equal(await store.exists(a.id), true);
    assert.equal(await store.exists("a name nobody gave"), false);
  });
}
