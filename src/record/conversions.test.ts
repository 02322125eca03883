import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { type Digest, type LayerCompression, MediaType, digestOf, layerMediaType } from "../core/index.ts";
import { bytesOf, collect, decompress } from "../io/index.ts";
import { createLayer, verifyEstargz, writeTar } from "../layer/index.ts";
import { archiveOf } from "./blobs/estargz.ts";
import { type LayerBlob, type RecordId, type RemoteLayer, SCRATCH } from "./types.ts";

const skip = recordsMissing() ?? false;
const ALL = ["uncompressed", "gzip", "zstd", "estargz"] as const satisfies LayerCompression[];
const TOC = "containerd.io/snapshot/stargz/toc.digest";
const LINK = "containerd.io/gc.ref.content.blob-";
const LABEL = "buildkit.io/compression/estargz";
const what = { what: "the test" };

function fill(path: string): void {
  mkdirSync(join(path, "d"));
  writeFileSync(join(path, "d/text"), "text ".repeat(10_000));
  writeFileSync(join(path, "large"), Buffer.alloc(5_000_000, "large"));
  writeFileSync(join(path, "empty"), "");
  for (const name of ["d/text", "d", "large", "empty"]) utimesSync(join(path, name), 1000, 1000);
}

async function only(layers: Promise<LayerBlob[]>): Promise<LayerBlob> {
  const all = await layers;
  assert.equal(all.length, 1);
  return all[0] as LayerBlob;
}

async function bytesOfBlob({ content }: TemporaryRecords, digest: Digest): Promise<Buffer> {
  return await collect(content.open(digest), 100_000_000, what);
}

async function plainOf(fixture: TemporaryRecords, digest: Digest): Promise<Buffer> {
  return await collect(archiveOf(fixture.content, digest), 100_000_000, what);
}

function labels({ content }: TemporaryRecords, digest: Digest): ReadonlyMap<string, string> {
  return content.info(digest)?.labels ?? new Map<string, string>();
}

async function put(fixture: TemporaryRecords, blob: Buffer, more: Partial<RemoteLayer> = {}): Promise<RecordId> {
  const { content, records, hold } = fixture;
  const { digest, size } = await content.put(blob, { lease: hold.lease });
  const diffId = digestOf(await collect(decompress(bytesOf(blob), { format: "detect", ...what }), 1e9, what));
  const layer = { digest, size, diffId, mediaType: MediaType.ociLayerGzip, sources: [], annotations: {}, ...more };
  return records.addLayer(SCRATCH, layer, hold.lease).id;
}

test("each compression becomes each other one, with the same content, once", { skip }, async () => {
  const finals = new Map<LayerCompression, Set<Digest>>();
  for (const from of ALL) {
    await using fixture = await temporaryRecords();
    const { records, hold } = fixture;
    const id = await addLayer(fixture, SCRATCH, fill);
    const primary = await only(records.blobs(id, { compression: from }, hold));
    const archive = await plainOf(fixture, primary.descriptor.digest);
    for (const to of ALL) {
      const kept = await only(records.blobs(id, { compression: to }, hold));
      assert.deepEqual(kept, primary, "what is there stays unless it is forced");
      const forced = await only(records.blobs(id, { compression: to, force: true }, hold));
      const { digest, mediaType, annotations = {} } = forced.descriptor;
      assert.equal(mediaType, layerMediaType(to));
      assert.deepEqual(await plainOf(fixture, digest), archive);
      assert.equal(forced.diffId === digestOf(archive), to !== "estargz");
      assert.equal(Object.hasOwn(annotations, TOC), to === "estargz");
      assert.deepEqual(await only(records.blobs(id, { compression: to, force: true }, hold)), forced);
      assert.equal(digest === primary.descriptor.digest, from === to);
      finals.set(to, (finals.get(to) ?? new Set<Digest>()).add(digest));
    }
    assert.equal(records.table.variants(id).length, ALL.length - 1);
    await using tree = await records.mount(id, hold);
    assert.deepEqual(readdirSync(tree.path).sort(), ["d", "empty", "large"]);
  }
  for (const [to, digests] of finals) assert.equal(digests.size, 1, `${to} depends on where it came from`);
});

test("variants know of each other, and say what they are", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, hold } = fixture;
  const id = await addLayer(fixture, SCRATCH, fill);
  const gzip = await only(records.blobs(id, {}, hold));
  const estargz = await only(records.blobs(id, { compression: "estargz", force: true }, hold));
  const [a, b] = [gzip.descriptor.digest, estargz.descriptor.digest];
  assert.equal(labels(fixture, a).get(LINK + b), b);
  assert.equal(labels(fixture, b).get(LINK + a), a);
  const said = Object.fromEntries([...labels(fixture, b)].filter(([key]) => key.startsWith("buildkit.io/")));
  assert.deepEqual(said, {
    [LABEL]: "true",
    "buildkit.io/blob/mediatype": MediaType.ociLayerGzip,
    "buildkit.io/blob/annotation.containerd.io/uncompressed": estargz.diffId,
    [`buildkit.io/blob/annotation.${TOC}`]: estargz.descriptor.annotations?.[TOC],
    "buildkit.io/blob/annotation.io.containers.estargz.uncompressed-size":
      estargz.descriptor.annotations?.["io.containers.estargz.uncompressed-size"],
  });
  assert.equal(labels(fixture, a).get("buildkit.io/blob/annotation.containerd.io/uncompressed"), gzip.diffId);
  assert.ok(Object.hasOwn(gzip.descriptor.annotations ?? {}, "buildkit/createdat"));
  assert.ok(!Object.hasOwn(estargz.descriptor.annotations ?? {}, "buildkit/createdat"));
  // The same blob in another place of another image: its variant is found by the labels.
  const below = await addLayer(fixture, SCRATCH, (path) => writeFileSync(join(path, "below"), ""));
  await records.blobs(below, {}, hold);
  const face = { digest: a, size: gzip.descriptor.size, diffId: gzip.diffId, mediaType: MediaType.ociLayerGzip };
  const above = records.addLayer(below, { ...face, sources: [], annotations: {} }, hold.lease);
  const blobs = fixture.content;
  const before = [...blobs.walk()].length;
  const [, found] = await records.blobs(above.id, { compression: "estargz", force: true }, hold);
  assert.deepEqual(found?.descriptor, estargz.descriptor);
  assert.equal([...blobs.walk()].length, before + 1, "only what is below was converted");
  assert.equal(records.table.variants(above.id).length, 1);
});

