import assert from "node:assert/strict";
import { test } from "node:test";
import { putImage, putIndex, temporaryStore } from "../../testing/images.ts";
import { type Descriptor, MediaType, digestOf, isVarveError, parsePlatform } from "../core/index.ts";
import { children, encodeManifest, linkImage, openImage, walkDescriptors } from "./index.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const amd64 = parsePlatform("linux/amd64");
const arm64 = parsePlatform("linux/arm64");

test("an image is opened with its layers and their diffIDs, and its bytes as they were", async () => {
  await using fx = await temporaryStore();
  const descriptor = await putImage(fx, { layers: [bytes("one"), bytes("two")] });
  const image = await openImage(fx.store, descriptor, arm64);
  assert.deepEqual(
    image.layers.map(({ diffId }) => diffId),
    [digestOf("one"), digestOf("two")],
  );
  assert.deepEqual(
    image.layers.map(({ descriptor: layer }) => layer.digest),
    [digestOf("one"), digestOf("two")],
  );
  assert.equal(digestOf(image.manifestBytes), descriptor.digest);
  assert.equal(digestOf(image.configBytes), image.manifest.config.digest);
  assert.deepEqual(image.platform, amd64);
});

test("of an index the manifest for the platform is opened, never an attestation", async () => {
  await using fx = await temporaryStore();
  const [one, two] = [
    await putImage(fx, { layers: [bytes("1")] }),
    await putImage(fx, { layers: [bytes("2")], architecture: "arm64" }),
  ];
  const unknown = { ...one, platform: { architecture: "unknown", os: "unknown" } };
  const attestation = { ...one, annotations: { "vnd.docker.reference.type": "attestation-manifest" } };
  const index = await putIndex(fx, [unknown, attestation, two, one]);
  assert.equal((await openImage(fx.store, index, amd64)).layers[0]?.diffId, digestOf("1"));
  assert.equal((await openImage(fx.store, index, arm64)).descriptor.digest, two.digest);
  const outer = await putIndex(fx, [{ mediaType: index.mediaType, digest: index.digest, size: index.size }]);
  assert.equal((await openImage(fx.store, outer, arm64)).descriptor.digest, two.digest);
  await assert.rejects(openImage(fx.store, index, parsePlatform("linux/s390x")), (error) =>
    isVarveError(error, "not-found"),
  );
});

test("an entry that names no platform is known by its config", async () => {
  await using fx = await temporaryStore();
  const images = [
    await putImage(fx, { layers: [bytes("1")] }),
    await putImage(fx, { layers: [bytes("2")], architecture: "arm64" }),
  ];
  const bare = images.map(({ mediaType, digest, size }): Descriptor => ({ mediaType, digest, size }));
  const index = await putIndex(fx, bare);
  assert.equal((await openImage(fx.store, index, arm64)).layers[0]?.diffId, digestOf("2"));
});

test("what is absent, does not fit together or is no image is refused", async () => {
  await using fx = await temporaryStore();
  const descriptor = await putImage(fx, { layers: [bytes("1")] });
  const { manifest } = await openImage(fx.store, descriptor, amd64);
  const put = async (document: typeof manifest): Promise<Descriptor> => {
    const { digest, size } = await fx.store.put(encodeManifest(document), { lease: fx.lease });
    return { mediaType: document.mediaType, digest, size };
  };
  const twice = await put({ ...manifest, layers: [...manifest.layers, ...manifest.layers] });
  await assert.rejects(openImage(fx.store, twice, amd64), (error) => isVarveError(error, "corrupt"));
  const artifact = await put({ ...manifest, config: { ...manifest.config, mediaType: MediaType.ociEmpty } });
  await assert.rejects(openImage(fx.store, artifact, amd64), (error) => isVarveError(error, "unsupported"));
  await fx.store.delete(manifest.config.digest);
  await assert.rejects(openImage(fx.store, descriptor, amd64), (error) => isVarveError(error, "not-found"));
  await fx.store.delete(descriptor.digest);
  await assert.rejects(openImage(fx.store, descriptor, amd64), (error) => isVarveError(error, "not-found"));
});

test("indexes nested without end are refused", async () => {
  await using fx = await temporaryStore();
  let descriptor = await putImage(fx, { layers: [bytes("1")] });
  for (let depth = 0; depth < 10; depth++) {
    const { mediaType, digest, size } = await putIndex(fx, [descriptor]);
    descriptor = { mediaType, digest, size };
  }
  await assert.rejects(openImage(fx.store, descriptor, amd64), (error) => isVarveError(error, "limit-exceeded"));
  await assert.rejects(Array.fromAsync(walkDescriptors(fx.store, descriptor)), (error) =>
    isVarveError(error, "limit-exceeded"),
  );
});

test("a linked image is kept whole by its top, with parts that come later", async () => {
  await using fx = await temporaryStore();
  const image = await putImage(fx, { layers: [bytes("1"), bytes("2")] });
  const absent: Descriptor = { mediaType: MediaType.ociManifest, digest: digestOf("absent"), size: 6 };
  const index = await putIndex(fx, [image, absent]);
  await linkImage(fx.store, index);
  await using lease = await fx.store.lease();
  lease.add("blob", index.digest);
  await fx.lease[Symbol.asyncDispose]();
  await fx.store.put(bytes("absent"));
  assert.equal((await fx.store.collect()).blobs, 0);
  assert.deepEqual(
    (await children(fx.store, index)).map(({ digest }) => digest),
    [image.digest, absent.digest],
  );
  await lease[Symbol.asyncDispose]();
  assert.equal((await fx.store.collect()).blobs, 6);
});
