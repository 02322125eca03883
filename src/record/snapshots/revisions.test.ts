import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { digestOf } from "../../core/index.ts";
import { type RecordId, SCRATCH } from "../types.ts";
import { MAX_REVISIONS } from "./mutable.ts";

const skip = recordsMissing() ?? false;

function write(path: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(path, name), text);
    utimesSync(join(path, name), 1, 1);
  }
}

/** A new version of a layer. Undefined if it has to be written as a whole. */
async function revise(
  { records, hold }: TemporaryRecords,
  earlier: RecordId,
  fill: (path: string) => void,
  above = 0,
): Promise<RecordId | undefined> {
  await using layer = await records.beginRevision(earlier, { above }, hold);
  if (layer === undefined) return undefined;
  fill(layer.path);
  return (await layer.commit()).id;
}

async function filesOf({ records, hold }: TemporaryRecords, id: RecordId): Promise<Record<string, string>> {
  await using tree = await records.mount(id, hold);
  const names = readdirSync(tree.path).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(tree.path, name), "utf8")]));
}

test(
  "a new version of a layer has the layer, the parent and the tree of one that was written as a whole",
  { skip },
  async () => {
    await using fixture = await temporaryRecords();
    const { records, hold } = fixture;
    const base = await addLayer(fixture, SCRATCH, (path) => write(path, { below: "b", deleted: "d", other: "o" }));
    const rest = (path: string): void => {
      rmSync(join(path, "deleted"));
      write(path, { kept: "k", other: "changed" });
    };
    const earlier = await addLayer(fixture, base, (path) => {
      rest(path);
      write(path, { gone: "g", new: "1" });
    });
    const made = await revise(fixture, earlier, (path) => {
      rmSync(join(path, "gone"));
      write(path, { new: "2" });
    });
    assert.ok(made !== undefined);
    const whole = await addLayer(fixture, base, (path) => {
      rest(path);
      write(path, { new: "2" });
    });
    assert.deepEqual(records.get(made)?.parents, [base]);
    assert.deepEqual(await filesOf(fixture, made), await filesOf(fixture, whole));
    const uncompressed = { compression: "uncompressed" } as const;
    assert.deepEqual(
      await records.diffPairs(made, uncompressed, hold),
      await records.diffPairs(whole, uncompressed, hold),
    );
    const above = await addLayer(fixture, made, (path) => write(path, { above: "a" }));
    assert.deepEqual(Object.keys(await filesOf(fixture, above)), ["above", "below", "kept", "new", "other"]);
  },
);

test("after some versions, or with many layers above, a layer is written as a whole", { skip }, async () => {
  await using fixture = await temporaryRecords();
  let version = await addLayer(fixture, SCRATCH, (path) => write(path, { a: "0" }));
  assert.equal(await revise(fixture, version, () => assert.fail(), 499), undefined);
  for (let at = 1; at <= MAX_REVISIONS; at += 1) {
    const next = await revise(fixture, version, (path) => write(path, { a: `${at}` }));
    version = next ?? assert.fail(`version ${at}`);
  }
  assert.equal(await revise(fixture, version, () => assert.fail()), undefined);
  assert.deepEqual(await filesOf(fixture, version), { a: `${MAX_REVISIONS}` });
  assert.equal(await revise(fixture, "no such record", () => assert.fail()), undefined);
  await using copies = await temporaryRecords({ driver: "copy" });
  assert.equal(await revise(copies, await addLayer(copies, SCRATCH, () => undefined), () => assert.fail()), undefined);
});

test("what a version deletes of the one before is not deleted from the other layers of a merge", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, hold } = fixture;
  const other = await addLayer(fixture, SCRATCH, (path) => write(path, { f: "of the other", g: "g" }));
  const earlier = await addLayer(fixture, SCRATCH, (path) => write(path, { f: "of the version", h: "1" }));
  const later = await revise(fixture, earlier, (path) => {
    rmSync(join(path, "f"));
    write(path, { h: "2" });
  });
  assert.ok(later !== undefined);
  const stacked = async (...ids: RecordId[]): Promise<Record<string, string>> =>
    await filesOf(fixture, records.merge(ids, {}, hold.lease));
  assert.deepEqual(await stacked(other, later), { f: "of the other", g: "g", h: "2" });
  assert.deepEqual(await stacked(later, other), { f: "of the other", g: "g", h: "2" });
  assert.deepEqual(await stacked(earlier, other, later), { f: "of the other", g: "g", h: "2" });
});

test("the latest version at a place is found as long as its record has the snapshot", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, state } = fixture;
  const place = digestOf("place");
  const listing = Buffer.from("listing");
  assert.equal(records.versions.find(place), undefined);
  for (const text of ["1", "2"]) {
    const record = await addLayer(fixture, SCRATCH, (path) => write(path, { text }));
    records.versions.save(place, { record, listing });
    assert.equal(records.versions.find(place)?.record, record);
    assert.deepEqual(Buffer.from(records.versions.find(place)?.listing ?? []), listing);
    records.table.forgetSnapshot(record);
    assert.equal(records.versions.find(place), undefined);
    records.versions.save(place, { record, listing });
    assert.equal(records.versions.find(place), undefined);
  }
  const record = await addLayer(fixture, SCRATCH, () => undefined);
  for (let at = 0; at < 100; at += 1) records.versions.save(digestOf(`${at}`), { record, listing });
  assert.equal(state.get<{ count: number }>("SELECT count(*) AS count FROM layer_version")?.count, 64);
});
