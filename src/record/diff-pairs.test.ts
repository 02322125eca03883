import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { startDiff } from "../../testing/diff-process.ts";
import { noise } from "../../testing/images.ts";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { type Digest, isVarveError } from "../core/index.ts";
import { digestBytes } from "../io/index.ts";
import { readTar } from "../layer/index.ts";
import { archiveOf } from "./blobs/estargz.ts";
import { type DiffPair, type RecordId, type RemoteLayer, SCRATCH } from "./types.ts";

const skip = recordsMissing() ?? false;

/** The topmost of so many layers, each with a file of its own. */
async function chain(fixture: TemporaryRecords, length: number): Promise<RecordId> {
  let id: RecordId = SCRATCH;
  for (let index = 0; index < length; index += 1) {
    id = await addLayer(fixture, id, (path) => writeFileSync(join(path, `f${index}`), noise(50_000, index)));
  }
  return id;
}

/** Counts what is written into the store: one for each difference that is computed. */
function countPuts({ content }: TemporaryRecords): () => number {
  let puts = 0;
  const put = content.put.bind(content);
  content.put = async (...args) => {
    puts += 1;
    return await put(...args);
  };
  return () => puts;
}

async function assertWhole({ content }: TemporaryRecords, pairs: readonly DiffPair[]): Promise<void> {
  for (const { diffId, digest, size } of pairs) {
    assert.equal(content.info(digest)?.size, size);
    assert.equal(content.info(digest)?.labels.get("containerd.io/uncompressed"), diffId);
    assert.equal((await digestBytes(archiveOf(content, digest))).digest, diffId);
  }
  assert.deepEqual((await content.verify()).damaged, []);
}

test(
  "200 callers, a third of them cancelled, compute each of 20 layers once, while garbage is collected",
  {
    skip,
  },
  async () => {
    await using fixture = await temporaryRecords();
    const { records, content, snapshotter } = fixture;
    const top = await chain(fixture, 20);
    const puts = countPuts(fixture);
    const call = async (index: number): Promise<readonly DiffPair[] | "cancelled"> => {
      await using lease = await content.lease();
      const caller = new AbortController();
      const pairs = records.diffPairs(top, {}, { lease, signal: caller.signal });
      if (index % 3 !== 0) return await pairs;
      const left = assert.rejects(pairs, (error) => isVarveError(error, "cancelled"));
      for (let turns = (index * 7) % 40; turns > 0; turns -= 1) await setImmediate();
      caller.abort();
      await left;
      return "cancelled";
    };
    const over = new AbortController();
    const collecting = (async () => {
      let rounds = 0;
      for (; !over.signal.aborted; rounds += 1) {
        await content.collect({ snapshots: snapshotter });
        await setImmediate();
      }
      return rounds;
    })();
    const results = await Promise.all(Array.from({ length: 200 }, (_, index) => call(index)));
    over.abort();
    assert.ok((await collecting) > 0);
    assert.equal(puts(), 20);
    const pairs = results.filter((each) => each !== "cancelled");
    assert.equal(pairs.length, 133);
    for (const each of pairs) assert.deepEqual(each, pairs[0]);
    assert.equal(pairs[0]?.length, 20);
    assert.ok(
      records.layers(top).every((row) => row.chainId !== undefined),
      "chain ids are settled",
    );
    await content.collect({ snapshots: snapshotter });
    await assertWhole(fixture, pairs[0] ?? []);
  },
);

test("pairs are remembered by the root, and a computation that all have left is begun anew", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const top = await chain(fixture, 3);
  const left = new AbortController();
  const pairs = fixture.records.diffPairs(top, {}, { ...fixture.hold, signal: left.signal });
  await setImmediate();
  left.abort();
  await assert.rejects(pairs, (error) => isVarveError(error, "cancelled"));
  const computed = await fixture.records.diffPairs(top, {}, fixture.hold);
  await using next = await temporaryRecords({ root: fixture.root });
  const puts = countPuts(next);
  assert.deepEqual(await next.records.diffPairs(top, {}, next.hold), computed);
  assert.equal(puts(), 0);
});

