import { type Descriptor, GO_ZERO_TIME, digestOf, parseGoTime } from "../../core/index.ts";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { type CacheConfig, encodeCacheConfig, parseCacheConfig } from "./config.ts";
import { encodeContainer, readContainer } from "./container.ts";
import { CacheGraph } from "./graph.ts";
import type { CacheNode } from "./graph-types.ts";
import { remoteLayer } from "./layer.ts";
import { graphOf, loadGraph } from "./read-graph.ts";
import { configOf } from "./write-graph.ts";

const FIXTURES = new URL("../../../testing/fixtures/", import.meta.url);
/** A document as BuildKit wrote it: the fixtures are laid out for readers, the originals are compact. */
const read = (name: string): Buffer =>
  Buffer.from(JSON.stringify(JSON.parse(readFileSync(new URL(name, FIXTURES), "utf8"))));
const parse = (text: string): CacheConfig => parseCacheConfig(Buffer.from(text));
const text = (config: CacheConfig): string => Buffer.from(encodeCacheConfig(config)).toString();

function described(name: string): Descriptor {
  const annotations = { "containerd.io/uncompressed": digestOf(`diff of ${name}`) };
  return { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf(name), size: 3, annotations };
}

function describeAll({ layers }: CacheConfig): Map<Descriptor["digest"], Descriptor> {
  const all = layers.map(({ blob }): Descriptor => ({ ...described("any"), digest: blob as Descriptor["digest"] }));
  return new Map(all.map((layer) => [layer.digest, layer]));
}

const configs = readdirSync(new URL("keys/cacheconfig/", FIXTURES)).sort();

test("there are configs of BuildKit to compare with", () => assert.ok(configs.length >= 5));

for (const name of configs)
  test(`BuildKit's config ${name} is read, and written again byte for byte, also by way of a graph`, () => {
    const bytes = read(`keys/cacheconfig/${name}`);
    const config = parseCacheConfig(bytes);
    assert.equal(text(config), bytes.toString());
    const graph = graphOf(config, describeAll(config));
    assert.equal(graph.size, config.records.length);
    assert.equal(text(configOf(graph).config), bytes.toString());
  });

test("BuildKit's containers are read, and written again byte for byte", () => {
  for (const [name, form] of [
    ["a-max-imagemanifest.json", "manifest"],
    ["a-min-registry.json", "manifest"],
    ["a-zstd-index.json", "oci-index"],
  ] as const) {
    const bytes = read(`remotecache/manifests/${name}`);
    const container = readContainer(bytes);
    assert.ok(container.kind === "cache");
    const { config, layers } = container;
    assert.equal(Buffer.from(encodeContainer(form, config, layers).bytes).toString(), bytes.toString());
  }
});

test("a cache of BuildKit with its manifest gives the manifest's layers, a blob under two parents twice", () => {
  const container = readContainer(read("remotecache/manifests/a-max-imagemanifest.json"));
  assert.ok(container.kind === "cache");
  const graph = graphOf(
    parseCacheConfig(read("keys/cacheconfig/a-max.json")),
    new Map(container.layers.map((layer) => [layer.digest, layer])),
  );
  const { layers } = configOf(graph);
  assert.deepEqual(layers, container.layers);
  assert.equal(digestOf(encodeCacheConfig(configOf(graph).config)), container.config.digest);
  assert.equal(new Set(layers.map(({ digest }) => digest)).size, layers.length - 1);
});

test("a Docker list has Docker's layer types and the config's own; its layers are OCI's again once read into a graph", () => {
  const config = { mediaType: "application/vnd.buildkit.cacheconfig.v0", digest: digestOf("c"), size: 1 };
  const { bytes, mediaType } = encodeContainer("docker-list", config, [described("a")]);
  assert.equal(mediaType, "application/vnd.docker.distribution.manifest.list.v2+json");
  const container = readContainer(bytes);
  assert.ok(container.kind === "cache");
  assert.deepEqual(container.config, config);
  assert.equal(container.layers[0]?.mediaType, "application/vnd.docker.image.rootfs.diff.tar.gzip");
  const document = parse(`{"layers":[{"blob":"${digestOf("a")}","parent":-1}],"records":[{"layers":[{}]}]}`);
  const graph = graphOf(document, new Map(container.layers.map((layer) => [layer.digest, layer])));
  assert.equal(configOf(graph).layers[0]?.mediaType, "application/vnd.oci.image.layer.v1.tar+gzip");
});

