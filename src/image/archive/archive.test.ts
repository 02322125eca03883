import assert from "node:assert/strict";
import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TemporaryStore, noise, putImage, putIndex, temporaryStore } from "../../../testing/images.ts";
import { type Descriptor, type ErrorCode, MediaType, digestHex, digestOf, isVarveError } from "../../core/index.ts";
import { bytesOf, collect } from "../../io/index.ts";
import { readTar } from "../../layer/index.ts";
import {
  type ArchiveImage,
  type LoadedImage,
  type WriteOptions,
  loadArchive,
  loadLayout,
  writeArchive,
  writeLayout,
} from "../index.ts";

const EPOCH = 1_700_000_000;

function hasCode(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => isVarveError(error, ...codes);
}

function options(images: readonly ArchiveImage[], format: WriteOptions["format"] = "oci"): WriteOptions {
  return { images, format, created: EPOCH };
}

async function archive(
  fx: TemporaryStore,
  images: readonly ArchiveImage[],
  format?: WriteOptions["format"],
): Promise<Buffer> {
  return await collect(writeArchive(fx.store, options(images, format)), 10_000_000, { what: "archive" });
}

async function load(fx: TemporaryStore, bytes: Uint8Array): Promise<readonly LoadedImage[]> {
  // Small pieces, to show that nothing depends on how the bytes come.
  const pieces = Array.from({ length: Math.ceil(bytes.length / 4000) }, (_, i) =>
    bytes.subarray(i * 4000, (i + 1) * 4000),
  );
  return await loadArchive(fx.store, bytesOf(...pieces), { lease: fx.lease });
}

async function documents(tar: Buffer): Promise<{ names: string[]; json: Map<string, string> }> {
  const names: string[] = [];
  const json = new Map<string, string>();
  for await (const entry of readTar(bytesOf(tar), { what: "archive" })) {
    assert.deepEqual([entry.uid, entry.gid, entry.mtime], [0, 0, 0n]);
    names.push(`${entry.rawPath} ${entry.mode.toString(8)}`);
    if (!entry.path.startsWith("blobs"))
      json.set(entry.path, (await collect(entry.body, 100_000, { what: "file" })).toString());
  }
  return { names, json };
}

