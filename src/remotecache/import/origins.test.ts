import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import {
  type Descriptor,
  type Digest,
  Limits,
  MediaType,
  digestHex,
  digestOf,
  parseReference,
} from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import { ANONYMOUS, Registry } from "../../registry/index.ts";
import {
  type CacheBlobs,
  blobOf,
  cacheDocuments,
  layerNamed,
  resultNamed,
  writeDocuments,
} from "../../../testing/cache-documents.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../../testing/registry-server.ts";
import { CacheGraph } from "../document/graph.ts";
import { INLINE_FIELD } from "../document/inline.ts";
import { readCache } from "./read-cache.ts";
import { layoutOrigin } from "./layout-origin.ts";
import { registryOrigin } from "./registry-origin.ts";

function graphNamed(name: string): CacheGraph {
  const graph = new CacheGraph();
  const root = graph.add(digestOf("root"), []);
  graph.add(digestOf("step"), [[{ selector: "", node: root }]], [resultNamed(5, "base", name)]);
  return graph;
}

/** The blobs of the one result there is, with where they are to be had. */
function found(graphs: readonly CacheGraph[]): string[] {
  return graphs.flatMap((graph) =>
    [...graph.nodes()].flatMap(({ results }) =>
      results.flatMap(({ layers }) => layers.map(({ digest, sources }) => `${digest} ${sources.join()}`)),
    ),
  );
}

const expected = (source: string, name: string): string[] => ["base", name].map((one) => `${digestOf(one)} ${source}`);

/** An image whose config has a cache with a result of its one layer. */
function imageNamed(name: string): CacheBlobs {
  const records = Buffer.from(JSON.stringify([{ digest: digestOf("root"), layers: [{ layer: 0 }] }])).toString(
    "base64",
  );
  const config = Buffer.from(
    JSON.stringify({
      architecture: name,
      os: "linux",
      rootfs: { type: "layers", diff_ids: [digestOf(name)] },
      history: [],
      [INLINE_FIELD]: records,
    }),
  );
  const { annotations: _none, ...layer } = layerNamed(name);
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: blobOf(config, MediaType.ociConfig),
    layers: [layer],
  };
  return asTop(document, new Map([[digestOf(config), config]]));
}

function asTop(document: { readonly mediaType: string }, blobs: ReadonlyMap<Digest, Buffer>): CacheBlobs {
  const bytes = Buffer.from(JSON.stringify(document));
  const top = blobOf(bytes, document.mediaType);
  return { top, blobs: new Map([...blobs, [top.digest, bytes]]) };
}

function indexOf(...images: readonly CacheBlobs[]): CacheBlobs {
  const manifests = images.map(({ top }) => top);
  const blobs = new Map(images.flatMap((image) => [...image.blobs]));
  return asTop({ mediaType: MediaType.ociIndex, schemaVersion: 2, manifests } as { mediaType: string }, blobs);
}

const missing = registryMissing();

