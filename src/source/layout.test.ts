import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type TemporaryStore, noise, putImage, putIndex, temporaryStore } from "../../testing/images.ts";
import { recordsMissing, temporaryRecords } from "../../testing/records.ts";
import { type Descriptor, type Digest, digestHex, digestOf } from "../core/index.ts";
import { bytesOf } from "../io/index.ts";
import { type BlobForm } from "../record/index.ts";
import { blobRecord } from "./blob.ts";
import { type ClientStore, type ClientStoreName, clientFetcher, clientSource } from "./client-store.ts";
import { resolveLayout } from "./layout.ts";

const platform = { os: "linux", architecture: "amd64" };
const skip = recordsMissing() ?? false;

/** A store of a client that has the blobs of a content store. `asked` is what was read. */
function storeOf({ store }: TemporaryStore, asked: Digest[] = []): ClientStore {
  return {
    size: (digest) => Promise.resolve(store.info(digest)?.size),
    read: (digest) => {
      asked.push(digest);
      return store.open(digest);
    },
  };
}

test("an image of a client's store is found by its digest, without its layers", async () => {
  await using theirs = await temporaryStore();
  const image = await putImage(theirs, { layers: [noise(100, 1), noise(100, 2)] });
  const other = await putImage(theirs, { layers: [noise(100, 3)], architecture: "arm64" });
  const index = await putIndex(theirs, [other, image]);
  for (const target of [image, index]) {
    await using here = await temporaryStore();
    const asked: Digest[] = [];
    const names: ClientStoreName[] = [];
    const open = (name: ClientStoreName): ClientStore => {
      names.push(name);
      return storeOf(theirs, asked);
    };
    const request = { name: `not/real@${target.digest}`, platform, store: "named", session: "s" };
    const found = await resolveLayout(request, { content: here.store, open }, here);
    assert.equal(found.digest, target.digest);
    assert.equal(found.manifest.digest, image.digest);
    assert.equal(found.layers.length, 2);
    assert.deepEqual(found.layers[0]?.sources, [clientSource({ store: "named", session: "s" })]);
    assert.ok(!asked.includes(found.layers[0].digest));
    assert.deepEqual(names, [{ store: "named", session: "s" }]);
  }
});

test("images of an index without platforms are chosen by their configs", async () => {
  await using theirs = await temporaryStore();
  await using here = await temporaryStore();
  const bare = ({ digest, mediaType, size }: Descriptor): Descriptor => ({ digest, mediaType, size });
  const arm = await putImage(theirs, { layers: [noise(10, 1)], architecture: "arm64" });
  const amd = await putImage(theirs, { layers: [noise(10, 2)] });
  const index = await putIndex(theirs, [bare(arm), bare(amd)]);
  const from = { content: here.store, open: () => storeOf(theirs) };
  const found = await resolveLayout({ name: `x/y@${index.digest}`, platform, store: "n" }, from, here);
  assert.equal(found.manifest.digest, amd.digest);
});

test("a client's answers are not trusted", async () => {
  await using theirs = await temporaryStore();
  const image = await putImage(theirs, { layers: [] });
  const honest = storeOf(theirs);
  const stores: readonly (readonly [code: string, ClientStore])[] = [
    ["not-found", { ...honest, size: () => Promise.resolve(undefined) }],
    ["corrupt", { ...honest, read: () => bytesOf(Buffer.from("other bytes")) }],
    ["corrupt", { ...honest, size: () => Promise.resolve(1) }],
    ["limit-exceeded", { ...honest, size: () => Promise.resolve(1 << 30) }],
  ];
  for (const [code, store] of stores) {
    await using here = await temporaryStore();
    const from = { content: here.store, open: () => store };
    const asked = resolveLayout({ name: `x/y@${image.digest}`, platform, store: "n" }, from, here);
    await assert.rejects(asked, { code }, code);
  }
  await using here = await temporaryStore();
  const from = { content: here.store, open: () => honest };
  await assert.rejects(resolveLayout({ name: "x/y:1", platform, store: "n" }, from, here), {
    message: 'reference "x/y:1" must have digest',
  });
});

test("layers are fetched from the store that a source names", async () => {
  await using theirs = await temporaryStore();
  await using here = await temporaryStore();
  const { digest, size } = await theirs.store.put(noise(1000, 5), { lease: theirs.lease });
  const names: ClientStoreName[] = [];
  const fetch = clientFetcher((name) => {
    names.push(name);
    return storeOf(theirs);
  }, here.store);
  const blob: BlobForm = { digest, size, diffId: digest, mediaType: "x", annotations: {}, sources: [] };
  const sources = ["docker.io/library/x", clientSource({ store: "a b/ü?&" })];
  await fetch({ ...blob, sources }, here, () => undefined);
  assert.equal(here.store.info(digest)?.size, size);
  assert.deepEqual(names, [{ store: "a b/ü?&" }]);
  await assert.rejects(
    fetch({ ...blob, sources: ["docker.io/library/x"] }, here, () => undefined),
    {
      code: "not-found",
    },
  );
});

test("a blob of a client's store as a file", { skip }, async () => {
  await using theirs = await temporaryStore();
  await using fixture = await temporaryRecords();
  const bytes = Buffer.from("the blob");
  await theirs.store.put(bytes, { lease: theirs.lease });
  const digest = digestOf(bytes);
  const deps = {
    content: fixture.content,
    records: fixture.records,
    registry: () => Promise.reject(new Error("not a registry's")),
    openClientStore: () => storeOf(theirs),
  };
  const request = { name: `not/real@${digest}`, client: { store: "n" } };
  const id = await blobRecord({ ...request, filename: "f", uid: 1, gid: 2, mode: 0o640 }, deps, fixture.hold);
  {
    await using tree = await fixture.records.mount(id, fixture.hold);
    const { uid, gid, mode, mtimeMs } = statSync(join(tree.path, "f"));
    assert.deepEqual([uid, gid, mode & 0o7777, mtimeMs], [1, 2, 0o640, 0]);
    assert.equal(readFileSync(join(tree.path, "f"), "utf8"), "the blob");
  }
  await using plain = await fixture.records.mount(await blobRecord(request, deps, fixture.hold), fixture.hold);
  assert.deepEqual(readdirSync(plain.path), [digestHex(digest)]);
  assert.equal(statSync(join(plain.path, digestHex(digest))).mode & 0o777, 0o600);
});
