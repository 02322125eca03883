import assert from "node:assert/strict";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type ExportFixture, exportFixture, sourceOf } from "../../testing/exports.ts";
import { addLayer, recordsMissing } from "../../testing/records.ts";
import { type Descriptor, type Digest, digestOf } from "../core/index.ts";
import { bytesOf, collect } from "../io/index.ts";
import { readTar } from "../layer/index.ts";
import { type RecordId, SCRATCH } from "../record/index.ts";
import { parseImageAttributes } from "./attributes.ts";
import { exportImage } from "./image.ts";
import type { ExportSource } from "./types.ts";

const skip = recordsMissing() ?? false;
const EPOCH = 1_000_000_000;
const TOC = "containerd.io/snapshot/stargz/toc.digest";
const SIZE = "io.containers.estargz.uncompressed-size";

interface Exported {
  readonly manifest: { readonly layers: readonly Descriptor[] };
  readonly diffIds: readonly Digest[];
}

async function blobOf({ deps }: ExportFixture, digest: Digest): Promise<Buffer> {
  return await collect(deps.content.open(digest), 1e8, { what: "a blob" });
}

async function exported(at: ExportFixture, source: ExportSource, attrs: Record<string, string>): Promise<Exported> {
  const { descriptor, configDigest } = await exportImage(source, parseImageAttributes(attrs), at.deps);
  assert.ok(configDigest);
  const config = JSON.parse(String(await blobOf(at, configDigest))) as { rootfs: { diff_ids: Digest[] } };
  const manifest = JSON.parse(String(await blobOf(at, descriptor.digest))) as Exported["manifest"];
  return { manifest, diffIds: config.rootfs.diff_ids };
}

async function twoLayers({ fixture }: ExportFixture): Promise<[RecordId, RecordId]> {
  const base = await addLayer(fixture, SCRATCH, (path) => writeFileSync(join(path, "a"), "a"));
  const top = await addLayer(fixture, base, (path) => {
    writeFileSync(join(path, "young"), "young");
    writeFileSync(join(path, "old"), "old");
    utimesSync(join(path, "old"), 1000, 1000);
  });
  return [base, top];
}

/** What a manifest says of an eStargz layer is what the blob is. */
async function checkLayer(
  at: ExportFixture,
  layer: Descriptor | undefined,
  diffId: Digest | undefined,
): Promise<Buffer> {
  assert.ok(layer);
  assert.equal(layer.mediaType, "application/vnd.oci.image.layer.v1.tar+gzip");
  const blob = await blobOf(at, layer.digest);
  const plain = gunzipSync(blob);
  assert.equal(digestOf(plain), diffId);
  const offset = Number.parseInt(blob.toString("latin1", blob.length - 35, blob.length - 19), 16);
  const table = gunzipSync(blob.subarray(offset));
  const json = table.subarray(512, 512 + Number.parseInt(table.toString("latin1", 124, 135), 8));
  assert.equal(layer.annotations?.[TOC], digestOf(json));
  assert.equal(layer.annotations?.[SIZE], String(plain.length));
  return plain;
}

async function timesOf(archive: Buffer): Promise<Record<string, number>> {
  const times: Record<string, number> = {};
  for await (const { path, mtime } of readTar(bytesOf(archive))) times[path] = Number(mtime / 1_000_000_000n);
  return times;
}

test("layers are eStargz and the manifest says so; what was made stays unless it is forced", { skip }, async () => {
  await using at = await exportFixture();
  const [base, top] = await twoLayers(at);
  const plain = await exported(at, sourceOf([base]), {});
  const mixed = await exported(at, sourceOf([top]), { compression: "estargz" });
  assert.deepEqual(mixed.manifest.layers[0], plain.manifest.layers[0]);
  assert.deepEqual(Object.keys(mixed.manifest.layers[1]?.annotations ?? {}).toSorted(), [TOC, SIZE]);
  await checkLayer(at, mixed.manifest.layers[1], mixed.diffIds[1]);
  const later = await exported(at, sourceOf([top]), { "oci-mediatypes": "false" });
  assert.equal(later.manifest.layers[1]?.digest, mixed.manifest.layers[1]?.digest);
  assert.equal(later.manifest.layers[1]?.annotations, undefined);
  const forced = await exported(at, sourceOf([top]), { compression: "estargz", "force-compression": "true" });
  for (const [index, layer] of forced.manifest.layers.entries()) await checkLayer(at, layer, forced.diffIds[index]);
  const gzip = await exported(at, sourceOf([top]), { compression: "gzip", "force-compression": "true" });
  assert.deepEqual(gzip.manifest.layers[0], plain.manifest.layers[0]);
  assert.ok(gzip.manifest.layers.every((layer) => layer.annotations === undefined));
  assert.notDeepEqual(gzip.diffIds, forced.diffIds);
});

test("times are rewritten in eStargz layers, and those of the base stay", { skip }, async () => {
  await using at = await exportFixture();
  const [base, top] = await twoLayers(at);
  const { diffIds } = await exported(at, sourceOf([base]), {});
  const source = sourceOf([top], {
    epoch: EPOCH,
    base: { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: diffIds } },
  });
  const attrs = { compression: "estargz", "force-compression": "true" };
  const before = await exported(at, source, attrs);
  const after = await exported(at, source, { ...attrs, "rewrite-timestamp": "true" });
  assert.deepEqual(after.manifest.layers[0], before.manifest.layers[0]);
  assert.notEqual(after.diffIds[1], before.diffIds[1]);
  assert.equal(after.manifest.layers[1]?.annotations?.["buildkit/rewritten-timestamp"], String(EPOCH));
  const archive = await checkLayer(at, after.manifest.layers[1], after.diffIds[1]);
  assert.deepEqual(await timesOf(archive), { old: 1000, young: EPOCH });
  const gzip = await exported(at, source, { "force-compression": "true", "rewrite-timestamp": "true" });
  const layer = gunzipSync(await blobOf(at, gzip.manifest.layers[1]?.digest as Digest));
  assert.deepEqual(archive.subarray(0, layer.length), layer);
});
