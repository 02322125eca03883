import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from "../../testing/fault-proxy.ts";
import { noise } from "../../testing/images.ts";
import { startMount } from "../../testing/mount-process.ts";
import { recordsMissing } from "../../testing/records.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type Digest, MediaType, digestHex, digestOf, isVarveError } from "../core/index.ts";
import { bytesOf, collect, compress, temporaryDirectory } from "../io/index.ts";
import { writeTar } from "../layer/index.ts";
import type { Hold, RecordId, RemoteLayer } from "../record/index.ts";
import { ANONYMOUS, Registry, type RegistryOptions } from "../registry/index.ts";
import { type Store, openStore } from "./store/store.ts";

const skip = registryMissing() ?? recordsMissing() ?? false;
const [MiB, what] = [1_048_576, { what: "a layer" }];
/** The size of a layer that is unpacked during its download. A small layer is downloaded first. */
const LARGE = 6 * MiB;

interface Fixture extends Pick<Store, "root" | "content" | "snapshotter" | "records">, AsyncDisposable {
  readonly hold: Hold;
}

suite("layers from a registry", { skip }, () => {
  let server: RegistryServer;
  let proxy: FaultProxy;
  before(async () => {
    server = await startRegistry();
    proxy = await startFaultProxy({ upstream: server.host });
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const options = (): RegistryOptions => ({
    credentials: () => Promise.resolve(ANONYMOUS),
    env: {},
    timeouts: { idle: 600_000 },
    retry: { first: 1, longest: 4 },
    config: { registries: { [proxy.host]: { http: true } } },
  });

  /** Opens a store that fetches blobs through the proxy. */
  async function fixtureAt(given?: string, snapshotter: "overlay" | "copy" = "overlay"): Promise<Fixture> {
    await using stack = new AsyncDisposableStack();
    const root = given ?? stack.use(await temporaryDirectory()).path;
    const {
      content,
      records,
      snapshotter: trees,
    } = stack.use(await openStore({ root, snapshotter, registry: options() }));
    const hold = { lease: stack.use(await content.lease()) };
    const owned = stack.move();
    return { root, content, records, snapshotter: trees, hold, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  /** Pushes a layer with a small file `<name>` and a large one to the registry. */
  async function layer(name: string, size: number, seed: number): Promise<RemoteLayer> {
    const files = [
      { path: name, body: name },
      { path: `${name}-large`, body: noise(size, seed) },
    ];
    const tar = await collect(writeTar(files), 2 * size + MiB, what);
    const blob = await collect(compress(bytesOf(tar), { type: "gzip", level: 1 }), 2 * size + MiB, what);
    const descriptor = { mediaType: MediaType.ociLayerGzip, digest: digestOf(blob), size: blob.length };
    using registry = new Registry(options());
    await registry.pushBlob({ registry: proxy.host, repository: "app" }, descriptor, (offset) =>
      bytesOf(blob.subarray(offset)),
    );
    return { ...descriptor, diffId: digestOf(tar), sources: [`${proxy.host}/app`], annotations: {} };
  }

  /** Injects faults into requests for blobs. Returns a function that returns the requests so far. */
  function spoil(fault: (request: SeenRequest, digest: string) => Fault | undefined): () => SeenRequest[] {
    const first = proxy.requests.length;
    const isBlob = ({ url, method }: SeenRequest): boolean => method === "GET" && url.includes("/blobs/sha256:");
    proxy.fault = (request) => (isBlob(request) ? fault(request, basename(request.url)) : undefined);
    return () => proxy.requests.slice(first).filter(isBlob);
  }

  const names = async ({ records, hold }: Fixture, id: RecordId): Promise<string[]> => {
    await using tree = await records.mount(id, hold);
    return readdirSync(tree.path).sort();
  };
  const ingestFile = (root: string, digest: Digest): string =>
    join(root, "content/ingest", digestHex(digestOf(`registry-${digest}`)), "data");

  for (const driver of ["overlay", "copy"] as const) {
    test(`${driver}: layers are unpacked while they and those above are downloaded`, async () => {
      await using fixture = await fixtureAt(undefined, driver);
      const layers = [await layer("a", LARGE, 1), await layer("b", LARGE, 2), await layer("c", LARGE, 3)];
      const id = fixture.records.addChain(layers, fixture.hold.lease);
      // The proxy holds the end of each layer until its first file exists in the snapshots.
      spoil((_request, digest) => {
        const index = layers.findIndex((each) => each.digest === digest);
        const until = (): Promise<void> => fileThere(join(fixture.root, "snapshots"), "abc"[index] ?? "");
        return { kind: "hold", after: (layers[index]?.size ?? 0) - 1000, until };
      });
      assert.deepEqual(await names(fixture, id), ["a", "a-large", "b", "b-large", "c", "c-large"]);
      assert.deepEqual(
        fixture.records.layers(id).map((row) => row.snapshot),
        fixture.records.layers(id).map((row) => row.chainId),
      );
    });
  }

  test("a layer that cannot be fetched fails the mount at once, and aborts the other downloads", async () => {
    await using fixture = await fixtureAt();
    const [below, above] = [await layer("s", LARGE, 12), await layer("t", 1000, 13)];
    const base = fixture.records.addChain([below], fixture.hold.lease);
    const id = fixture.records.addChain([below, above], fixture.hold.lease);
    const { promise, resolve } = Promise.withResolvers<void>();
    const held: Fault = { kind: "hold", after: 200_000, until: () => promise };
    const refused: Fault = { kind: "status", status: 404 };
    spoil((_request, digest) => (digest === below.digest ? held : refused));
    await assert.rejects(names(fixture, id), (error) => isVarveError(error) && error.details.record === id);
    assert.equal(fixture.records.get(base)?.snapshot, undefined);
    while ([...fixture.snapshotter.walk()].length > 0) await sleep(5);
    resolve();
  });

  test("a download that is interrupted often fetches each byte once, and is unpacked once", async () => {
    await using fixture = await fixtureAt();
    const [from, size] = [await layer("f", 12 * MiB, 4), (5 * MiB) / 2];
    const requests = spoil(() => ({ kind: "reset", after: size }));
    let prepared = 0;
    const prepare = fixture.snapshotter.prepare.bind(fixture.snapshotter);
    fixture.snapshotter.prepare = async (...args) => {
      prepared += 1;
      return await prepare(...args);
    };
    const id = fixture.records.addChain([from], fixture.hold.lease);
    assert.deepEqual(await names(fixture, id), ["f", "f-large"]);
    assert.equal(prepared, 1);
    const starts = requests().map(({ headers }) => Number(/=(\d+)-/.exec(headers.range ?? "=0-")?.[1]));
    const sent = starts.reduce((sum, start) => sum + Math.min(size, from.size - start), 0);
    // An interruption loses the bytes that the client has not read yet: fewer than this each time.
    assert.ok(sent <= from.size + starts.length * 131_072, `${sent} bytes for ${from.size}: ${starts.join()}`);
    assert.equal(starts.length, Math.ceil(from.size / size));
  });

  test("the next process resumes the download of a killed one", async () => {
    await using directory = await temporaryDirectory();
    const from = await layer("k", 6 * MiB, 5);
    const requests = spoil(({ headers }) =>
      headers.range === undefined ? { kind: "stall", after: 4 * MiB } : undefined,
    );
    const child = startMount(directory.path, proxy.host, from);
    const file = ingestFile(directory.path, from.digest);
    while (!existsSync(file) || statSync(file).size < 3 * MiB) await sleep(5);
    child.kill("SIGKILL");
    await once(child, "close");
    const brought = statSync(file).size;
    await using fixture = await fixtureAt(directory.path);
    const id = fixture.records.addChain([from], fixture.hold.lease);
    assert.deepEqual(await names(fixture, id), ["k", "k-large"]);
    assert.deepEqual(
      requests().map(({ headers }) => headers.range),
      [undefined, `bytes=${brought}-`],
    );
  });

  test("wrong bytes leave neither a snapshot nor a blob; a second attempt succeeds", async () => {
    const from = await layer("w", 200_000, 6);
    for (const often of ["always", "once"] as const) {
      await using fixture = await fixtureAt();
      const id = fixture.records.addChain([from], fixture.hold.lease);
      let seen = 0;
      spoil(() => (often === "always" || (seen += 1) === 1 ? { kind: "corrupt" } : undefined));
      if (often === "once") {
        assert.deepEqual(await names(fixture, id), ["w", "w-large"]);
        continue;
      }
      const isCorrupt = (error: unknown): boolean => isVarveError(error, "corrupt") && error.details.record === id;
      await assert.rejects(names(fixture, id), isCorrupt);
      assert.deepEqual([...fixture.snapshotter.walk()], []);
      assert.deepEqual([...fixture.content.walk()], []);
      assert.deepEqual(readdirSync(join(fixture.root, "content/ingest")), []);
    }
  });

  test("a valid archive with the wrong digest leaves nothing after it was unpacked", async () => {
    const archive = (letter: string): Promise<Buffer> =>
      collect(writeTar([{ path: letter, body: letter.repeat(LARGE) }]), 2 * LARGE, what);
    const [right, wrong] = [await archive("r"), await archive("w")];
    const face = {
      digest: digestOf(right),
      diffId: digestOf(right),
      size: right.length,
      mediaType: MediaType.ociLayer,
    };
    await using fixture = await fixtureAt();
    const from: RemoteLayer = { ...face, sources: [`${proxy.host}/app`], annotations: {} };
    const id = fixture.records.addChain([from], fixture.hold.lease);
    const requests = spoil(() => ({ kind: "status", status: 200, body: wrong.toString("latin1") }));
    await assert.rejects(names(fixture, id), (error) => isVarveError(error, "corrupt"));
    assert.equal(requests().length, 2);
    assert.deepEqual([...fixture.snapshotter.walk()], []);
    assert.deepEqual([...fixture.content.walk()], []);
    assert.deepEqual(readdirSync(join(fixture.root, "content/ingest")), []);
  });

  test("a layer whose diffID differs from the config leaves no snapshot, even if its blob is correct", async () => {
    await using fixture = await fixtureAt();
    const [good, bad] = [await layer("g", 1000, 7), await layer("b", 200_000, 8)];
    const id = fixture.records.addChain([good, { ...bad, diffId: good.diffId }], fixture.hold.lease);
    spoil(() => undefined);
    await assert.rejects(
      names(fixture, id),
      (error) => isVarveError(error, "corrupt") && error.details.record === id && /digest/.test(error.message),
    );
    assert.deepEqual(
      [...fixture.snapshotter.walk()].map(({ name }) => name),
      [good.diffId],
    );
    assert.equal(fixture.records.get(id)?.snapshot, undefined);
  });

  test("aborting one caller does not stop the download; aborting the last one does, and keeps what was fetched", async () => {
    await using fixture = await fixtureAt();
    const { records, content } = fixture;
    const from = await layer("c", 300_000, 9);
    const id = records.addChain([from], fixture.hold.lease);
    const [reached, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    spoil(() => ({ kind: "hold", after: 200_000, until: () => (reached.resolve(), release.promise) }));
    const callers = Array.from({ length: 10 }, () => new AbortController());
    const mounts = callers.map(async ({ signal }) => {
      await using lease = await content.lease();
      await using tree = await records.mount(id, { lease, signal });
      return readFileSync(join(tree.path, "c"), "utf8");
    });
    await reached.promise;
    for (const caller of callers.slice(0, 9)) caller.abort();
    const settled = Promise.allSettled(mounts);
    await Promise.allSettled(mounts.slice(0, 9));
    release.resolve();
    const outcomes = (await settled).map((each) => (each.status === "fulfilled" ? each.value : each.reason));
    assert.equal(outcomes[9], "c");
    assert.ok(outcomes.slice(0, 9).every((error) => isVarveError(error, "cancelled")));

    const second = await layer("d", 300_000, 10);
    const other = records.addChain([second], fixture.hold.lease);
    const [begun, never] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    spoil(() => ({ kind: "hold", after: 200_000, until: () => (begun.resolve(), never.promise) }));
    const last = new AbortController();
    const mounted = records.mount(other, { ...fixture.hold, signal: last.signal });
    const failed = assert.rejects(mounted, (error) => isVarveError(error, "cancelled"));
    await begun.promise;
    const file = ingestFile(fixture.root, second.digest);
    while (!existsSync(file) || statSync(file).size < 100_000) await sleep(5);
    last.abort();
    await failed;
    const requests = spoil(() => undefined);
    assert.deepEqual(await names(fixture, other), ["d", "d-large"]);
    assert.equal(requests().length, 1);
    assert.ok(Number(/=(\d+)-/.exec(requests()[0]?.headers.range ?? "")?.[1]) >= 100_000);
    never.resolve();
  });

  test("a layer that another process downloads is awaited, and unpacked from the store", async () => {
    await using directory = await temporaryDirectory();
    const from = await layer("p", 300_000, 11);
    const [reached, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const requests = spoil(() => ({ kind: "hold", after: 200_000, until: () => (reached.resolve(), release.promise) }));
    const child = startMount(directory.path, proxy.host, from);
    const closed = once(child, "close");
    await reached.promise;
    await using fixture = await fixtureAt(directory.path);
    const busy = new Promise<void>((resolve) => {
      const ingest = fixture.content.ingest.bind(fixture.content);
      fixture.content.ingest = async (...args) => {
        try {
          return await ingest(...args);
        } catch (error) {
          resolve();
          throw error;
        }
      };
    });
    const mounted = names(fixture, fixture.records.addChain([from], fixture.hold.lease));
    await busy;
    release.resolve();
    assert.deepEqual(await mounted, ["p", "p-large"]);
    assert.equal(requests().length, 1);
    await closed;
    assert.equal(child.exitCode, 0);
  });
});

/** Resolves when a file of this name exists below a directory. */
async function fileThere(directory: string, name: string): Promise<void> {
  const isThere = (): boolean =>
    readdirSync(directory, { recursive: true, encoding: "utf8" }).some((path) => basename(path) === name);
  while (!isThere()) await sleep(5);
}
