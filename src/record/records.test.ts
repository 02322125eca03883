import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { rawArchive, rawEntry } from "../../testing/raw-tar.ts";
import {
  type RecordsOptions,
  type TemporaryRecords,
  addLayer,
  recordsMissing,
  temporaryRecords,
} from "../../testing/records.ts";
import { type Digest, MediaType, digestOf, isVarveError } from "../core/index.ts";
import { readTar } from "../layer/index.ts";
import { archiveOf } from "./blobs/estargz.ts";
import { type LayerBlob, type RecordId, type RemoteLayer, SCRATCH } from "./types.ts";

const skip = recordsMissing() ?? false;
const EMPTY_DIFF = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

const put =
  (name: string, text = name) =>
  (path: string): void =>
    writeFileSync(join(path, name), text);

async function names({ records, hold }: TemporaryRecords, id: RecordId): Promise<string[]> {
  await using tree = await records.mount(id, hold);
  return readdirSync(tree.path).sort();
}

async function entriesOf({ content }: TemporaryRecords, layer: LayerBlob | undefined): Promise<string[]> {
  const entries: string[] = [];
  for await (const { path } of readTar(archiveOf(content, layer?.descriptor.digest as Digest))) entries.push(path);
  return entries.sort();
}

/** Layers a, b, c, … one on the other, each with a file of its name. */
async function chain(fixture: TemporaryRecords, ...files: readonly string[]): Promise<RecordId[]> {
  const ids: RecordId[] = [];
  for (const file of files) ids.push(await addLayer(fixture, ids.at(-1) ?? SCRATCH, put(file)));
  return ids;
}

/** A layer as a registry has it, in the content store unless `absent`. */
async function remote(
  { content, hold }: TemporaryRecords,
  tar: Uint8Array,
  more: Partial<RemoteLayer> = {},
): Promise<RemoteLayer> {
  const { digest, size } = await content.put(tar, { lease: hold.lease });
  return {
    digest,
    size,
    diffId: digestOf(tar),
    mediaType: MediaType.ociLayer.replace(/\+.*$/, ""),
    sources: [],
    annotations: {},
    ...more,
  };
}

function both(name: string, run: (fixture: TemporaryRecords, t: TestContext) => Promise<void>): void {
  for (const driver of ["overlay", "overlay-user", "copy"] as const) {
    test(`${driver}: ${name}`, { skip }, async (t) => {
      const options: RecordsOptions = { driver };
      await using fixture = await temporaryRecords(options);
      await run(fixture, t);
    });
  }
}

both("a layer is committed once, or thrown away", async (fixture) => {
  const { records, hold, snapshotter } = fixture;
  const id = await addLayer(fixture, SCRATCH, put("a"));
  assert.deepEqual(await names(fixture, id), ["a"]);
  assert.deepEqual(await names(fixture, SCRATCH), []);
  const before = [...snapshotter.walk()].length;
  {
    await using layer = await records.begin(id, {}, hold);
    put("b")(layer.path);
  }
  assert.equal([...snapshotter.walk()].length, before);
  await assert.rejects(records.begin("none", {}, hold), (error) => isVarveError(error, "not-found"));
});

both("a layer whose record cannot be written leaves no snapshot", async (fixture) => {
  const { records, hold, snapshotter, state } = fixture;
  const before = [...snapshotter.walk()].length;
  await assert.rejects(async () => {
    await using layer = await records.begin(SCRATCH, {}, hold);
    put("a")(layer.path);
    // As on a disk that is full by now: the snapshot is committed, and the row of the record fails.
    state.db.exec("CREATE TEMP TRIGGER full BEFORE INSERT ON main.record BEGIN SELECT RAISE(ABORT, 'full'); END");
    await layer.commit();
  }, /full/);
  assert.equal([...snapshotter.walk()].length, before);
});

both("merges are stacked lowest first, and flattened", async (fixture) => {
  const { records, hold } = fixture;
  const a = await addLayer(fixture, SCRATCH, put("f", "a"));
  const b = await addLayer(fixture, SCRATCH, put("f", "b"));
  const c = await addLayer(fixture, SCRATCH, put("g", "c"));
  assert.equal(records.merge([], {}, hold.lease), SCRATCH);
  assert.equal(records.merge([SCRATCH, a], {}, hold.lease), a);
  const inner = records.merge([a, b], {}, hold.lease);
  const outer = records.merge([inner, c], {}, hold.lease);
  assert.deepEqual(records.get(outer)?.parents, [a, b, c]);
  assert.deepEqual(
    records.layers(outer).map((row) => row.id),
    [a, b, c],
  );
  await using tree = await records.mount(outer, hold);
  assert.equal(readFileSync(join(tree.path, "f"), "utf8"), "b");
  const onTop = await addLayer(fixture, outer, put("h"));
  assert.deepEqual(await names(fixture, onTop), ["f", "g", "h"]);
  assert.deepEqual(
    records.layers(onTop).map((row) => row.id),
    [a, b, c, onTop],
  );
});