test("of two processes that compute the same at once, both get the pairs of the one that won", { skip }, async () => {
  await using fixture = await temporaryRecords({ driver: "overlay" });
  const top = await chain(fixture, 12);
  const child = startDiff(fixture.root, top);
  const closed = once(child, "close");
  assert.ok(child.stdin && child.stdout);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
  child.stdin.write("go\n");
  const [own, line] = await Promise.all([
    fixture.records.diffPairs(top, { compression: "gzip" }, fixture.hold),
    lines.next(),
  ]);
  assert.deepEqual(JSON.parse(String(line.value)), own);
  assert.deepEqual(
    own,
    fixture.records.layers(top).map(({ blob }) => {
      const { diffId, digest, mediaType, size } = blob ?? assert.fail("a layer has no blob");
      return { diffId, digest, mediaType, size };
    }),
  );
  await closed;
  await fixture.content.collect();
  await assertWhole(fixture, own);
});

test("a process that is killed between a blob and its record leaves nothing that is in the way", { skip }, async () => {
  await using fixture = await temporaryRecords({ driver: "overlay" });
  const top = await chain(fixture, 1);
  const child = startDiff(fixture.root, top, true);
  child.stdin?.write("go\n");
  await once(child, "close");
  assert.equal(child.signalCode, "SIGKILL");
  assert.equal(fixture.records.get(top)?.blob, undefined);
  const orphans = Array.from(fixture.content.walk(), ({ digest }) => digest);
  assert.equal(orphans.length, 1);
  const pairs = await fixture.records.diffPairs(top, { compression: "zstd" }, fixture.hold);
  assert.deepEqual(
    pairs.map(({ digest }) => digest),
    orphans,
  );
  await assertWhole(fixture, pairs);
});

for (const driver of ["overlay", "overlay-user", "copy"] as const) {
  test(`${driver}: a blob that is lost is computed again of the layer's tree`, { skip }, async () => {
    await using fixture = await temporaryRecords({ driver });
    const { records, content, hold } = fixture;
    const top = await chain(fixture, 3);
    const pairs = await records.diffPairs(top, { compression: "zstd" }, hold);
    const digestAt = (index: number): Digest => pairs[index]?.digest ?? assert.fail("too few layers");
    await content.delete(digestAt(0));
    rmSync(content.path(digestAt(1)));
    assert.deepEqual(await records.diffPairs(top, {}, hold), pairs, "the same bytes, as they were compressed");
    await assertWhole(fixture, pairs);
    assert.equal(existsSync(content.path(digestAt(1))), true);
  });
}

test("where it is other bytes, the record and what stands on it take them", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, content, hold } = fixture;
  const top = await chain(fixture, 3);
  const pairs = await records.diffPairs(top, { level: 1 }, hold);
  await content.delete(pairs[1]?.digest as Digest);
  const again = await records.diffPairs(top, {}, hold);
  assert.notEqual(again[1]?.digest, pairs[1]?.digest);
  assert.deepEqual(
    again.map(({ diffId }) => diffId),
    pairs.map(({ diffId }) => diffId),
  );
  assert.deepEqual([again[0], again[2]], [pairs[0], pairs[2]]);
  const layers = again.map((pair): RemoteLayer => ({ ...pair, sources: [], annotations: {} }));
  assert.equal(records.addChain(layers, hold.lease), top, "found by the chain of its blobs");
  await content.collect();
  await assertWhole(fixture, again);
});

test("a tree that is not what the blob held is no help: the record is named", { skip }, async () => {
  await using fixture = await temporaryRecords({ driver: "overlay" });
  const { records, content, snapshotter, hold } = fixture;
  const top = await chain(fixture, 2);
  const pairs = await records.diffPairs(top, {}, hold);
  await content.delete(pairs[1]?.digest as Digest);
  const upper = snapshotter.upperDir(records.get(top)?.snapshot ?? "") ?? "";
  assert.deepEqual(readdirSync(upper), ["f1"]);
  writeFileSync(join(upper, "f1"), "other");
  const [, lost] = await records.blobs(top, {}, hold);
  assert.equal(lost?.descriptor.digest, pairs[1]?.digest);
  await assert.rejects(
    records.fetch(lost ?? assert.fail(), hold),
    (error) => isVarveError(error, "not-found") && error.details.record === top,
  );
});

test("an empty layer that is lost is made again, for all that have it", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, content, hold } = fixture;
  const first = await addLayer(fixture, await chain(fixture, 1), () => undefined);
  const top = await addLayer(fixture, first, () => undefined);
  const pairs = await records.diffPairs(top, {}, hold);
  assert.equal(pairs[1]?.digest, pairs[2]?.digest);
  await content.delete(pairs[1]?.digest as Digest);
  assert.deepEqual(await records.diffPairs(top, {}, hold), pairs);
  for await (const _entry of readTar(archiveOf(content, pairs[2]?.digest as Digest))) assert.fail("it has an entry");
});
