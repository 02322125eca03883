import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TemporaryStore, temporaryStore } from "../../../testing/images.ts";
import {
  type ErrorCode,
  MediaType,
  digestHex,
  digestOf,
  goJson,
  isVarveError,
  parsePlatform,
} from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import { type TarInput, writeTar } from "../../layer/index.ts";
import { type LoadedImage, loadArchive, openImage } from "../index.ts";

const tars = [Buffer.from("the first layer, as good as a tar"), Buffer.from("the second")];
const config = goJson({
  os: "linux",
  architecture: "amd64",
  rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) },
});
const configName = `${digestHex(digestOf(config))}.json`;

function hasCode(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => isVarveError(error, ...codes);
}

const item = (change: object = {}): object => ({
  Config: configName,
  RepoTags: ["foo:1"],
  Layers: ["a/layer.tar", "b/layer.tar"],
  ...change,
});
const manifest = (...items: object[]): TarInput => ({ path: "manifest.json", body: JSON.stringify(items) });

/** As `docker save` wrote it before it wrote OCI layouts. */
function legacy(): TarInput[] {
  return [
    { path: "a", type: "directory" },
    { path: "a/VERSION", body: "1.0" },
    { path: "a/json", body: "{}" },
    { path: "a/layer.tar", body: tars[0] },
    { path: "b/layer.tar", body: tars[1] },
    { path: configName, body: config },
    manifest(item()),
    { path: "repositories", body: "{}" },
  ];
}

async function load(fx: TemporaryStore, entries: readonly TarInput[]): Promise<readonly LoadedImage[]> {
  return await loadArchive(fx.store, writeTar(entries), { lease: fx.lease });
}

async function layersOf(fx: TemporaryStore, images: readonly LoadedImage[]): Promise<[type: string, diffId: string][]> {
  assert.equal(images.length, 1);
  const [image] = images;
  assert.ok(image);
  const { layers } = await openImage(fx.store, image.descriptor, parsePlatform("linux/amd64"));
  return layers.map(({ descriptor, diffId }) => [descriptor.mediaType, diffId]);
}

const diffIds = tars.map((tar) => digestOf(tar));

test("an archive of an old docker save is loaded, with a manifest made for it", async () => {
  await using fx = await temporaryStore();
  const images = await load(fx, legacy());
  assert.deepEqual(images[0]?.names, ["docker.io/library/foo:1"]);
  assert.deepEqual(images[0]?.descriptor.platform, { architecture: "amd64", os: "linux" });
  assert.deepEqual(
    await layersOf(fx, images),
    diffIds.map((diffId) => [MediaType.dockerLayer, diffId]),
  );
  assert.equal(fx.store.info(diffIds[0] ?? digestOf(""))?.labels.get("containerd.io/uncompressed"), diffIds[0]);
  await using again = await temporaryStore();
  assert.deepEqual(await load(again, legacy().reverse()), images);
});

test("layers that are links, and layers that are compressed, are found", async () => {
  await using fx = await temporaryStore();
  const entries: TarInput[] = [
    { path: "x.tar.gz", body: gzipSync(tars[0] as Buffer) },
    { path: "a/layer.tar", type: "symlink", linkPath: "../x.tar.gz" },
    { path: "y", body: zstdCompressSync(tars[1] as Buffer) },
    { path: "b/layer.tar", type: "hardlink", linkPath: "y" },
    { path: "sha256:config", body: config },
    manifest(item({ Config: "./sha256:config", RepoTags: null })),
  ];
  const images = await load(fx, entries);
  assert.deepEqual(images[0]?.names, []);
  assert.deepEqual(await layersOf(fx, images), [
    [MediaType.dockerLayerGzip, diffIds[0]],
    [MediaType.dockerLayerZstd, diffIds[1]],
  ]);
});

