import assert from "node:assert/strict";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ExportFixture, exportFixture, sourceOf } from "../../testing/exports.ts";
import { addLayer, recordsMissing } from "../../testing/records.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type Digest, digestOf, isVarveError } from "../core/index.ts";
import { collect, decompress } from "../io/index.ts";
import { readTar } from "../layer/index.ts";
import { type RecordId, type RemoteLayer, SCRATCH } from "../record/index.ts";
import { parseImageAttributes } from "./attributes.ts";
import { exportImage } from "./image.ts";
import type { ExportSource } from "./types.ts";

const skip = recordsMissing() ?? false;
const EPOCH = 1_000_000_000;

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly digest: Digest; readonly mediaType: string };
  readonly layers: readonly {
    readonly digest: Digest;
    readonly mediaType: string;
    readonly urls?: readonly string[];
    readonly annotations?: Record<string, string>;
  }[];
  readonly manifests: readonly {
    readonly digest: Digest;
    readonly platform: { architecture: string };
    readonly annotations?: object;
  }[];
  readonly annotations?: Record<string, string>;
}

interface Config {
  readonly created?: string;
  readonly history: readonly { created?: string; comment?: string; empty_layer?: boolean }[];
  readonly rootfs: { readonly diff_ids: readonly Digest[] };
}

async function textOf({ deps }: ExportFixture, digest: string): Promise<string> {
  return (await collect(deps.content.open(digest as Digest), 1 << 22, { what: "a document" })).toString();
}

async function exported(
  at: ExportFixture,
  source: ExportSource,
  attrs: Record<string, string> = {},
): Promise<{
  manifest: Manifest;
  config: Config;
  text: string;
  names: readonly string[];
  digest: string;
  configDigest: Digest | undefined;
}> {
  const { descriptor, configDigest, names } = await exportImage(source, parseImageAttributes(attrs), at.deps);
  const text = await textOf(at, descriptor.digest);
  const manifest = JSON.parse(text) as Manifest;
  const config = configDigest === undefined ? "{}" : await textOf(at, configDigest);
  return { manifest, text, names, digest: descriptor.digest, configDigest, config: JSON.parse(config) as Config };
}

async function twoLayers({ fixture }: ExportFixture): Promise<[RecordId, RecordId]> {
  const base = await addLayer(fixture, SCRATCH, (path) => {
    mkdirSync(join(path, "d"));
    writeFileSync(join(path, "d/a"), "a");
  });
  return [base, await addLayer(fixture, base, (path) => writeFileSync(join(path, "b"), "b"))];
}

test("one platform is a manifest: compact sorted config, indented manifest, nothing internal", { skip }, async () => {
  await using at = await exportFixture();
  const [, top] = await twoLayers(at);
  const { manifest, config, text, names, configDigest } = await exported(at, sourceOf([top], { tags: ["app"] }));
  assert.equal(manifest.mediaType, "application/vnd.oci.image.manifest.v1+json");
  assert.equal(text, JSON.stringify(JSON.parse(text), undefined, 2));
  const configText = await textOf(at, String(configDigest));
  assert.equal(configText, JSON.stringify(JSON.parse(configText)));
  const keys = Object.keys(config);
  assert.deepEqual(keys, keys.toSorted());
  assert.ok(manifest.layers.every((layer) => layer.annotations === undefined));
  assert.deepEqual(
    config.history.map((entry) => entry.comment),
    ["buildkit.exporter.image.v0", "buildkit.exporter.image.v0"],
  );
  assert.deepEqual(names, ["docker.io/library/app:latest"]);
  assert.equal(at.deps.images.get("docker.io/library/app:latest")?.descriptor.digest, digestOf(text));
});

test("an output may have another config than the result", { skip }, async () => {
  await using at = await exportFixture();
  const id = await addLayer(at.fixture, SCRATCH, (path) => writeFileSync(join(path, "f"), ""));
  const config = (user: string): string =>
    JSON.stringify({ os: "linux", architecture: "amd64", config: { User: user } });
  const source = sourceOf([id], { config: JSON.parse(config("result")) as object });
  const userOf = async (attrs: Record<string, string>): Promise<string | undefined> =>
    ((await exported(at, source, attrs)).config as { config?: { User?: string } }).config?.User;
  assert.equal(await userOf({}), "result");
  assert.equal(await userOf({ "containerimage.config": config("output") }), "output");
  const attrs = { "containerimage.config": config("a"), "containerimage.config/linux/amd64": config("b") };
  assert.equal(await userOf(attrs), "b");
});