both("what differs is the layers themselves where one stands on the other", async (fixture) => {
  const { records, hold } = fixture;
  const [a = "", b = "", c = "", d = ""] = await chain(fixture, "a", "b", "c", "d");
  assert.equal(await records.diff(a, a, hold), SCRATCH);
  assert.equal(await records.diff(SCRATCH, b, hold), b);
  const blobs = await records.blobs(d, {}, hold);
  const one = await records.diff(a, b, hold);
  assert.deepEqual(await names(fixture, one), ["b"]);
  assert.equal((await records.blobs(one, {}, hold))[0]?.descriptor.digest, blobs[1]?.descriptor.digest);
  const three = await records.diff(a, d, hold);
  assert.deepEqual(
    (await records.blobs(three, {}, hold)).map((blob) => blob.diffId),
    blobs.slice(1).map((blob) => blob.diffId),
  );
  assert.deepEqual(await names(fixture, three), ["b", "c", "d"]);
  const [x = ""] = await chain(fixture, "x");
  const unrelated = await records.diff(x, c, hold);
  assert.deepEqual(await names(fixture, unrelated), ["a", "b", "c"]);
  assert.equal(records.layers(unrelated).length, 1);
});

both("layers are laid together as one, with what they delete of what they stand on", async (fixture) => {
  const { records, hold } = fixture;
  const [a = "", b = ""] = await chain(fixture, "a", "b");
  const top = await addLayer(fixture, b, (path) => {
    rmSync(join(path, "a"));
    rmSync(join(path, "b"));
    writeFileSync(join(path, "c"), "c");
  });
  const one = await records.flatten(a, top, hold);
  assert.deepEqual(await names(fixture, one), ["c"]);
  const [below, layer, ...others] = await records.blobs(one, {}, hold);
  assert.deepEqual([below?.record, others], [a, []]);
  assert.deepEqual(await entriesOf(fixture, layer), [".wh.a", "c"]);
  const whole = await records.flatten(SCRATCH, b, hold);
  assert.deepEqual([await names(fixture, whole), records.layers(whole).length], [["a", "b"], 1]);
  const [, nothing] = await records.blobs(await records.flatten(a, a, hold), {}, hold);
  assert.deepEqual(await entriesOf(fixture, nothing), []);
});

both(
  "an unchanged step is an empty layer, and every layer keeps its diffID however it is compressed",
  async (fixture) => {
    const { records, hold } = fixture;
    const [a = ""] = await chain(fixture, "a");
    const same = await addLayer(fixture, a, () => undefined);
    const plain = await records.blobs(same, {}, hold);
    assert.equal(plain[1]?.diffId, EMPTY_DIFF);
    for (const compression of ["zstd", "uncompressed"] as const) {
      const kept = await records.blobs(same, { compression }, hold);
      assert.deepEqual(kept, plain, "blobs that are there stay as they are");
      const forced = await records.blobs(same, { compression, force: true }, hold);
      assert.deepEqual(
        forced.map((layer) => layer.diffId),
        plain.map((layer) => layer.diffId),
      );
      assert.ok(
        forced.every((layer) => layer.descriptor.mediaType.endsWith(compression === "zstd" ? "+zstd" : ".tar")),
      );
      assert.deepEqual(await records.blobs(same, { compression, force: true }, hold), forced, "converted once");
    }
    assert.equal(records.table.variants(a).length, 2);
  },
);

test("pulled layers: the same blobs are one record, the same content one snapshot", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, hold } = fixture;
  const tar = rawArchive(rawEntry({ name: "f", data: "text" }));
  const layer = await remote(fixture, tar, { sources: ["r.test/a"] });
  const again = { ...layer, sources: ["r.test/b", "r.test/a"] };
  const id = records.addLayer(SCRATCH, layer, hold.lease).id;
  assert.equal(records.addLayer(SCRATCH, again, hold.lease).id, id);
  assert.deepEqual(records.get(id)?.blob?.sources, ["r.test/a", "r.test/b"]);
  assert.equal(records.get(id)?.snapshot, undefined, "nothing is unpacked before somebody asks");
  const name = await records.snapshots.of(id, hold);

  const recompressed: RemoteLayer = { ...layer, digest: digestOf("other bytes"), sources: [] };
  const twin = records.addLayer(SCRATCH, recompressed, hold.lease).id;
  assert.notEqual(twin, id);
  assert.equal(records.get(twin)?.snapshot, name, "unpacked before, from other blobs");
  assert.deepEqual(await names(fixture, twin), ["f"]);
  const chained = records.addChain([layer, layer], hold.lease);
  assert.equal(records.addChain([layer, layer], hold.lease), chained);
});

