import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Reference, digestOf, hostPlatform, isVarveError, parseReference } from "../core/index.ts";
import { damagedBlobOf } from "../content/index.ts";
import { bytesOf, collect } from "../io/index.ts";
import { noise, putImage, putIndex, temporaryStore } from "../../testing/images.ts";
import { flipBit } from "../../testing/contracts/content-damage.ts";
import { startFaultProxy } from "../../testing/fault-proxy.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { ANONYMOUS, Registry, type TransferEvent, fetchBlob, pull, push } from "./index.ts";

const missing = registryMissing();
const anonymous = (): Promise<typeof ANONYMOUS> => Promise.resolve(ANONYMOUS);

suite("against a real registry", { skip: missing ?? false }, () => {
  let server: RegistryServer;
  let registry: Registry;
  const named = (name: string): Reference => parseReference(`${server.host}/${name}`);

  before(async () => {
    server = await startRegistry();
    registry = new Registry({ credentials: anonymous, env: {} });
  });
  after(async () => {
    registry[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  test("a blob goes up, is found, and comes down from any offset", async () => {
    const bytes = noise(300_000);
    const descriptor = { mediaType: "application/octet-stream", digest: digestOf(bytes), size: bytes.byteLength };
    const reference = named("blobs/one");
    const source = (offset: number): AsyncIterable<Uint8Array> => bytesOf(bytes.subarray(offset));
    assert.equal(await registry.hasBlob(reference, descriptor.digest), false);
    assert.equal(await registry.pushBlob(reference, descriptor, source), "uploaded");
    assert.equal(await registry.pushBlob(reference, descriptor, source), "exists");
    assert.equal(await registry.hasBlob(reference, descriptor.digest), true);
    const read = (offset: number): Promise<Buffer> =>
      collect(registry.blob(reference, descriptor, { offset }), 1e6, { what: "blob" });
    for (const offset of [0, 1, 65_536, 299_999, 300_000]) {
      assert.ok((await read(offset)).equals(bytes.subarray(offset)), `from ${offset}`);
    }
    await assert.rejects(read(300_001), (error) => isVarveError(error, "invalid-argument"));
    assert.equal(
      await registry.pushBlob(named("blobs/two"), descriptor, source, { mountFrom: ["blobs/none", "blobs/one"] }),
      "mounted",
    );
    await registry.deleteBlob(named("blobs/two"), descriptor.digest);
    assert.equal(await registry.hasBlob(named("blobs/two"), descriptor.digest), false);
  });

  test("a small blob takes two requests, or one if it is there; a large one is asked for first", async () => {
    await using proxy = await startFaultProxy({ upstream: server.host });
    const reference = parseReference(`${proxy.host}/blobs/small`);
    const requests = async (size: number, outcome: string): Promise<string[]> => {
      const from = proxy.requests.length;
      const bytes = Buffer.alloc(size, "small");
      const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size };
      assert.equal(await registry.pushBlob(reference, descriptor, (at) => bytesOf(bytes.subarray(at))), outcome);
      return proxy.requests.slice(from).map(({ method }) => method);
    };
    assert.deepEqual((await requests(100, "uploaded")).slice(-2), ["POST", "PUT"]);
    assert.deepEqual(await requests(200, "uploaded"), ["POST", "PUT"]);
    assert.deepEqual(await requests(200, "exists"), ["POST"]);
    assert.deepEqual(await requests(50_000, "uploaded"), ["HEAD", "POST", "PUT"]);
    assert.deepEqual(await requests(50_000, "exists"), ["HEAD"]);
    proxy.fault = ({ method, url }) =>
      method === "POST" && url.includes("mount=") ? { kind: "status", status: 405 } : undefined;
    assert.deepEqual(await requests(300, "uploaded"), ["POST", "POST", "PUT"]);
  });

  test("an empty blob and one in chunks go up", async () => {
    const reference = named("blobs/chunks");
    for (const bytes of [Buffer.alloc(0), noise(1), noise(2), noise(250_001)]) {
      const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.byteLength };
      const source = (offset: number): AsyncIterable<Uint8Array> => bytesOf(bytes.subarray(offset));
      assert.equal(await registry.pushBlob(reference, descriptor, source, { chunkSize: 100_000 }), "uploaded");
      const back = await collect(registry.blob(reference, descriptor), 1e6, { what: "blob" });
      assert.ok(back.equals(bytes));
    }
  });

  test("bytes that are not the descriptor's are refused by size, and by the registry by digest", async () => {
    const bytes = noise(1000);
    const right = { mediaType: "x/y", digest: digestOf(bytes), size: 1000 };
    const reference = named("blobs/wrong");
    const short = registry.pushBlob(reference, right, () => bytesOf(bytes.subarray(1)));
    await assert.rejects(short, (error) => isVarveError(error, "corrupt"));
    const other = registry.pushBlob(reference, right, () => bytesOf(noise(1000, 2)));
    await assert.rejects(
      other,
      (error) => isVarveError(error, "remote") && error.details.registryCode === "DIGEST_INVALID",
    );
    assert.equal(await registry.hasBlob(reference, right.digest), false);
  });

  test("a blob that is damaged in the store is never whole in the registry, sent at once or in chunks", async () => {
    await using from = await temporaryStore();
    await using proxy = await startFaultProxy({ upstream: server.host });
    const reference = parseReference(`${proxy.host}/blobs/damaged`);
    for (const options of [{}, { chunkSize: 300_000 }]) {
      const { digest, size } = await from.store.put(noise(1_000_000, 12), { lease: from.lease });
      flipBit(from.store.path(digest), 999_999);
      const descriptor = { mediaType: "x/y", digest, size };
      const source = (offset: number): AsyncIterable<Uint8Array> => from.store.open(digest, { offset });
      const pushed = registry.pushBlob(reference, descriptor, source, options);
      await assert.rejects(pushed, (error) => damagedBlobOf(error) === digest);
      assert.equal(await registry.hasBlob(reference, digest), false);
    }
    assert.equal(proxy.requests.filter(({ method }) => method === "PUT").length, 1);
  });

  test("an image is pushed under several tags and pulled into another store", async () => {
    await using from = await temporaryStore();
    await using into = await temporaryStore();
    const target = await putImage(from, { layers: [noise(100_000, 3), noise(50_000, 4), noise(100_000, 3)] });
    await push(registry, [named("app:1"), named("app:2"), named("other:1")], { store: from.store, target });
    assert.deepEqual((await registry.tags(named("app"))).toSorted(), ["1", "2"]);
    assert.equal((await registry.resolve(named("app:2"))).digest, target.digest);

    const events: TransferEvent[] = [];
    const { store, lease } = into;
    const options = { store, lease, platform: hostPlatform(), onEvent: (event: TransferEvent) => events.push(event) };
    const result = await pull(registry, named("app:1"), options);
    assert.equal(result.reference.digest, target.digest);
    assert.equal(result.images[0]?.layers.length, 3);
    assert.equal([...store.walk()].length, 4);
    for (const info of store.walk()) {
      assert.equal(info.labels.get(`containerd.io/distribution.source.${server.host}`), "app");
    }
    assert.equal(events.filter(({ state }) => state === "done").length, 3);
    await pull(registry, named("other:1"), options);
    assert.equal(
      store.info(target.digest)?.labels.get(`containerd.io/distribution.source.${server.host}`),
      "other,app",
    );
  });

  test("a lazy pull leaves the layers, and each is fetched when needed", async () => {
    await using from = await temporaryStore();
    await using into = await temporaryStore();
    const target = await putImage(from, { layers: [noise(10_000, 5)] });
    await push(registry, [named("lazy:1")], { store: from.store, target });
    const { store, lease } = into;
    const { images } = await pull(registry, named("lazy:1"), { store, lease, platform: "all", layers: "skip" });
    const layer = images[0]?.layers[0];
    assert.ok(layer);
    assert.equal(store.info(layer.digest), undefined);
    const events: TransferEvent[] = [];
    const onEvent = (event: TransferEvent): unknown => events.push(event);
    await push(registry, [named("lazy-copy:1")], { store, target, onEvent, mountFrom: () => ["lazy"] });
    assert.ok(events.some(({ digest, state }) => digest === layer.digest && state === "mounted"));
    const lazily = (): AsyncIterable<Uint8Array> => assert.fail("the registry has it");
    await push(registry, [named("lazy-copy:2")], { store, target, lazy: lazily });
    const [info, again] = await Promise.all([
      fetchBlob(registry, named("lazy:1"), layer, { store, lease }),
      fetchBlob(registry, named("lazy:1"), layer, { store, lease }),
    ]);
    assert.deepEqual([info.digest, again.digest], [layer.digest, layer.digest]);
  });

  test("of an index comes what the platform needs, or all of it", async () => {
    await using from = await temporaryStore();
    const amd64 = await putImage(from, { layers: [noise(1000, 6)], architecture: "amd64" });
    const arm64 = await putImage(from, { layers: [noise(1000, 7)], architecture: "arm64" });
    const index = await putIndex(from, [amd64, arm64]);
    await push(registry, [named("multi:1")], { store: from.store, target: index });
    await using one = await temporaryStore();
    const arm = { os: "linux", architecture: "arm64" };
    const single = await pull(registry, named("multi:1"), { ...one, platform: arm });
    assert.equal(single.target.digest, index.digest);
    assert.deepEqual(
      single.images.map(({ manifest }) => manifest.digest),
      [arm64.digest],
    );
    assert.equal(one.store.info(amd64.digest), undefined);
    await using both = await temporaryStore();
    assert.equal((await pull(registry, named("multi:1"), { ...both, platform: "all" })).images.length, 2);
    const riscv = pull(registry, named("multi:1"), { ...one, platform: { os: "linux", architecture: "riscv64" } });
    await assert.rejects(riscv, (error) => isVarveError(error, "not-found") && /linux\/amd64/.test(error.hint ?? ""));
  });

  test("a manifest is pushed by digest, read back and deleted", async () => {
    await using from = await temporaryStore();
    const target = await putImage(from, { layers: [] });
    await push(registry, [named("by-digest")], { store: from.store, target });
    const reference = { ...named("by-digest"), digest: target.digest };
    assert.equal((await registry.manifest(reference)).descriptor.size, target.size);
    await assert.rejects(registry.tags(named("nothing")), (error) => isVarveError(error, "not-found"));
    await registry.deleteManifest(reference);
    await assert.rejects(registry.manifest(reference), (error) => isVarveError(error, "not-found"));
    await assert.rejects(registry.resolve(reference), (error) => isVarveError(error, "not-found"));
  });

  test("a cancelled pull ends at once", async () => {
    await using into = await temporaryStore();
    const signal = AbortSignal.abort();
    const pulled = pull(registry, named("app:1"), { ...into, platform: "all", signal });
    await assert.rejects(pulled, (error) => isVarveError(error, "cancelled"));
    await assert.rejects(registry.resolve(named("app:1"), { signal }), (error) => isVarveError(error, "cancelled"));
  });
});