test(
  "layers that a base publishes elsewhere keep their URLs if that is asked for, and need not be here",
  { skip },
  async () => {
    await using at = await exportFixture();
    const { records, hold } = at.fixture;
    const layer = (text: string, mediaType: string, urls?: string[]): RemoteLayer => {
      return {
        digest: digestOf(text),
        diffId: digestOf(`tar ${text}`),
        size: 9,
        mediaType,
        sources: [],
        annotations: {},
        urls,
      };
    };
    const urls = ["https://example.org/a", "https://example.org/b"];
    const gzip = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    // The same layer may have been found without URLs before.
    records.addChain([layer("a", gzip)], hold.lease);
    const top = records.addChain([layer("a", gzip, urls.slice(0, 1)), layer("b", zstd)], hold.lease);
    records.addChain([layer("a", gzip, urls)], hold.lease);
    const source = sourceOf([top], { tags: ["app"] });
    const layers = async (attrs: Record<string, string>): Promise<unknown[]> =>
      (await exported(at, source, { store: "false", ...attrs })).manifest.layers.map((each) => [
        each.mediaType,
        each.urls,
      ]);
    const prefer = { "prefer-nondist-layers": "true" };
    const plain = "application/vnd.oci.image.layer.v1.tar+gzip";
    assert.deepEqual(await layers({}), [
      [plain, undefined],
      [zstd, undefined],
    ]);
    assert.deepEqual(await layers(prefer), [
      ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls],
      [zstd, undefined],
    ]);
    assert.deepEqual((await layers({ ...prefer, "oci-mediatypes": "false" }))[0], [gzip, urls]);
    const alone = sourceOf([records.addChain([layer("a", gzip)], hold.lease)], { tags: ["app"] });
    await exported(at, alone, prefer);
    await assert.rejects(exported(at, alone), (error) => isVarveError(error, "not-found"));
  },
);

test("Docker's types are used where they are asked for", { skip }, async () => {
  await using at = await exportFixture();
  const [, top] = await twoLayers(at);
  const { manifest } = await exported(at, sourceOf([top]), { "oci-mediatypes": "false" });
  assert.equal(manifest.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  assert.equal(manifest.config.mediaType, "application/vnd.docker.container.image.v1+json");
  assert.ok(manifest.layers.every((layer) => layer.mediaType === "application/vnd.docker.image.rootfs.diff.tar.gzip"));
});

test("several platforms are an index, in their order, each with its annotations", { skip }, async () => {
  await using at = await exportFixture();
  const [base, top] = await twoLayers(at);
  const { manifest, configDigest } = await exported(at, sourceOf([base, top]), {
    "annotation-index.i": "1",
    "annotation-manifest-descriptor[linux/arm64].d": "2",
    "annotation.m": "3",
  });
  assert.deepEqual(
    manifest.manifests.map((entry) => entry.platform.architecture),
    ["amd64", "arm64"],
  );
  assert.deepEqual([manifest.annotations, configDigest], [{ i: "1" }, undefined]);
  assert.deepEqual(
    manifest.manifests.map((entry) => entry.annotations),
    [undefined, { d: "2" }],
  );
  const inner = JSON.parse(await textOf(at, manifest.manifests[0]?.digest ?? "")) as Manifest;
  assert.deepEqual(inner.annotations, { m: "3" });
});

test("history: an ENV between two steps has no layer and the time of the one before", { skip }, async () => {
  await using at = await exportFixture();
  const [, top] = await twoLayers(at);
  const given = {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [] },
    history: ["ENV 0", "RUN 1", "ENV 2", "RUN 3"].map((text) => ({
      created_by: text,
      ...(text.startsWith("ENV") ? { empty_layer: true } : {}),
    })),
  };
  const { config } = await exported(at, sourceOf([top], { config: given }));
  assert.deepEqual(
    config.history.map((entry) => entry.empty_layer === true),
    [true, false, true, false],
  );
  assert.equal(config.history[2]?.created, config.history[1]?.created);
  assert.equal(config.history[0]?.created, config.history[1]?.created, "or of the first layer");
});

test("an epoch bounds the image's times and leaves its layers; an empty one bounds nothing", { skip }, async () => {
  await using at = await exportFixture();
  const [, top] = await twoLayers(at);
  const plain = await exported(at, sourceOf([top]));
  const bound = await exported(at, sourceOf([top], { epoch: EPOCH }));
  assert.deepEqual(bound.manifest.layers, plain.manifest.layers);
  const times = [bound.config.created, ...bound.config.history.map((entry) => entry.created)];
  assert.deepEqual(new Set(times), new Set(["2001-09-09T01:46:40Z"]));
  const free = await exported(at, sourceOf([top], { epoch: EPOCH }), { "source-date-epoch": "" });
  assert.equal(free.digest, plain.digest);
});

