import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Digest, MediaType, type Reference, digestOf, isVarveError, parseReference } from "../../core/index.ts";
import { bytesOf, collect } from "../../io/index.ts";
import { ANONYMOUS, Registry } from "../../registry/index.ts";
import { startFaultProxy } from "../../../testing/fault-proxy.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { chainExport, largeExport, toyHold, toyLayer, toySource } from "../../../testing/toy-exports.ts";
import {
  type CacheGraph,
  type ExportedGraph,
  type RegistryTargetOptions,
  pruneRegistryTarget,
  registryTarget,
} from "../index.ts";
import { type CacheContents, layersOfGraph } from "./scopes.ts";
import { existingInRegistry } from "./registry-document.ts";

const client = (): Registry => new Registry({ credentials: () => Promise.resolve(ANONYMOUS), env: {} });

const digestsOf = (graph: CacheGraph): Set<string> => new Set([...graph.nodes()].map(({ digest }) => digest));

suite("a cache in a real registry", { skip: registryMissing() ?? false }, () => {
  let server: RegistryServer;
  let registry: Registry;
  before(async () => {
    server = await startRegistry();
    registry = client();
  });
  after(async () => {
    registry[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const named = (name: string, host: string = server.host): Reference => parseReference(`${host}/${name}:cache`);

  interface Place {
    readonly host?: string;
    readonly lost?: ReadonlySet<Digest>;
    readonly options?: Partial<RegistryTargetOptions>;
  }

  async function write(name: string, exported: ExportedGraph, scope: string, { host, lost, options }: Place = {}) {
    const warnings: string[] = [];
    const { asked, source } = toySource(lost);
    const descriptor = await registryTarget({
      registry,
      reference: named(name, host),
      form: "manifest",
      source,
      reset: false,
      warn: (message) => void warnings.push(message),
      ...options,
    }).write(exported, scope, toyHold);
    return { descriptor, warnings, asked };
  }

  async function read(name: string): Promise<CacheContents> {
    const { contents } = await existingInRegistry({ registry, reference: named(name) }, assert.fail, {});
    assert.ok(contents);
    return contents;
  }

  test("what was written is read back, with every blob, in each container form", async () => {
    for (const form of ["manifest", "oci-index", "docker-list"] as const) {
      const exported = chainExport("base", ["one", "two"]);
      const { descriptor, warnings } = await write(form, exported, "a", { options: { form } });
      assert.deepEqual(warnings, []);
      const existing = await registry.manifest(named(form));
      assert.deepEqual(descriptor, existing.descriptor);
      const { graph, generations } = await read(form);
      assert.deepEqual(digestsOf(graph), digestsOf(exported.graph));
      assert.deepEqual(
        generations.map(({ scope, tops }) => [scope, tops.map(({ digest }) => digest)]),
        [["a", [digestOf("step two")]]],
      );
      for (const digest of layersOfGraph(graph).keys()) assert.ok(await registry.hasBlob(named(form), digest));
    }
  });

  test("the same export again puts nothing and reads no layer", async () => {
    await using proxy = await startFaultProxy({ upstream: server.host });
    const first = await write("again", chainExport("base", ["one", "two"]), "a", { host: proxy.host });
    const seen = proxy.requests.length;
    const second = await write("again", chainExport("base", ["one", "two"]), "a", { host: proxy.host });
    assert.deepEqual(second, { descriptor: first.descriptor, warnings: [], asked: [] });
    assert.deepEqual([...new Set(proxy.requests.slice(seen).map(({ method }) => method))], ["GET"]);
  });

  test("where nothing but the same export stands, its manifest alone is read", async () => {
    const exported = chainExport("base", ["one"]);
    const { descriptor } = await write("stands", exported, "a");
    await using proxy = await startFaultProxy({ upstream: server.host });
    assert.deepEqual((await write("stands", exported, "a", { host: proxy.host })).descriptor, descriptor);
    // The first finds out what the registry speaks.
    assert.deepEqual(
      proxy.requests.map(({ method, url }) => [method, url]),
      [
        ["GET", "/v2/"],
        ["GET", "/v2/stands/manifests/cache"],
      ],
    );
  });

  test("the last look at what was written reads nothing but the tag's digest", async () => {
    await using proxy = await startFaultProxy({ upstream: server.host });
    await write("looked-at", chainExport("base", ["one"]), "a", { host: proxy.host });
    const put = proxy.requests.findIndex(({ method, url }) => method === "PUT" && url.includes("/manifests/"));
    assert.deepEqual(
      proxy.requests.slice(put + 1).map(({ method, url }) => [method, url]),
      [["HEAD", "/v2/looked-at/manifests/cache"]],
    );
  });

  test("an export into another repository gives the same digest", async () => {
    const digests: unknown[] = [];
    for (const name of ["twin/a", "twin/b"])
      digests.push((await write(name, chainExport("base", ["one", "two"]), "a")).descriptor?.digest);
    assert.equal(digests[0], digests[1]);
  });

  test("an export that was broken off goes on with the blobs that are missing", async () => {
    await using proxy = await startFaultProxy({
      upstream: server.host,
      fault: ({ method, url }) =>
        method === "PUT" && url.includes("/manifests/") ? { kind: "status", status: 403 } : undefined,
    });
    const exported = chainExport("resumed", ["one", "two", "three"]);
    await assert.rejects(write("resumed", exported, "a", { host: proxy.host }), (error) => isVarveError(error));
    const { asked, descriptor } = await write("resumed", exported, "a");
    assert.deepEqual(asked, []);
    assert.ok(descriptor);
  });

  test("a manifest that the registry got wrong is put again, a few times", async () => {
    const body = JSON.stringify({ errors: [{ code: "DIGEST_INVALID", message: "did not match" }] });
    let wrong = 2;
    const headers = { "content-type": "application/json" };
    await using proxy = await startFaultProxy({
      upstream: server.host,
      fault: ({ method, url }) => {
        if (method !== "PUT" || !url.includes("/manifests/") || wrong === 0) return undefined;
        wrong -= 1;
        return { kind: "status", status: 400, headers, body };
      },
    });
    assert.ok((await write("garbled", chainExport("base", ["one"]), "a", { host: proxy.host })).descriptor);
    wrong = 100;
    const again = write("garbled", chainExport("base", ["two"]), "a", { host: proxy.host });
    await assert.rejects(again, (error) => isVarveError(error, "remote"));
    assert.equal(wrong, 94);
  });

  test("two generations of a scope are kept, and every other scope", async () => {
    await write("generations", chainExport("base", ["other"]), "other");
    for (const step of ["one", "two", "three"]) await write("generations", chainExport("base", [step]), "mine");
    const { graph, generations } = await read("generations");
    assert.deepEqual(
      generations.map(({ scope, tops }) => [scope, tops[0]?.digest]),
      [
        ["mine", digestOf("step three")],
        ["mine", digestOf("step two")],
        ["other", digestOf("step other")],
      ],
    );
    assert.ok(!digestsOf(graph).has(digestOf("step one")));
    await write("generations", chainExport("base", ["four"]), "mine", { options: { reset: true } });
    assert.deepEqual(
      (await read("generations")).generations.map(({ scope }) => scope),
      ["mine"],
    );
  });

  test("twenty writers at once lose nothing", { timeout: 120_000 }, async () => {
    const scopes = Array.from({ length: 20 }, (_, index) => `scope ${index}`);
    await Promise.all(
      scopes.map(async (scope) => {
        using own = client();
        await write("shared", chainExport("base", ["common", scope]), scope, { options: { registry: own } });
      }),
    );
    const { graph, generations } = await read("shared");
    assert.deepEqual(generations.map(({ scope }) => scope).sort(), scopes.toSorted());
    for (const scope of scopes) assert.ok(digestsOf(graph).has(digestOf(`step ${scope}`)), scope);
    assert.equal(graph.size, 22);
  });

  test("twenty writers of one scope all come to an end", { timeout: 120_000 }, async () => {
    const steps = Array.from({ length: 20 }, (_, index) => `step ${index}`);
    await Promise.all(steps.map((step) => write("contended", chainExport("base", [step]), "mine")));
    assert.equal((await read("contended")).generations.length, 2);
  });

  test("a layer that can be had nowhere costs the results that need it, with one warning", async () => {
    const exported = chainExport("gone", ["one", "two"]);
    const lost = new Set([toyLayer("gone two").digest]);
    const { warnings } = await write("gone", exported, "a", { lost });
    assert.equal(warnings.length, 1);
    const { graph } = await read("gone");
    assert.deepEqual(
      [...graph.nodes()].map(({ digest, results }) => [digest, results.length]),
      [
        [digestOf("root gone"), 0],
        [digestOf("step one"), 1],
        [digestOf("step two"), 0],
      ],
    );
    const nothing = new Set(["one", "two"].map((step) => toyLayer(`nowhere ${step}`).digest));
    const none = await write("nowhere", chainExport("nowhere", ["one", "two"]), "a", { lost: nothing });
    assert.equal(none.descriptor, undefined);
  });

  test("blobs that the registry has lost cost others' results, not the export", async () => {
    await write("holes", chainExport("base", ["theirs"]), "theirs");
    await registry.deleteBlob(named("holes"), toyLayer("base theirs").digest);
    const { warnings } = await write("holes", chainExport("base", ["mine"]), "mine");
    assert.equal(warnings.length, 1);
    const { graph, generations } = await read("holes");
    assert.deepEqual(
      generations.map(({ scope }) => scope),
      ["mine", "theirs"],
    );
    const results = [...graph.nodes()].map(({ digest, results: all }) => [digest, all.length] as const);
    assert.equal(new Map(results).get(digestOf("step theirs")), 0);
    assert.equal(new Map(results).get(digestOf("step mine")), 1);
  });

  test("layers that another repository of the registry has are mounted", async () => {
    const exported = chainExport("mounted", ["one"]);
    await write("mount/from", exported, "a");
    const sources = [`${server.host}/mount/from`];
    const [layer] = layersOfGraph(exported.graph).values();
    assert.ok(layer);
    const graph = chainExport("mounted", []).graph;
    const [root] = graph.nodes();
    assert.ok(root);
    const result = { layers: [{ ...layer, sources }], createdAt: 1n };
    const tops = [graph.add(digestOf("step one"), [[{ selector: "", node: root }]], [result])];
    const { asked } = await write("mount/to", { graph, tops }, "a");
    assert.deepEqual(asked, []);
  });

  test("what stands there and is no cache is replaced, with a warning", async () => {
    const config = Buffer.from("{}");
    const descriptor = { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.byteLength };
    await registry.pushBlob(named("image"), descriptor, () => bytesOf(config));
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config: descriptor, layers: [] }),
    );
    const top = { mediaType: MediaType.ociManifest, digest: digestOf(manifest), size: manifest.byteLength };
    await registry.pushManifest(named("image"), top, manifest);
    const { warnings } = await write("image", chainExport("base", ["one"]), "a");
    assert.match(warnings.join(), /is an image: the cache replaces it/);
    assert.equal((await read("image")).graph.size, 2);
  });

  test("a document past what BuildKit reads loses superseded generations first, then is told of", async () => {
    const { warnings } = await write("large", largeExport("old", 600), "a");
    assert.deepEqual(warnings, []);
    await write("large", largeExport("newer", 600), "a");
    const { generations } = await read("large");
    assert.deepEqual(
      generations.map(({ tops }) => tops[0]?.digest),
      [digestOf("step newer")],
    );
    const more = await write("large", largeExport("other", 600), "b");
    assert.equal(more.warnings.length, 1);
    assert.deepEqual(
      (await read("large")).generations.map(({ scope }) => scope),
      ["a", "b"],
    );
    const bytes = await collect(registry.blob(named("large"), toyLayer("other")), 1e6, { what: "blob" });
    assert.ok(bytes.byteLength > 0);
  });

  test("pruning keeps what other tags need", async () => {
    for (const step of ["one", "two"]) await write("pruned", chainExport("base", [step]), "a");
    const existing = await registry.manifest(named("pruned"));
    const other = { ...named("pruned"), tag: "other" };
    const place = { registry, reference: named("pruned") };
    await registry.pushManifest(other, existing.descriptor, existing.bytes);
    assert.deepEqual(await pruneRegistryTarget(place, { deleteBlobs: true }), {
      generations: 1,
      records: 1,
      blobs: 0,
      bytes: 0,
    });
    assert.equal((await registry.resolve(other)).digest, existing.descriptor.digest);
    await write("pruned", chainExport("base", ["three"]), "a");
    await registry.deleteManifest({ ...other, digest: existing.descriptor.digest });
    assert.deepEqual(await pruneRegistryTarget(place, { deleteBlobs: true }), {
      generations: 1,
      records: 1,
      blobs: 1,
      bytes: toyLayer("base two").size,
    });
    assert.equal(await registry.hasBlob(named("pruned"), toyLayer("base two").digest), false);
    assert.deepEqual((await read("pruned")).generations.length, 1);
    await pruneRegistryTarget(place, { scopes: [] });
    await assert.rejects(pruneRegistryTarget(place), (error) => isVarveError(error, "not-found"));
  });

  test("with gc, manifests and blobs go that nothing has needed for the grace period", async () => {
    const hour = 3_600_000;
    let now = Date.now();
    const options = { grace: 2 * hour, now: () => now };
    const reference = named("collected");
    const exported = (at: number): ExportedGraph => chainExport("base", ["same", `${at}`], 100);
    const [shared] = [...layersOfGraph(exported(0).graph).values()].slice(-1);
    const documents: { digest: Digest; blobs: Digest[] }[] = [];
    for (let at = 0; at < 12; at += 1) {
      now += hour;
      const { descriptor, warnings } = await write("collected", exported(at), "a", { options });
      assert.ok(descriptor);
      assert.deepEqual(warnings, []);
      const { graph, own = [] } = await read("collected");
      documents.push({ digest: descriptor.digest, blobs: [...layersOfGraph(graph).keys(), ...own] });
      if (at === 0) {
        // An image of the repository that has a layer of the cache.
        const { bytes } = await registry.manifest(reference);
        await registry.pushManifest({ ...reference, tag: "image" }, descriptor, bytes);
      }
      for (const { blobs } of documents.slice(-2))
        for (const digest of blobs) assert.ok(await registry.hasBlob(reference, digest), "a reader may need it");
    }
    const gone = async (digest: Digest): Promise<boolean> => !(await registry.hasBlob(reference, digest));
    const old = documents.slice(1, 8);
    const needed = new Set([documents[0], ...documents.slice(-2)].flatMap((one) => one?.blobs ?? []));
    for (const { digest, blobs } of old) {
      await assert.rejects(registry.manifest({ ...reference, tag: undefined, digest }), { code: "not-found" });
      for (const blob of blobs) assert.equal(await gone(blob), !needed.has(blob));
    }
    assert.ok(shared && !(await gone(shared.digest)), "a tag needs it");
    assert.equal((await registry.manifest({ ...reference, tag: "image" })).descriptor.digest, documents[0]?.digest);
  });
});
