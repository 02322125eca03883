import assert from "node:assert/strict";
import { readdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noise } from "../../../testing/images.ts";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { digestOf } from "../../core/index.ts";
import { type PruneRequest, pruneRecords } from "./prune.ts";
import { RecordTable } from "../table.ts";
import { type RecordId, SCRATCH } from "../types.ts";
import { type UsageDeps, recordUsage } from "./usage.ts";

const skip = recordsMissing() ?? false;
const HOUR = 3_600_000;
const MIB = 1024 * 1024;

function depsOf({ state, content, snapshotter, records, root }: TemporaryRecords): UsageDeps & { root: string } {
  return { state, table: records.table, content, snapshotter, root };
}

async function prune(fixture: TemporaryRecords, request: PruneRequest): Promise<RecordId[]> {
  return (await pruneRecords(request, depsOf(fixture))).map((usage) => usage.id);
}

/** Layers of a size, made and left by a build that has ended: none is in use. */
async function idle(
  fixture: TemporaryRecords,
  make: (at: TemporaryRecords) => Promise<RecordId[]>,
): Promise<RecordId[]> {
  const lease = await fixture.content.lease();
  const ids = await make({ ...fixture, hold: { lease } });
  for (const id of ids) lease.add("record", id);
  await lease[Symbol.asyncDispose]();
  return ids;
}

const sized =
  (bytes: number) =>
  (path: string): void =>
    writeFileSync(join(path, "data"), noise(bytes));

/** Records beside each other, of 1 MiB and so many uses at such times. */
async function used(
  fixture: TemporaryRecords,
  ...uses: readonly (readonly [times: number, last: number])[]
): Promise<RecordId[]> {
  const ids = await idle(fixture, async (at) => {
    const made: RecordId[] = [];
    for (let index = 0; index < uses.length; index += 1) made.push(await addLayer(at, SCRATCH, sized(MIB)));
    return made;
  });
  for (const [index, [times, last]] of uses.entries())
    for (let count = 0; count < times; count += 1) fixture.records.table.used([ids[index] ?? ""], last);
  return ids;
}

async function chainOf3(fixture: TemporaryRecords): Promise<RecordId[]> {
  return await idle(fixture, async (at) => {
    const a = await addLayer(at, SCRATCH, sized(MIB));
    const b = await addLayer(at, a, sized(MIB));
    return [a, b, await addLayer(at, b, sized(MIB))];
  });
}

async function total(fixture: TemporaryRecords): Promise<number> {
  return (await recordUsage(depsOf(fixture))).reduce((sum, usage) => sum + usage.size, 0);
}

test("an idle chain goes leaf first; nothing of it was in use", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const chain = await chainOf3(fixture);
  assert.ok((await recordUsage(depsOf(fixture))).every((usage) => !usage.inUse));
  assert.deepEqual(await prune(fixture, {}), chain.toReversed());
  const { snapshots } = await fixture.content.collect({ snapshots: fixture.snapshotter });
  assert.equal(snapshots, 3);
});

test("earlier versions of a layer stay below the new one, and count once, for the newest", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const versions = await idle(fixture, async (at) => {
    const ids = [await addLayer(at, SCRATCH, sized(MIB))];
    for (const name of ["b", "c"]) {
      await using layer = await at.records.beginRevision(ids.at(-1) ?? "", { above: 0 }, at.hold);
      assert.ok(layer !== undefined);
      writeFileSync(join(layer.path, name), noise(MIB / 2));
      ids.push((await layer.commit()).id);
    }
    return ids;
  });
  const [first = "", second = "", third = ""] = versions;
  const sizes = async (): Promise<number[]> =>
    (await recordUsage(depsOf(fixture))).map(({ size }) => Math.round((4 * size) / MIB) / 4);
  assert.deepEqual(await sizes(), [0, 0, 2]);
  fixture.records.table.used([second, third]);
  assert.deepEqual(await prune(fixture, { keepDuration: HOUR }), [first]);
  await fixture.content.collect({ snapshots: fixture.snapshotter });
  assert.deepEqual(await sizes(), [0, 2]);
  await using tree = await fixture.records.mount(third, { lease: await fixture.content.lease() });
  assert.deepEqual(readdirSync(tree.path).sort(), ["b", "c", "data"]);
});

test("what stands below something in use is in use, and stays", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const chain = await chainOf3(fixture);
  assert.ok(fixture.records.pin(chain[2] ?? "", fixture.hold.lease));
  assert.deepEqual(
    (await recordUsage(depsOf(fixture))).map((usage) => usage.inUse),
    [true, true, true],
  );
  assert.deepEqual(await prune(fixture, { all: true }), []);
});

test("front-end and internal records go only with all; filters choose", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const ids = await idle(fixture, async (at) => {
    const made: RecordId[] = [];
    for (const type of ["regular", "frontend", "internal", "source.local", "exec.cachemount"] as const) {
      await using layer = await at.records.begin(SCRATCH, { type, description: type }, at.hold);
      made.push((await layer.commit()).id);
    }
    return made;
  });
  const [regular = "", frontend = "", internal = "", local = "", mount = ""] = ids;
  assert.deepEqual(await prune(fixture, { filters: ["type==exec.cachemount"] }), [mount]);
  assert.deepEqual(await prune(fixture, { filters: ["unknown", "type==x"] }), []);
  assert.deepEqual(await prune(fixture, { filters: ["type==source.local", `id==${regular}`] }), [regular, local]);
  assert.deepEqual(await prune(fixture, {}), []);
  assert.deepEqual((await prune(fixture, { all: true })).toSorted(), [frontend, internal].toSorted());
  await assert.rejects(prune(fixture, { filters: ["type=regular"] }));
});