test("an oci archive has its entries in order, and says when it was made and what its images are called", async () => {
  await using fx = await temporaryStore();
  const descriptor = await putImage(fx, { layers: [Buffer.from("one")] });
  const tar = await archive(fx, [{ descriptor, names: ["foo/bar:1", "localhost:5000/x"] }]);
  const { names, json } = await documents(tar);
  assert.deepEqual(names.slice(0, 2), ["blobs/ 755", "blobs/sha256/ 755"]);
  assert.deepEqual(names.slice(2, 5), names.slice(2, 5).sort());
  assert.ok(names.slice(2, 5).every((name) => /^blobs\/sha256\/[0-9a-f]{64} 444$/.test(name)));
  assert.deepEqual(names.slice(5), ["index.json 644", "oci-layout 444"]);
  assert.equal(json.get("oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const { mediaType, digest, size } = descriptor;
  const entry = (name: string, tag: string): string =>
    `{"mediaType":"${mediaType}","digest":"${digest}","size":${size},"annotations":{"io.containerd.image.name":"${name}","org.opencontainers.image.created":"2023-11-14T22:13:20Z","org.opencontainers.image.ref.name":"${tag}"},"platform":{"architecture":"amd64","os":"linux"}}`;
  assert.equal(
    json.get("index.json"),
    `{"schemaVersion":2,"mediaType":"${MediaType.ociIndex}","manifests":[${entry("docker.io/foo/bar:1", "1")},${entry("localhost:5000/x:latest", "latest")}]}`,
  );
  assert.deepEqual(await archive(fx, [{ descriptor, names: ["foo/bar:1", "localhost:5000/x"] }]), tar);
});

test("without a name there is one entry, with the platform of the config", async () => {
  await using fx = await temporaryStore();
  const { mediaType, digest, size } = await putImage(fx, { layers: [], architecture: "arm64" });
  const { json } = await documents(await archive(fx, [{ descriptor: { mediaType, digest, size }, names: [] }]));
  const [entry, ...others] = (JSON.parse(json.get("index.json") ?? "") as { manifests: Descriptor[] }).manifests;
  assert.equal(others.length, 0);
  assert.deepEqual(entry?.annotations, { "org.opencontainers.image.created": "2023-11-14T22:13:20Z" });
  assert.deepEqual(entry?.platform, { architecture: "arm64", os: "linux" });
});

test("a docker archive has a manifest.json with familiar names, but none for an index", async () => {
  await using fx = await temporaryStore();
  const one = await putImage(fx, { layers: [Buffer.from("one"), Buffer.from("two")] });
  const { json } = await documents(
    await archive(fx, [{ descriptor: one, names: ["docker.io/library/foo", "foo:1"] }], "docker"),
  );
  const [entry] = JSON.parse(json.get("manifest.json") ?? "") as {
    Config: string;
    RepoTags: string[];
    Layers: string[];
  }[];
  assert.deepEqual(entry?.RepoTags, ["foo:latest", "foo:1"]);
  assert.deepEqual(
    entry?.Layers,
    ["one", "two"].map((text) => `blobs/sha256/${digestHex(digestOf(text))}`),
  );
  const unnamed = await documents(await archive(fx, [{ descriptor: one, names: [] }], "docker"));
  assert.match(
    unnamed.json.get("manifest.json") ?? "",
    /^\[{"Config":"blobs\/sha256\/[0-9a-f]{64}","RepoTags":null,"Layers":\[/,
  );
  const index = await documents(await archive(fx, [{ descriptor: await putIndex(fx, [one]), names: ["x"] }], "docker"));
  assert.equal(index.json.has("manifest.json"), false);
});

test("what was written is loaded again with its names, from any compression, whole and linked", async () => {
  await using fx = await temporaryStore();
  const a = await putImage(fx, { layers: [noise(300_000), Buffer.from("shared")] });
  const b = await putImage(fx, { layers: [Buffer.from("shared")], architecture: "arm64" });
  const index = await putIndex(fx, [a, b]);
  const images = [
    { descriptor: index, names: ["multi:1"] },
    { descriptor: a, names: ["a", "b:2"] },
    { descriptor: b, names: [] },
  ];
  const tar = await archive(fx, images, "docker");
  for (const bytes of [tar, gzipSync(tar), zstdCompressSync(tar)]) {
    await using into = await temporaryStore();
    const loaded = await load(into, bytes);
    assert.deepEqual(
      loaded.map(({ descriptor, names }) => [descriptor.digest, names]),
      [
        [index.digest, ["docker.io/library/multi:1"]],
        [a.digest, ["docker.io/library/a:latest", "docker.io/library/b:2"]],
        [b.digest, []],
      ],
    );
    assert.deepEqual(loaded[2]?.descriptor, b);
    await using lease = await into.store.lease();
    lease.add("blob", index.digest);
    await into.lease[Symbol.asyncDispose]();
    assert.equal((await into.store.collect()).blobs, 0);
    assert.deepEqual((await into.store.verify()).damaged, []);
    assert.deepEqual(await archive(into, images, "docker"), tar);
  }
});

test("names come from manifest.json where index.json has none", async () => {
  await using fx = await temporaryStore();
  const descriptor = await putImage(fx, { layers: [Buffer.from("one")] });
  await using dir = await temporaryStore();
  const layout = join(dir.path, "layout");
  await writeLayout(fx.store, layout, options([{ descriptor, names: ["foo:1"] }], "docker"));
  const docker = await readFile(join(layout, "manifest.json"));
  const plain = await archive(fx, [{ descriptor, names: [] }]);
  const { writeTar } = await import("../../layer/index.ts");
  const entries = async function* () {
    for await (const entry of readTar(bytesOf(plain), { what: "a" }))
      if (entry.type === "file") yield { path: entry.path, body: { size: entry.size, bytes: entry.body } };
    yield { path: "manifest.json", body: docker };
  };
  const tar = await collect(writeTar(entries()), 1_000_000, { what: "archive" });
  assert.deepEqual((await load(dir, tar))[0]?.names, ["docker.io/library/foo:1"]);
});

test("a missing blob is found before the first byte is written", async () => {
  await using fx = await temporaryStore();
  const descriptor = await putImage(fx, { layers: [Buffer.from("one")] });
  await fx.store.delete(digestOf("one"));
  await assert.rejects(archive(fx, [{ descriptor, names: [] }]), hasCode("not-found"));
});

test("platforms that were never fetched are left out, and the rest is loaded", async () => {
  await using fx = await temporaryStore();
  const a = await putImage(fx, { layers: [Buffer.from("one")] });
  const absent: Descriptor = {
    mediaType: MediaType.ociManifest,
    digest: digestOf("absent"),
    size: 6,
    platform: { os: "linux", architecture: "arm64" },
  };
  const index = await putIndex(fx, [absent, a]);
  const tar = await archive(fx, [{ descriptor: index, names: ["x"] }]);
  await using into = await temporaryStore();
  assert.equal((await load(into, tar))[0]?.descriptor.digest, index.digest);
  assert.notEqual(into.store.info(a.digest), undefined);
});

test("a layout directory is written, added to, and loaded", async () => {
  await using fx = await temporaryStore();
  const layout = join(fx.path, "deep/layout");
  const [a, b] = [
    await putImage(fx, { layers: [Buffer.from("one")] }),
    await putImage(fx, { layers: [Buffer.from("two")] }),
  ];
  await writeLayout(fx.store, layout, options([{ descriptor: a, names: ["x", "y"] }]));
  await writeLayout(fx.store, layout, options([{ descriptor: b, names: ["x"] }]));
  await writeLayout(fx.store, layout, options([{ descriptor: b, names: [] }]));
  await writeLayout(fx.store, layout, options([{ descriptor: b, names: [] }]));
  await using into = await temporaryStore();
  const loaded = await loadLayout(into.store, layout, { lease: into.lease });
  assert.deepEqual(
    loaded.map(({ descriptor, names }) => [descriptor.digest, names]),
    [
      [a.digest, ["docker.io/library/y:latest"]],
      [b.digest, ["docker.io/library/x:latest"]],
    ],
  );
  assert.deepEqual((await readdir(layout)).sort(), ["blobs", "index.json", "oci-layout"]);
  const entries = (JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as { manifests: unknown[] })
    .manifests;
  assert.equal(entries.length, 3);
});

test("a layout that is none, is damaged or leads elsewhere is refused", async () => {
  await using fx = await temporaryStore();
  await using into = await temporaryStore();
  const layout = join(fx.path, "layout");
  const loading = (): Promise<unknown> => loadLayout(into.store, layout, { lease: into.lease });
  await mkdir(layout);
  await assert.rejects(loading(), hasCode("not-found"));
  const descriptor = await putImage(fx, { layers: [Buffer.from("one")] });
  await writeLayout(fx.store, layout, options([{ descriptor, names: ["x"] }]));
  const blob = join(layout, "blobs/sha256", digestHex(digestOf("one")));
  await rm(blob);
  await assert.rejects(loading(), hasCode("corrupt"));
  await writeFile(blob, "two");
  await assert.rejects(loading(), hasCode("corrupt"));
  await rm(blob);
  await writeFile(join(fx.path, "secret"), "one");
  await symlink(join(fx.path, "secret"), blob);
  await assert.rejects(loading(), hasCode("corrupt"));
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"9"}');
  await assert.rejects(loading(), hasCode("unsupported"));
});