test("the config may stand anywhere in an index, and the last one counts", () => {
  const config = { mediaType: "application/vnd.buildkit.cacheconfig.v0", digest: digestOf("c"), size: 1 };
  const manifests = [{ ...config, digest: digestOf("old") }, described("a"), config, described("b")];
  const container = readContainer(Buffer.from(JSON.stringify({ manifests })));
  assert.ok(container.kind === "cache");
  assert.equal(container.config.digest, config.digest);
  assert.deepEqual(container.layers, [described("a"), described("b")]);
});

test("names of fields match whatever their case, nulls are empty, and what is not said is zero", () => {
  const config = parse(
    '{"LAYERS":[{"Blob":"b","PARENT":-1},{"parent":null},null],"recordſ":[{"Layers":[{"LAYER":1,"createdat":"2020-01-02T03:04:05.600000007+01:00"},{}],' +
      '"chains":null,"inputs":[[{"linK":0},null],null],"unknown":[[[1]]]},null],"other":{}}',
  );
  assert.deepEqual(config.layers, [
    { blob: "b", parent: -1 },
    { blob: "", parent: 0 },
    { blob: "", parent: 0 },
  ]);
  const [first, second] = config.records;
  assert.deepEqual(first?.results, [
    { layer: 1, createdAt: parseGoTime("2020-01-02T02:04:05.600000007Z") },
    { layer: 0, createdAt: GO_ZERO_TIME },
  ]);
  assert.deepEqual(first?.inputs, [
    [
      { selector: "", link: 0 },
      { selector: "", link: 0 },
    ],
    [],
  ]);
  assert.deepEqual(second, { results: [], chains: [], digest: "", inputs: [] });
  assert.deepEqual(parse("null"), { layers: [], records: [], scopes: [], names: [] });
});

test("what is no config is refused", () => {
  for (const bad of [
    "",
    "{",
    "{} x",
    "[]",
    "1",
    "\ufeff{}",
    '{"layers":{}}',
    '{"records":[1]}',
    '{"records":[{"digest":1}]}',
    '{"layers":[{"parent":1.5}]}',
    '{"layers":[{"parent":"1"}]}',
    '{"layers":[{"parent":1e300}]}',
    '{"records":[{"layers":[{"createdAt":"xx"}]}]}',
    '{"records":[{"layers":[{"createdAt":"2021-02-30T00:00:00Z"}]}]}',
    '{"records":[{"layers":[{"createdAt":"2020-01-01 00:00:00Z"}]}]}',
    '{"records":[{"layers":[{"createdAt":"9999-12-31T23:59:59-01:00"}]}]}',
    '{"records":[{"layers":[{"createdAt":5}]}]}',
  ])
    assert.throws(() => parse(bad), { code: "corrupt" }, bad);
});

test("a config is written as Go does: zeros left out, times trimmed, HTML escaped", () => {
  const config: CacheConfig = {
    layers: [
      { blob: "a", parent: -1 },
      { blob: "<b>", parent: 0 },
    ],
    records: [
      {
        digest: "",
        results: [{ layer: 0, createdAt: GO_ZERO_TIME }],
        chains: [{ layers: [1, 0], createdAt: 1_500_000_000n }],
        inputs: [[{ selector: "", link: 0 }]],
      },
    ],
    scopes: [],
    names: [],
  };
  assert.equal(
    text(config),
    String.raw`{"layers":[{"blob":"a","parent":-1},{"blob":"\u003cb\u003e"}],"records":[{"layers":[{"layer":0,"createdAt":"0001-01-01T00:00:00Z"}],"chains":[{"layers":[1,0],"createdAt":"1970-01-01T00:00:01.5Z"}],"inputs":[[{"link":0}]]}]}`,
  );
  assert.equal(text({ layers: [], records: [], scopes: [], names: [] }), "{}");
  assert.deepEqual(parse(text(config)), config);
});

test("scopes are read back; malformed ones cost nothing but themselves", () => {
  const config = { ...parse('{"records":[{},{}]}'), scopes: [{ id: "a", tops: [1, 0], at: 5n }] };
  assert.deepEqual(parse(text(config)).scopes, config.scopes);
  for (const varve of [
    "1",
    "[]",
    '{"scopes":[{"id":"a","tops":[2],"at":"2020-01-01T00:00:00Z"}]}',
    '{"scopes":[{"tops":[-1]}]}',
    '{"scopes":[{"id":"a"}]}',
  ])
    assert.deepEqual(parse(`{"records":[{},{}],"varve":${varve}}`).scopes, [], varve);
});