test("a lazy layer is fetched once, when its files are asked for", { skip }, async () => {
  const tar = rawArchive(rawEntry({ name: "f", data: "text" }));
  let fetches = 0;
  await using fixture: TemporaryRecords = await temporaryRecords({
    fetchBlob: async (_blob, { lease }) => {
      fetches += 1;
      await fixture.content.put(tar, { lease });
    },
  });
  const { records, hold } = fixture;
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const id = records.addLayer(
    SCRATCH,
    {
      digest: digestOf(tar),
      size: tar.length,
      diffId: digestOf(tar),
      mediaType,
      sources: ["r.test/a"],
      annotations: {},
    },
    hold.lease,
  ).id;
  assert.equal((await records.blobs(id, {}, hold))[0]?.descriptor.digest, digestOf(tar));
  assert.equal(fetches, 0);
  await Promise.all(Array.from({ length: 20 }, () => names(fixture, id)));
  assert.equal(fetches, 1);
});

both("a blob that is not what its diffID says is corrupt, and nothing of it stays", async (fixture) => {
  const { records, hold, snapshotter } = fixture;
  const tar = rawArchive(rawEntry({ name: "f", data: "text" }));
  const bad = await remote(fixture, tar, { diffId: digestOf("something else") });
  const id = records.addLayer(SCRATCH, bad, hold.lease).id;
  await assert.rejects(
    records.mount(id, hold),
    (error) => isVarveError(error, "corrupt") && error.details.record === id,
  );
  assert.deepEqual([...snapshotter.walk()], []);
  const unknown = records.addLayer(SCRATCH, { ...bad, digest: digestOf("nowhere") }, hold.lease).id;
  await assert.rejects(
    records.mount(unknown, hold),
    (error) => isVarveError(error, "not-found") && error.details.record === unknown,
  );
});

both("directories that are gone are made again of the blobs, or the record is named", async (fixture) => {
  const { records, hold, snapshotter, root } = fixture;
  const [a = "", b = "", c = ""] = await chain(fixture, "a", "b", "c");
  await records.blobs(b, {}, hold);
  for (const id of readdirSync(join(root, "snapshots"))
    .filter((name) => /^\d+$/.test(name))
    .slice(0, 1))
    rmSync(join(root, "snapshots", id), { recursive: true });
  assert.deepEqual(await names(fixture, b), ["a", "b"], "made again");
  if (!snapshotter.stacksMerges) return;
  await assert.rejects(names(fixture, c), (error) => isVarveError(error) && error.details.record === c);
  assert.deepEqual(await names(fixture, await addLayer(fixture, a, put("z"))), ["a", "z"]);
});

test("a blob file that is gone is fetched again", { skip }, async () => {
  const tar = rawArchive(rawEntry({ name: "f", data: "text" }));
  await using fixture: TemporaryRecords = await temporaryRecords({
    fetchBlob: async (_blob, { lease }) => void (await fixture.content.put(tar, { lease })),
  });
  const { records, hold, content } = fixture;
  const layer = await remote(fixture, tar, { sources: ["r.test/a"] });
  rmSync(content.path(layer.digest));
  assert.deepEqual(await names(fixture, records.addLayer(SCRATCH, layer, hold.lease).id), ["f"]);
  assert.ok(existsSync(content.path(layer.digest)));
});

test("a layer moves to another parent in either form, and makes the same blob there", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, hold } = fixture;
  const [base = ""] = await chain(fixture, "base");
  const one = await addLayer(fixture, base, put("source", "one"));
  const two = await addLayer(fixture, base, put("source", "two"));
  const step = await addLayer(fixture, one, put("made"));
  const moved = String(await records.move(step, two, hold));
  assert.deepEqual(await names(fixture, moved), ["base", "made", "source"]);
  const [own] = (await records.blobs(moved, {}, hold)).slice(-1);
  const [original] = (await records.blobs(step, {}, hold)).slice(-1);
  assert.deepEqual(own?.diffId, original?.diffId);
  assert.deepEqual(
    records.layers(moved).map(({ id }) => id),
    [base, two, moved],
  );
  const blob = own?.descriptor.digest as Digest;
  const pulled = records.addLayer(one, { ...(records.get(moved)?.blob as RemoteLayer), digest: blob }, hold.lease);
  const again = String(await records.move(pulled.id, two, hold));
  assert.equal(records.get(again)?.snapshot === undefined, records.get(pulled.id)?.snapshot === undefined);
  assert.deepEqual(await names(fixture, again), ["base", "made", "source"]);
  assert.equal(await records.move(records.merge([base, step], {}, hold.lease), two, hold), undefined);
});

test("copied trees do not move", { skip }, async () => {
  await using fixture = await temporaryRecords({ driver: "copy" });
  const [base = "", step = ""] = await chain(fixture, "base", "step");
  assert.equal(await fixture.records.move(step, base, fixture.hold), undefined);
});
