import { digestOf, formatGoTime } from "../../core/index.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type ImageConfig, readImageConfig, readManifest } from "../../image/index.ts";
import { layerNamed, resultNamed } from "../../../testing/cache-documents.ts";
import { CacheGraph } from "./graph.ts";
import { INLINE_FIELD, inlineGraph, inlineRecords } from "./inline.ts";

const FIXTURES = new URL("../../../testing/fixtures/remotecache/manifests/", import.meta.url);
const read = (name: string): Buffer => readFileSync(new URL(name, FIXTURES));
const manifest = readManifest(read("c-inline-manifest.json"));
const config = readImageConfig(read("c-inline-imageconfig.json"));
const recordsIn = (value: unknown): unknown => JSON.parse(Buffer.from(String(value), "base64").toString());

function withRecords(records: unknown, changes: Partial<ImageConfig> = {}): ImageConfig {
  const text = typeof records === "string" ? records : Buffer.from(JSON.stringify(records)).toString("base64");
  return { ...config, ...changes, unknown: new Map([[INLINE_FIELD, text]]) };
}

/** Names of blobs by record digest and result. */
function results(graph: CacheGraph | undefined): Map<string, string[]> {
  const blob = new Map(manifest.layers.map(({ digest }, at) => [digest, String(at)]));
  return new Map(
    [...(graph?.nodes() ?? [])].map((node) => [
      node.digest,
      node.results.map(({ layers }) => layers.map(({ digest }) => blob.get(digest)).join()),
    ]),
  );
}

test("an image of BuildKit: its cache's layers are those of its manifest, chains are taken as listed", () => {
  const graph = inlineGraph(manifest, config, { source: "host/repo" });
  const found = results(graph);
  assert.equal(found.size, 5);
  assert.deepEqual(found.get("sha256:3cb5ce61f2487bdbc953b20e2cdf03eaded983cfe576be4e5cf7e4a41a0ea9d"), undefined);
  assert.deepEqual([...found.values()].flat().sort(), ["0", "0,1", "1"]);
  const [first] = [...(graph?.nodes() ?? [])].flatMap((node) => node.results.flatMap(({ layers }) => layers));
  assert.deepEqual(first?.sources, ["host/repo"]);
  const layers = [...(graph?.nodes() ?? [])]
    .flatMap((node) => node.results)
    .find((one) => one.layers.length === 2)?.layers;
  assert.deepEqual(
    layers?.map(({ diffId }) => diffId),
    config.rootfs.diff_ids,
  );
  assert.deepEqual(
    layers?.map(({ description }) => description),
    config.history.map((entry) => entry.created_by),
  );
  assert.equal(layers?.[0]?.createdAt, Date.parse("2026-11-20T19:50:31.984Z") + 0.821968);
});

test("its cache is written again as BuildKit wrote it", () => {
  const graph = inlineGraph(manifest, config);
  assert.ok(graph !== undefined);
  const written = recordsIn(inlineRecords(graph, manifest.layers));
  assert.deepEqual(written, recordsIn(config.unknown?.get(INLINE_FIELD)));
  assert.equal(JSON.stringify(written), JSON.stringify(recordsIn(config.unknown?.get(INLINE_FIELD))));
});

test("results that are not made of the image's layers are left out; their records are not", () => {
  const graph = new CacheGraph();
  const root = graph.add("root", []);
  const step = (name: string, ...made: Parameters<typeof resultNamed>[]) =>
    graph.add(
      name,
      [[{ selector: "", node: root }]],
      made.map((one) => resultNamed(...one)),
    );
  step("1", [5, "a"], [4, "a", "b", "c"], [9, "x"]);
  step("2", [6, "b"], [7, "c", "a"], [8, "a", "x"]);
  step("3", [1, "x"]);
  const layers = ["a", "b", "c"].map((name) => layerNamed(name));
  const inputs = [[{ link: 3 }]];
  const at = (ms: number): string => formatGoTime(BigInt(ms) * 1_000_000n);
  assert.deepEqual(recordsIn(inlineRecords(graph, layers)), [
    {
      layers: [
        { layer: 0, createdAt: at(5) },
        { layer: 2, createdAt: at(4) },
      ],
      digest: "1",
      inputs,
    },
    {
      chains: [
        { layers: [2, 0], createdAt: at(7) },
        { layers: [1], createdAt: at(6) },
      ],
      digest: "2",
      inputs,
    },
    { digest: "3", inputs },
    { digest: "root" },
  ]);
  assert.equal(inlineRecords(graph, [layerNamed("y")]), undefined);
});

test("a layer is the image's too if it holds the same files, compressed otherwise", () => {
  const graph = new CacheGraph();
  graph.add("root", [], [resultNamed(5, "a", "b")]);
  const diffIds = ["a", "b"].map((name) => digestOf(`diff of ${name}`));
  for (const layers of [
    diffIds.map((digest) => ({ digest })),
    diffIds.map((diffId) => ({ digest: digestOf(`zstd ${diffId}`), diffId })),
  ])
    assert.match(JSON.stringify(recordsIn(inlineRecords(graph, layers))), /"layers":\[\{"layer":1,/);
});

test("histories with fewer, more and empty entries say what they can", () => {
  const records = [{ digest: "d", layers: [{ layer: 1 }] }];
  const entry = (by: string, empty = false) => ({
    created_by: by,
    created: "nonsense",
    ...(empty && { empty_layer: true }),
  });
  for (const [history, descriptions] of [
    [[], [undefined, undefined]],
    [[entry("one")], ["one", undefined]],
    [
      [entry("skip", true), entry("one"), entry("skip", true), entry("two"), entry("three")],
      ["one", "two"],
    ],
  ] as const) {
    const graph = inlineGraph(manifest, withRecords(records, { history }));
    const [node] = [...(graph?.nodes() ?? [])];
    const found = node?.results[0]?.layers.map(({ description, digest }) =>
      description === `imported ${digest}` ? undefined : description,
    );
    assert.deepEqual(found, descriptions);
    assert.equal(node?.results[0]?.layers[0]?.createdAt, undefined);
  }
});

test("an image whose layers and diffIDs differ in number has no cache, which is told", () => {
  const warnings: string[] = [];
  const odd = withRecords([], { rootfs: { type: "layers", diff_ids: config.rootfs.diff_ids.slice(1) } });
  assert.equal(inlineGraph(manifest, odd, { onWarning: (message) => warnings.push(message) }), undefined);
  assert.match(warnings.join(), /2 layers and 1 diffIDs/);
});

test("an image without a cache has none; one that is malformed is refused", () => {
  const { unknown: _none, ...bare } = config;
  assert.equal(inlineGraph(manifest, bare), undefined);
  assert.equal(inlineGraph({ layers: [] }, config), undefined);
  assert.equal(inlineGraph(manifest, { ...config, unknown: new Map([[INLINE_FIELD, null]]) }), undefined);
  for (const bad of ["***", "abc", Buffer.from("{").toString("base64"), Buffer.from('{"a":1}').toString("base64")])
    assert.throws(() => inlineGraph(manifest, withRecords(bad)), { code: "corrupt" }, bad);
  assert.throws(() => inlineGraph(manifest, { ...config, unknown: new Map([[INLINE_FIELD, 5]]) }), { code: "corrupt" });
  assert.throws(() => inlineGraph(manifest, withRecords([{ layers: [{ layer: 2 }] }])), /invalid layer index 2/);
});