test("rewritten times: no entry of a new layer is later than the epoch, the base's layers stay", { skip }, async () => {
  await using at = await exportFixture();
  const { fixture } = at;
  const [base] = await twoLayers(at);
  const top = await addLayer(fixture, base, (path) => {
    writeFileSync(join(path, "late"), "x");
    writeFileSync(join(path, "early"), "x");
    utimesSync(join(path, "early"), 5, 5);
  });
  const [baseBlob] = await fixture.records.blobs(base, {}, fixture.hold);
  const baseConfig = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [baseBlob?.diffId] } };
  const source = sourceOf([top], { epoch: EPOCH, base: baseConfig });
  const plain = await exported(at, source);
  const rewritten = await exported(at, source, { "rewrite-timestamp": "true" });
  assert.deepEqual(rewritten.manifest.layers[0], plain.manifest.layers[0]);
  const [, own] = rewritten.manifest.layers;
  assert.deepEqual(own?.annotations, { "buildkit/rewritten-timestamp": String(EPOCH) });
  const times = new Map<string, bigint>();
  const tar = decompress(fixture.content.open(own?.digest ?? digestOf("")), { format: "detect", what: "a layer" });
  for await (const { path, mtime } of readTar(tar, { what: "a layer" })) times.set(path, mtime / 1_000_000_000n);
  assert.equal(times.get("early"), 5n);
  assert.equal(times.get("late"), BigInt(EPOCH));
  assert.ok([...times.values()].every((time) => time <= BigInt(EPOCH)));
  const again = await exported(at, source, { "rewrite-timestamp": "true" });
  assert.equal(again.digest, rewritten.digest);
  await exported(at, sourceOf([top]), { "rewrite-timestamp": "true" });
  assert.deepEqual(at.warnings, ["rewrite-timestamp is specified, but no source-date-epoch was found"]);
});

test("all layers are compressed anew where that is forced, with the same contents", { skip }, async () => {
  await using at = await exportFixture();
  const [, top] = await twoLayers(at);
  const plain = await exported(at, sourceOf([top]));
  const forced = await exported(at, sourceOf([top]), { compression: "zstd", "force-compression": "true" });
  assert.ok(forced.manifest.layers.every((layer) => layer.mediaType.endsWith("+zstd")));
  assert.deepEqual(forced.config.rootfs.diff_ids, plain.config.rootfs.diff_ids);
});

test("names: given ones, canonical and dangling ones", { skip }, async () => {
  await using at = await exportFixture();
  const [, top] = await twoLayers(at);
  const source = sourceOf([top]);
  const { names, digest } = await exported(at, source, { name: "a,b", "name-canonical": "true" });
  assert.deepEqual(names.slice(0, 2), ["docker.io/library/a:latest", "docker.io/library/b:latest"]);
  assert.ok(names.includes(`docker.io/library/a@${digest}`));
  const dangling = await exported(at, source, { "dangling-name-prefix": "p" });
  assert.deepEqual(dangling.names, [`docker.io/library/p@${digest}`]);
});

test(
  "pushed: every name, or by digest alone",
  { skip: skip === false ? (registryMissing() ?? false) : skip },
  async () => {
    await using at = await exportFixture();
    await using server = await startRegistry();
    const [, top] = await twoLayers(at);
    const name = `${server.host}/team/app`;
    const ask = async (reference: string): Promise<number> =>
      (
        await fetch(`${server.url}/v2/team/app/manifests/${reference}`, {
          headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
        })
      ).status;
    const { digest } = await exported(at, sourceOf([top]), { name, "push-by-digest": "true", push: "true" });
    assert.equal(await ask(digest), 200);
    assert.equal(await ask("latest"), 404);
    assert.deepEqual([...at.deps.images.list()], []);
    const tagged = await exported(at, sourceOf([top]), { name: `${name}:1,${name}:2`, push: "true" });
    assert.deepEqual(tagged.names, [`${name}:1`, `${name}:2`]);
    assert.deepEqual([await ask("1"), await ask("2")], [200, 200]);
    await assert.rejects(
      exported(at, sourceOf([top]), { name: `${name}:1`, "push-by-digest": "true", push: "true" }),
      (error) => isVarveError(error, "invalid-argument") && /can't push tagged ref/.test(error.message),
    );
  },
);