test("keepDuration spares what was used lately, not what was never used", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const now = Date.now();
  const [recent = "", old = "", never = ""] = await used(fixture, [1, now - HOUR / 6], [1, now - 2 * HOUR], [0, 0]);
  assert.deepEqual((await prune(fixture, { keepDuration: HOUR })).toSorted(), [old, never].toSorted());
  assert.ok(fixture.records.get(recent));
});

test("a bound is reached when the total falls below it; the least useful goes first", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const [a = "", b = "", c = ""] = await used(fixture, [2, 3000], [1, 2000], [1, 1000]);
  const whole = await total(fixture);
  assert.deepEqual(await prune(fixture, { maxUsedSpace: whole + 1 }), []);
  assert.deepEqual(await prune(fixture, { maxUsedSpace: whole }), [c], "equal is not below");
  assert.deepEqual(
    await prune(fixture, { maxUsedSpace: 1, reservedSpace: (whole * 2) / 3 + 1 }),
    [],
    "so much is reserved",
  );
  assert.deepEqual(
    await prune(fixture, { maxUsedSpace: MIB, reservedSpace: MIB + MIB / 2 }),
    [b],
    "older, and used less often",
  );
  assert.ok(fixture.records.get(a));
});

test(
  "of equally used records the least recently used goes first, of equally recent ones the least used",
  { skip },
  async () => {
    await using fixture = await temporaryRecords();
    const byTime = await used(fixture, [1, 3000], [1, 1000], [1, 2000]);
    assert.deepEqual(await prune(fixture, { maxUsedSpace: 1 }), [byTime[1], byTime[2], byTime[0]]);
    const byCount = await used(fixture, [3, 1000], [1, 1000], [2, 1000]);
    assert.deepEqual(await prune(fixture, { maxUsedSpace: 1 }), [byCount[1], byCount[2], byCount[0]]);
  },
);

test("a minimum of free space counts only where it is missing", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const ids = await used(fixture, [1, 1000], [1, 2000], [1, 3000]);
  assert.deepEqual(await prune(fixture, { minFreeSpace: 1 }), []);
  const { bfree, bsize } = statfsSync(fixture.root);
  const far = bfree * bsize * 2;
  assert.deepEqual(await prune(fixture, { minFreeSpace: far, reservedSpace: 2 * MIB + MIB / 2 }), ids.slice(0, 1));
  assert.deepEqual(await prune(fixture, { minFreeSpace: far }), ids.slice(1), "more is missing than there is: all go");
});

test("what an image has too is counted for the image, and stays unless all may go", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const [a = "", b = ""] = await chainOf3(fixture);
  const blobs = await fixture.records.blobs(b, {}, fixture.hold);
  const digest = blobs[1]?.descriptor.digest ?? "";
  fixture.state.run("INSERT INTO edge (from_kind, from_id, to_kind, to_id) VALUES ('image', 'x', 'blob', ?)", digest);
  const shared = (await recordUsage(depsOf(fixture))).filter((usage) => usage.shared);
  assert.deepEqual(
    shared.map((usage) => usage.id),
    [a, b],
  );
  assert.equal((await prune(fixture, {})).length, 1);
  assert.deepEqual(await prune(fixture, { all: true }), [b, a]);
});

test(
  "sizes: nothing for a layer that was never fetched, all variants for one that was converted",
  { skip },
  async () => {
    await using fixture = await temporaryRecords();
    const { records, hold } = fixture;
    const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
    const lazy = {
      digest: digestOf("l"),
      diffId: digestOf("d"),
      size: 1e9,
      mediaType,
      sources: ["r.test/a"],
      annotations: {},
    };
    const { id } = records.addLayer(SCRATCH, lazy, hold.lease);
    const own = await addLayer(fixture, SCRATCH, sized(MIB));
    const sizeOf = async (record: RecordId): Promise<number> =>
      (await recordUsage(depsOf(fixture))).find((usage) => usage.id === record)?.size ?? -1;
    assert.equal(await sizeOf(id), 0);
    const bare = await sizeOf(own);
    assert.ok(bare >= MIB && bare < 2 * MIB);
    await records.blobs(own, {}, hold);
    await records.blobs(own, { compression: "zstd", force: true }, hold);
    assert.ok((await sizeOf(own)) >= bare + 2 * MIB);
  },
);

test("a record that was removed is gone for every process", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const [a = "", b = "", c = ""] = await chainOf3(fixture);
  assert.equal(fixture.records.table.remove(a), false, "others stand on it");
  assert.equal(fixture.records.table.remove(c), true);
  const other = new RecordTable(fixture.state);
  assert.deepEqual(
    other.all().map((row) => row.id),
    [a, b],
  );
  assert.equal(fixture.records.pin(c, fixture.hold.lease), false);
});