suite("from a real registry", { skip: missing ?? false }, () => {
  let server: RegistryServer;
  let registry: Registry;

  before(async () => {
    server = await startRegistry();
    registry = new Registry({ credentials: () => Promise.resolve(ANONYMOUS), env: {} });
  });
  after(async () => {
    registry[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Pushes documents, the layers they name, and gives the top a tag. */
  async function push(
    tag: string,
    { top, blobs }: CacheBlobs,
    layers: readonly string[],
  ): Promise<ReturnType<typeof registryOrigin>> {
    const reference = parseReference(`${server.host}/cache/test:${tag}`);
    const named = layers.map((name): [Digest, Buffer] => [digestOf(name), Buffer.from(name)]);
    const isManifest = (bytes: Buffer): boolean => bytes.includes('"schemaVersion":2');
    for (const [digest, bytes] of [...blobs, ...named])
      if (!isManifest(bytes))
        await registry
          .pushBlob(reference, blobOf(bytes, "application/octet-stream"), () => bytesOf(bytes))
          .then(() => digest);
    const { tag: _tag, ...untagged } = reference;
    for (const [digest, bytes] of blobs)
      if (isManifest(bytes))
        await registry.pushManifest(digest === top.digest ? reference : untagged, typed(bytes), bytes);
    return registryOrigin(registry, reference);
  }

  const typed = (bytes: Buffer): Descriptor =>
    blobOf(bytes, (JSON.parse(bytes.toString()) as { mediaType: string }).mediaType);

  for (const form of ["manifest", "oci-index", "docker-list"] as const)
    test(`a cache comes back as it was written, as a ${form}`, async () => {
      const graph = graphNamed(form);
      const origin = await push(form, cacheDocuments(graph, form), ["base", form]);
      assert.equal(origin.source, `${server.host}/cache/test`);
      assert.deepEqual(found(await readCache(origin)), expected(origin.source, form));
    });

  test("the caches in all images of an index are found; one whose config is gone costs its own only", async () => {
    const [one, two] = [imageNamed("one"), imageNamed("two")];
    const index = indexOf(one, two);
    const origin = await push("index", index, ["one", "two"]);
    assert.deepEqual(found(await readCache(origin)), [
      `${digestOf("one")} ${origin.source}`,
      `${digestOf("two")} ${origin.source}`,
    ]);
    const lost = [...one.blobs.keys()].find((digest) => digest !== one.top.digest) as Digest;
    await registry.deleteBlob(parseReference(`${server.host}/cache/test`), lost);
    const warnings: string[] = [];
    const left = await readCache(origin, { onWarning: (message) => warnings.push(message) });
    assert.deepEqual(found(left), [`${digestOf("two")} ${origin.source}`]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", new RegExp(one.top.digest));
  });

  test("what is not there is not found, and a cancelled import is cancelled", async () => {
    const origin = registryOrigin(registry, parseReference(`${server.host}/cache/none:none`));
    await assert.rejects(readCache(origin), { code: "not-found" });
    await assert.rejects(readCache(origin, { signal: AbortSignal.abort() }), { code: "cancelled" });
  });
});

suite("from an OCI layout", () => {
  let directory: string;
  before(async () => void (directory = await mkdtemp(join(tmpdir(), "varve-layout-"))));
  after(() => rm(directory, { recursive: true }));

  const tagged = (top: Descriptor, tag: string, annotation = "org.opencontainers.image.ref.name"): Descriptor => ({
    ...top,
    annotations: { [annotation]: tag },
  });

  /** A layout of its own. */
  async function layout(caches: readonly CacheBlobs[], entries: readonly Descriptor[]): Promise<string> {
    const own = await mkdtemp(join(directory, "layout-"));
    await writeDocuments(own, new Map(caches.flatMap(({ blobs }) => [...blobs])), entries);
    return own;
  }

  test("the tag is looked for among the names of images first, then among those of references; the first entry counts", async () => {
    const caches = ["a", "b", "c", "d"].map((name) => cacheDocuments(graphNamed(name)));
    const [a, b, c, d] = caches.map(({ top }) => top) as [Descriptor, Descriptor, Descriptor, Descriptor];
    const entries = [
      tagged(a, "latest"),
      tagged(b, "t"),
      tagged(c, "t", "io.containerd.image.name"),
      tagged(d, "t", "io.containerd.image.name"),
    ];
    const own = await layout(caches, entries);
    const source = `layout:${own}`;
    const names = async (place: Parameters<typeof layoutOrigin>[1]): Promise<string[]> =>
      found(await readCache(layoutOrigin(own, place)));
    assert.deepEqual(await names({}), expected(source, "a"));
    assert.deepEqual(await names({ tag: "" }), expected(source, "a"));
    assert.deepEqual(await names({ tag: "t" }), expected(source, "c"));
    assert.deepEqual(await names({ tag: "t", digest: b.digest }), expected(source, "b"));
    await assert.rejects(names({ tag: "none" }), { code: "not-found" });
    await assert.rejects(names({ digest: digestOf("none") }), { code: "not-found" });
    await assert.rejects(readCache(layoutOrigin(join(own, "none"))), { code: "not-found" });
  });

  test("bytes that are not what their digest says, and documents larger than they may be, are refused", async () => {
    const cache = cacheDocuments(graphNamed("a"));
    const own = await layout([cache], [tagged(cache.top, "latest")]);
    const path = (digest: Digest): string => join(own, "blobs/sha256", digestHex(digest));
    const [config] = [...cache.blobs.keys()] as [Digest];
    const bytes = cache.blobs.get(config) as Buffer;
    for (const other of [Buffer.from(bytes).fill(0x20, 0, 1), bytes.subarray(1), Buffer.concat([bytes, bytes])]) {
      await writeFile(path(config), other);
      await assert.rejects(readCache(layoutOrigin(own)), /Cannot read/);
    }
    await writeFile(path(cache.top.digest), "{}");
    await assert.rejects(readCache(layoutOrigin(own, { digest: cache.top.digest })), { code: "corrupt" });
    await writeFile(
      join(own, "index.json"),
      JSON.stringify({ manifests: [tagged({ ...cache.top, size: Limits.manifest + 1 }, "latest")] }),
    );
    await assert.rejects(readCache(layoutOrigin(own)), { code: "limit-exceeded" });
    await writeFile(join(own, "index.json"), Buffer.alloc(Limits.manifest + 1, " "));
    await assert.rejects(readCache(layoutOrigin(own)), { code: "limit-exceeded" });
  });

  test("no link leads out of a layout, and nothing but regular files is read", async () => {
    const cache = cacheDocuments(graphNamed("a"));
    const outside = await layout([cache], [tagged(cache.top, "latest")]);
    const own = await layout([cache], [tagged(cache.top, "latest")]);
    await rename(join(own, "blobs"), join(own, "kept"));
    await symlink(join(outside, "blobs"), join(own, "blobs"));
    await assert.rejects(readCache(layoutOrigin(own)), { code: "not-found" }, "a folder outside");
    await unlink(join(own, "blobs"));
    await symlink("kept", join(own, "blobs"));
    await readCache(layoutOrigin(own));
    await unlink(join(own, "index.json"));
    await symlink(join(outside, "index.json"), join(own, "index.json"));
    await assert.rejects(readCache(layoutOrigin(own)), { code: "corrupt" }, "a file outside");
    await unlink(join(own, "index.json"));
    await mkdir(join(own, "index.json"));
    await assert.rejects(readCache(layoutOrigin(own)), { code: "corrupt" }, "a folder");
  });

  test("indexes within indexes and images without number are bounded; an index of itself is read once", async () => {
    let nested = indexOf(imageNamed("deep"));
    for (let depth = 0; depth < 12; depth += 1) nested = indexOf(nested);
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    assert.deepEqual(
      await readCache(layoutOrigin(await layout([nested], [tagged(nested.top, "latest")])), { onWarning }),
      [],
    );
    assert.match(warnings.join(), /more than 8 levels/);
    const many = indexOf(...Array.from({ length: 300 }, (_, at) => imageNamed(`image ${at}`)));
    await assert.rejects(readCache(layoutOrigin(await layout([many], [tagged(many.top, "latest")]))), {
      code: "limit-exceeded",
    });
  });

  test("a cache in an image is found with the image's layers, and an image without one has none", async () => {
    const image = imageNamed("one");
    const own = await layout([image], [tagged(image.top, "latest")]);
    assert.deepEqual(found(await readCache(layoutOrigin(own))), [`${digestOf("one")} layout:${own}`]);
    const bare = asTop({ mediaType: MediaType.ociManifest, layers: [] } as { mediaType: string }, new Map());
    assert.deepEqual(await readCache(layoutOrigin(await layout([bare], [tagged(bare.top, "latest")]))), []);
  });
});