test("equal images become one with all names; names that are none are passed over", async () => {
  await using fx = await temporaryStore();
  const entries = legacy().filter(({ path }) => path !== "manifest.json");
  const images = await load(fx, [...entries, manifest(item(), item({ RepoTags: ["bar", "Not A Name", "foo:1"] }))]);
  assert.deepEqual(
    images.map(({ names }) => names),
    [["docker.io/library/foo:1", "docker.io/library/bar:latest"]],
  );
});

test("an archive that lacks something or lies is corrupt", async () => {
  await using fx = await temporaryStore();
  const without = (...paths: string[]): TarInput[] => legacy().filter(({ path }) => !paths.includes(path));
  const cases: [string, TarInput[]][] = [
    ["no manifest", without("manifest.json")],
    ["no config", without(configName)],
    ["no layer", without("b/layer.tar")],
    ["a wrong layer", [...without("b/layer.tar"), { path: "b/layer.tar", body: "another" }]],
    ["a wrong compressed layer", [...without("b/layer.tar"), { path: "b/layer.tar", body: gzipSync("another") }]],
    [
      "a cut compressed layer",
      [...without("b/layer.tar"), { path: "b/layer.tar", body: gzipSync(tars[1] as Buffer).subarray(0, -4) }],
    ],
    ["too few layers", [...without("manifest.json"), manifest(item({ Layers: ["a/layer.tar"] }))]],
    ["no list", [...without("manifest.json"), { path: "manifest.json", body: "{}" }]],
    ["more than JSON", [...without("manifest.json"), { path: "manifest.json", body: '[],"images":[]' }]],
    ["a path of no use", [...without("manifest.json"), manifest(item({ Config: "__proto__" }))]],
    ["a link to itself", [...without("b/layer.tar"), { path: "b/layer.tar", type: "symlink", linkPath: "layer.tar" }]],
    [
      "a link that leads out",
      [...without("b/layer.tar"), { path: "b/layer.tar", type: "symlink", linkPath: "../../etc/passwd" }],
    ],
    [
      "an absolute link",
      [...without("b/layer.tar"), { path: "b/layer.tar", type: "symlink", linkPath: "/etc/passwd" }],
    ],
    ["a blob under a false digest", [{ path: `blobs/sha256/${digestHex(digestOf("x"))}`, body: "y" }]],
  ];
  for (const [what, entries] of cases) await assert.rejects(load(fx, entries), hasCode("corrupt"), what);
});

test("documents without end are refused, and so is what is no archive", async () => {
  await using fx = await temporaryStore();
  const large: TarInput = { path: "index.json", body: Buffer.alloc(5_000_000, " ") };
  await assert.rejects(load(fx, [large]), hasCode("limit-exceeded"));
  const garbage = loadArchive(fx.store, bytesOf("not a tar at all".repeat(100)), { lease: fx.lease });
  await assert.rejects(garbage, hasCode("corrupt"));
  const empty = loadArchive(fx.store, bytesOf(), { lease: fx.lease });
  await assert.rejects(empty, hasCode("corrupt"));
  const controller = new AbortController();
  controller.abort();
  const cancelled = loadArchive(fx.store, writeTar(legacy()), { lease: fx.lease, signal: controller.signal });
  await assert.rejects(cancelled, hasCode("cancelled"));
});

test("an oci archive that lacks a blob its manifest names is corrupt", async () => {
  await using fx = await temporaryStore();
  const body = Buffer.from(
    goJson({
      schemaVersion: 2,
      config: { mediaType: MediaType.ociConfig, digest: digestOf("gone"), size: 4 },
      layers: [],
    }),
  );
  const descriptor = { mediaType: MediaType.ociManifest, digest: digestOf(body), size: body.length };
  const index: TarInput = { path: "index.json", body: goJson({ schemaVersion: 2, manifests: [descriptor] }) };
  await assert.rejects(load(fx, [index]), hasCode("corrupt"));
  await assert.rejects(
    load(fx, [index, { path: `blobs/sha256/${digestHex(descriptor.digest)}`, body }]),
    hasCode("corrupt"),
  );
});
