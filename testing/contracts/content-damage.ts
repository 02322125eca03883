import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type ContentStore, type OpenOptions, damagedBlobOf } from "../../src/content/index.ts";
import { type Digest, digestOf, isVarveError } from "../../src/core/index.ts";
import { bytesOf } from "../../src/io/index.ts";
import type { Check } from "./content-check.ts";

/** Changes one bit of a file. */
export function flipBit(path: string, at: number): void {
  chmodSync(path, 0o644);
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 4;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

/** What can become of a blob's file, by the state that a store gives it. */
const DAMAGES: readonly (readonly [state: string, what: string, damage: (path: string) => void])[] = [
  ["missing", "removed", (path) => rmSync(path)],
  ["wrong-size", "cut short", (path) => truncateSync(path, 10)],
  ["wrong-size", "grown", (path) => writeFileSync(path, "more", { flag: "a" })],
  ["wrong-digest", "changed at its beginning", (path) => flipBit(path, 0)],
  ["wrong-digest", "changed at its end", (path) => flipBit(path, SIZE - 1)],
  ["wrong-digest", "another file of the same size", (path) => writeFileSync(path, randomBytes(SIZE))],
  [
    "not-a-file",
    "a directory",
    (path) => {
      rmSync(path);
      mkdirSync(path);
    },
  ],
  [
    "not-a-file",
    "a link to a file that has its bytes",
    (path) => {
      renameSync(path, `${path}.elsewhere`);
      symlinkSync(`${path}.elsewhere`, path);
    },
  ],
];

const SIZE = 1_000_000;

/** The bytes that come, and what comes after them. */
async function reading(
  store: ContentStore,
  digest: Digest,
  options?: OpenOptions,
): Promise<{ readonly bytes: number; readonly error: unknown }> {
  let bytes = 0;
  try {
    for await (const chunk of store.open(digest, options)) bytes += chunk.byteLength;
    return { bytes, error: undefined };
  } catch (error) {
    return { bytes, error };
  }
}

function isLost(store: ContentStore, digest: Digest): void {
  assert.equal(store.info(digest), undefined);
  assert.throws(() => store.path(digest), /not in the content store/);
}

export function damage(check: Check): void {
  const data = randomBytes(SIZE);
  const expected = { digest: digestOf(data), size: SIZE };

  for (const [state, what, change] of DAMAGES)
    check(`a blob whose file is ${what} is not read to its end, is lost at once, and comes back`, async (store) => {
      const { digest } = await store.put(data);
      const path = store.path(digest);
      if (state !== "missing") chmodSync(path, 0o644);
      change(path);
      const { bytes, error } = await reading(store, digest);
      assert.ok(bytes < SIZE, `${bytes} bytes came`);
      if (state === "wrong-digest") {
        assert.equal(damagedBlobOf(error), digest);
        assert.ok(isVarveError(error, "storage"));
      } else assert.ok(isVarveError(error, "not-found"));
      isLost(store, digest);
      assert.equal(existsSync(path), false);
      assert.equal((await store.quarantined()).length, state === "missing" ? 0 : 1);
      await store.put(bytesOf(data), { expected });
      assert.deepEqual(await reading(store, digest), { bytes: SIZE, error: undefined });
    });

  for (const [state, what, change] of DAMAGES)
    check(`verifying finds a blob whose file is ${what}`, async (store) => {
      const [{ digest }, fine] = await Promise.all([store.put(data), store.put(bytesOf("fine"))]);
      change(store.path(digest));
      const told: unknown[] = [];
      const verification = await store.verify({ onProgress: (progress) => told.push(progress.damage?.state) });
      assert.deepEqual(verification.damaged, [{ digest, size: SIZE, state }]);
      assert.equal(verification.blobs, 2);
      assert.deepEqual(
        told.filter((each) => each !== undefined),
        [state],
      );
      isLost(store, digest);
      assert.ok(store.info(fine.digest) !== undefined);
      assert.deepEqual((await store.verify()).damaged, []);
    });

  check("no part of a damaged blob is read to its end, wherever the damage is", async (store) => {
    for (const at of [0, SIZE / 2, SIZE - 1])
      for (const part of [{ length: 10 }, { offset: SIZE - 10 }, { offset: 300_000, length: 300_000 }, { length: 0 }]) {
        const { digest } = await store.put(data);
        flipBit(store.path(digest), at);
        const { bytes, error } = await reading(store, digest, part);
        assert.equal(damagedBlobOf(error), digest);
        assert.ok(bytes < (part.length ?? 10) || part.length === 0);
        isLost(store, digest);
      }
  });

  check(
    "a blob is given without verifying it only where that was asked for, and is still one of the right size",
    async (store) => {
      const { digest } = await store.put(data);
      const part = { offset: 300_000, length: 400_000, verify: false };
      assert.deepEqual(await reading(store, digest, part), { bytes: 400_000, error: undefined });
      flipBit(store.path(digest), 5);
      assert.deepEqual(await reading(store, digest, { verify: false }), { bytes: SIZE, error: undefined });
      assert.ok(store.info(digest) !== undefined);
      assert.equal(damagedBlobOf((await reading(store, digest)).error), digest);
      isLost(store, digest);
    },
  );

  check("a blob that was verified gives its parts, and a damaged one is none", async (store) => {
    const { digest } = await store.put(data);
    {
      await using blob = await store.openVerified(digest);
      assert.equal(blob.size, SIZE);
      const parts: Uint8Array[] = [];
      for await (const chunk of blob.open(500_000, 400_000)) parts.push(chunk);
      assert.deepEqual(Buffer.concat(parts), data.subarray(500_000, 900_000));
    }
    assert.equal((await store.check(digest))?.size, SIZE);
    flipBit(store.path(digest), 5);
    await assert.rejects(store.openVerified(digest), (error) => damagedBlobOf(error) === digest);
    assert.equal(await store.check(digest), undefined);
  });

  check("writing a damaged blob again mends it, unnoticed as the damage was", async (store) => {
    const ways: readonly (() => Promise<unknown>)[] = [
      () => store.put(data),
      () => store.put(data, { expected }),
      () => store.put(bytesOf(data)),
      () => store.put(bytesOf(data), { expected, present: "verify" }),
    ];
    for (const write of ways) {
      const { digest } = await store.put(data);
      flipBit(store.path(digest), 7);
      await write();
      assert.deepEqual(await reading(store, digest), { bytes: SIZE, error: undefined });
    }
  });

  check("a reader of a damaged file does not take away the one that has come in its place", async (store) => {
    const { digest } = await store.put(data);
    flipBit(store.path(digest), SIZE - 1);
    const old = store.open(digest)[Symbol.asyncIterator]();
    await old.next();
    await store.put(data);
    await assert.rejects(
      (async () => {
        while ((await old.next()).done !== true);
      })(),
      (error) => damagedBlobOf(error) === digest,
    );
    assert.deepEqual(await reading(store, digest), { bytes: SIZE, error: undefined });
    assert.deepEqual(await store.quarantined(), []);
  });

  check("a lost blob keeps its labels and what it leads to, while something needs it", async (store) => {
    const lease = await store.lease();
    const [parent, child] = await Promise.all([
      store.put(data, { labels: { from: "somewhere" }, lease }),
      store.put(bytesOf("child")),
    ]);
    store.link(parent.digest, [child.digest]);
    flipBit(store.path(parent.digest), 0);
    assert.equal(await store.check(parent.digest), undefined);
    for (let round = 0; round < 2; round += 1) assert.equal((await store.collect()).blobs, 0);
    assert.deepEqual(store.labels(parent.digest), new Map([["from", "somewhere"]]));
    assert.deepEqual((await store.put(data, { lease })).labels, new Map([["from", "somewhere"]]));
    assert.equal((await store.collect()).blobs, 0);
    flipBit(store.path(parent.digest), 0);
    assert.equal(await store.check(parent.digest), undefined);
    await lease[Symbol.asyncDispose]();
    assert.equal((await store.collect()).blobs, 1);
    assert.equal(store.labels(parent.digest).size, 0);
  });

  check("damaged files stay in quarantine until they are collected", async (store) => {
    const before = Date.now();
    const { digest } = await store.put(data);
    flipBit(store.path(digest), 0);
    assert.equal(await store.check(digest), undefined);
    const [held] = await store.quarantined();
    assert.equal(held?.digest, digest);
    assert.equal(held.bytes, SIZE);
    assert.ok(held.since >= before && held.since <= Date.now());
    assert.equal((await store.collect()).freed, 0);
    assert.equal((await store.collect({ quarantine: "all" })).freed, SIZE);
    assert.deepEqual(await store.quarantined(), []);
  });
}