test("results without a diffID or with a blob nobody describes are left out, and their records are kept", () => {
  const [a, b] = [described("a"), described("b")];
  const config = parse(
    JSON.stringify({
      layers: [{ blob: a.digest, parent: -1 }, { blob: b.digest }, { blob: digestOf("gone"), parent: 1 }],
      records: [
        { digest: "root" },
        {
          digest: "low",
          layers: [{ layer: 2 }, { layer: 1 }],
          chains: [{ layers: [2, 9] }, { layers: [1] }],
          inputs: [[{ link: 0 }]],
        },
        { digest: "high", layers: [{ layer: 0 }], inputs: [[{ link: 1 }]] },
      ],
    }),
  );
  const layersAt = (descriptors: readonly Descriptor[]): Set<string>[] =>
    loadGraph(config, new Map(descriptors.map((one) => [one.digest, one]))).nodes.map(
      (node) => new Set(node?.results.map(({ layers }) => layers.map(({ digest }) => digest).join())),
    );
  const both = [[], [`${a.digest},${b.digest}`, b.digest], [a.digest]].map((list) => new Set(list));
  assert.deepEqual(layersAt([a, b]), both);
  const { annotations: _none, ...bare } = b;
  assert.deepEqual(layersAt([a, bare]), [new Set(), new Set(), new Set([a.digest])]);
  const plain = { ...bare, mediaType: "application/vnd.oci.image.layer.v1.tar" };
  assert.deepEqual(layersAt([a, plain]), both);
});

interface Row {
  readonly digest: number;
  readonly inputs: readonly (readonly { readonly selector: string; readonly link: number }[])[];
  readonly results: readonly (readonly number[])[];
}

const rows: fc.Arbitrary<readonly Row[]> = fc.array(
  fc.record({
    digest: fc.nat(3),
    inputs: fc.array(
      fc.array(fc.record({ selector: fc.constantFrom("", "s"), link: fc.nat(50) }), { minLength: 1, maxLength: 2 }),
      { maxLength: 2 },
    ),
    results: fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), { maxLength: 2 }),
  }),
  { maxLength: 16 },
);

function graphFrom(list: readonly Row[]): CacheGraph {
  const graph = new CacheGraph();
  const nodes: CacheNode[] = [];
  for (const { digest, inputs, results } of list) {
    const links = inputs.map((alternatives) =>
      alternatives.flatMap(({ selector, link }) =>
        nodes.length === 0 ? [] : [{ selector, node: nodes[link % nodes.length] as CacheNode }],
      ),
    );
    const made = results.map((names, at) => ({
      layers: names.flatMap((name) => remoteLayer(described(`layer ${name}`)) ?? []),
      createdAt: BigInt(at),
    }));
    nodes.push(graph.add(`d${digest}`, nodes.length === 0 ? [] : links, made));
  }
  return graph;
}

test("a graph written, read and written again gives the same bytes", () => {
  fc.assert(
    fc.property(rows, (list) => {
      const once = configOf(graphFrom(list));
      const again = configOf(
        graphOf(parseCacheConfig(encodeCacheConfig(once.config)), new Map(once.layers.map((one) => [one.digest, one]))),
      );
      assert.equal(text(again.config), text(once.config));
      assert.deepEqual(again.layers, once.layers);
      assert.equal(once.layers.length, once.config.layers.length);
    }),
    { numRuns: 500 },
  );
});

test("the bytes do not depend on how the records of a document are ordered", () => {
  fc.assert(
    fc.property(rows, fc.infiniteStream(fc.nat(1000)), (list, picks) => {
      const { config, layers } = configOf(graphFrom(list));
      const order = config.records.map((_, at) => ({ at, key: picks.next().value })).sort((a, b) => a.key - b.key);
      const moved = new Map(order.map(({ at }, index) => [at, index]));
      const records = order.map(({ at }) => {
        const { inputs, ...rest } = config.records[at] as CacheConfig["records"][number];
        const links = inputs.map((list_) =>
          list_.map(({ selector, link }) => ({ selector, link: moved.get(link) ?? -1 })),
        );
        return { ...rest, inputs: links.map((one) => one.toReversed()) };
      });
      const shuffled = graphOf({ ...config, records }, new Map(layers.map((one) => [one.digest, one])));
      assert.equal(text(configOf(shuffled).config), text(config));
    }),
    { numRuns: 300 },
  );
});