test("the layer of a step that changes nothing can be eStargz too", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, hold } = fixture;
  const base = await addLayer(fixture, SCRATCH, fill);
  const id = await addLayer(fixture, base, () => undefined);
  const [, empty] = await records.blobs(id, { compression: "estargz" }, hold);
  assert.partialDeepStrictEqual(empty?.descriptor.annotations, { "io.containers.estargz.uncompressed-size": "3072" });
  const [, again] = await records.blobs(
    await addLayer(fixture, base, () => undefined),
    { compression: "estargz" },
    hold,
  );
  assert.equal(again?.descriptor.digest, empty?.descriptor.digest);
});

async function estargzOf(tar: Buffer): Promise<Buffer> {
  return await collect(createLayer(bytesOf(tar), { compression: "estargz" }).bytes, 1e9, what);
}

test("what only says that it is eStargz is made anew; what is, is not", { skip }, async () => {
  await using fixture = await temporaryRecords();
  const { records, hold } = fixture;
  const tar = await collect(writeTar([{ path: "f", body: "content" }]), 1e9, what);
  const good = await estargzOf(tar);
  const other = await estargzOf(await collect(writeTar([{ path: "f", body: "CONTENT" }]), 1e9, what));
  const table = Number.parseInt(good.toString("latin1", good.length - 35, good.length - 19), 16);
  const bad = Buffer.concat([other.subarray(0, table), good.subarray(table)]);
  const options = { compression: "estargz", force: true } as const;
  const claim = { annotations: { [TOC]: digestOf("a lie") } };
  const kept = await only(records.blobs(await put(fixture, good), options, hold));
  assert.equal(kept.descriptor.digest, digestOf(good));
  assert.equal(labels(fixture, digestOf(good)).get(LABEL), "true");
  const made = await only(records.blobs(await put(fixture, bad, claim), options, hold));
  assert.equal(labels(fixture, digestOf(bad)).get(LABEL), "false");
  const blob = await bytesOfBlob(fixture, made.descriptor.digest);
  assert.notDeepEqual(blob, bad);
  const reader = { size: blob.length, open: (at: number, size: number) => bytesOf(blob.subarray(at, at + size)) };
  assert.equal((await verifyEstargz(reader)).kind, "verified");
});

test(
  "a table that its writer left in the archive is unpacked, as by others, and no part of what is made of it",
  { skip },
  async () => {
    await using fixture = await temporaryRecords();
    const { records, hold } = fixture;
    const tar = await collect(writeTar([{ path: "f", body: "content" }]), 1e9, what);
    const unended = tar.subarray(0, -1024);
    const id = await put(fixture, await estargzOf(unended));
    await using tree = await records.mount(id, hold);
    assert.deepEqual(readdirSync(tree.path).sort(), ["f", "stargz.index.json"]);
    assert.equal(readFileSync(join(tree.path, "f"), "utf8"), "content");
    for (const compression of ["gzip", "zstd", "uncompressed"] as const) {
      const forced = await only(records.blobs(id, { compression, force: true }, hold));
      assert.equal(forced.diffId, digestOf(unended));
    }
  },
);

test("a gzip layer elsewhere stays there, unless it is to be eStargz or says that it is", { skip }, async () => {
  const blobs = new Map<Digest, Buffer>();
  const fetched: Digest[] = [];
  await using fixture = await temporaryRecords({
    fetchBlob: async ({ digest }, { lease }) => {
      fetched.push(digest);
      await fixture.content.put(blobs.get(digest) ?? Buffer.alloc(0), { lease });
    },
  });
  const { records, hold } = fixture;
  const remote = (name: string, blob: Buffer, annotations: Record<string, string>): RecordId => {
    const digest = digestOf(blob);
    blobs.set(digest, blob);
    const layer = {
      digest,
      size: blob.length,
      diffId: digestOf(name),
      mediaType: MediaType.ociLayerGzip,
      sources: ["x/y"],
    };
    return records.addLayer(SCRATCH, { ...layer, annotations }, hold.lease).id;
  };
  const tar = await collect(writeTar([{ path: "f", body: "f" }]), 1e9, what);
  const plain = remote("plain", gzipSync(tar), {});
  const other = await collect(writeTar([{ path: "f", body: "g" }]), 1e9, what);
  const estargz = remote("estargz", await estargzOf(other), { [TOC]: digestOf("x") });
  await records.blobs(plain, { force: true }, hold);
  assert.equal(fetched.length, 0);
  await records.blobs(plain, { compression: "estargz", force: true }, hold);
  assert.equal(fetched.length, 1);
  const forced = await only(records.blobs(estargz, { force: true }, hold));
  assert.equal(fetched.length, 2);
  assert.equal(forced.diffId, digestOf(other));
});
