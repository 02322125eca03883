import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { array, assert as check, constantFrom, property, record } from "fast-check";
import { type Descriptor, digestOf } from "../../core/index.ts";
import { chainExport, toyLayer } from "../../../testing/toy-exports.ts";
import {
  CacheGraph,
  type CacheNode,
  type ExportedGraph,
  configOf,
  encodeCacheConfig,
  graphOf,
  parseCacheConfig,
} from "../index.ts";
import { decodeContents, encodeContents } from "./codec.ts";
import { compose } from "./compose.ts";
import { type CacheContents, contentsOf, foreignContents, isSuperseded, mergeContents } from "./scopes.ts";

const digestsOf = (graph: CacheGraph): string[] => [...graph.nodes()].map(({ digest }) => digest).sort();
const contents = ({ graph, tops }: ExportedGraph, scope: string): CacheContents => contentsOf(graph, tops, scope);

/** A document of BuildKit's, with a descriptor for each blob. */
async function foreign(name: string): Promise<CacheGraph> {
  const bytes = await readFile(`testing/fixtures/keys/cacheconfig/${name}.json`);
  const config = parseCacheConfig(bytes);
  const layers = config.layers.map(({ blob }): [string, Descriptor] => {
    const annotations = { "containerd.io/uncompressed": digestOf(blob) };
    const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
    return [blob, { mediaType, digest: blob as Descriptor["digest"], size: 1, annotations }];
  });
  return graphOf(config, new Map(layers) as Map<Descriptor["digest"], Descriptor>);
}

for (const name of ["a-max", "b-run", "d-copyforms", "e-rootcopy", "g-multicopy"])
  test(`what BuildKit wrote survives Varve's export into it, and a second one: ${name}`, async () => {
    const theirs = await foreign(name);
    const mine = contents(chainExport("base", ["one"]), "a");
    const merged = mergeContents(foreignContents(theirs), mine);
    const again = mergeContents(merged, contents(chainExport("base", ["one", "two"]), "a"));
    for (const { graph } of [merged, again]) {
      for (const node of theirs.nodes()) {
        const same = [...graph.nodes()].filter(({ digest }) => digest === node.digest);
        const results = (list: readonly CacheNode[]): string[] =>
          list.flatMap((one) => one.results.map(({ layers }) => layers.map(({ digest }) => digest).join()));
        for (const result of results([node])) assert.ok(results(same).includes(result));
        assert.ok(same.length > 0);
      }
    }
    const { graph } = mergeContents(undefined, foreignContents(theirs));
    assert.deepEqual(encodeCacheConfig(configOf(graph).config), encodeCacheConfig(configOf(theirs).config));
  });

test("what a document says of its scopes comes back", async () => {
  const one = mergeContents(contents(chainExport("base", ["x"]), "b"), contents(chainExport("base", ["y"]), "a"));
  const { config, manifest } = encodeContents(one, "manifest");
  const read = await decodeContents({ bytes: manifest.bytes }, () => Promise.resolve(config.bytes));
  assert.ok(read);
  assert.deepEqual(encodeContents(read, "manifest").config.bytes, config.bytes);
  assert.deepEqual(
    read.generations.map(({ scope, tops, at }) => [scope, tops.map(({ digest }) => digest), at]),
    [
      ["a", [digestOf("step y")], 1_000_000_000n],
      ["b", [digestOf("step x")], 1_000_000_000n],
    ],
  );
});

test("an export of the same records from elsewhere changes nothing, whoever was first", () => {
  const from = (time: bigint): CacheContents => {
    const { graph, tops } = chainExport("base", ["one"]);
    const [root] = graph.nodes();
    assert.ok(root);
    graph.add(digestOf("step one"), [[{ selector: "", node: root }]], [{ layers: [toyLayer("x")], createdAt: time }]);
    return contentsOf(graph, tops, "a");
  };
  const bytes = (one: CacheContents): Uint8Array => encodeContents(one, "manifest").config.bytes;
  const [a, b] = [from(5n), from(9n)];
  const both = mergeContents(a, b);
  assert.deepEqual(bytes(mergeContents(both, a)), bytes(both));
  assert.deepEqual(bytes(mergeContents(both, b)), bytes(both));
  assert.deepEqual(bytes(mergeContents(b, a)), bytes(both));
});

test("of all that a failed build has made, what nothing else is made of stands for the export", () => {
  const { graph } = chainExport("base", ["one", "two"]);
  const { generations } = contentsOf(graph, [...graph.nodes()], "a");
  assert.deepEqual(
    generations[0]?.tops.map(({ digest }) => digest),
    [digestOf("step two")],
  );
});

test("of a record's results the two newest are kept", () => {
  const graph = new CacheGraph();
  const root = graph.add("root", []);
  const results = [1n, 2n, 3n].map((createdAt) => ({ layers: [toyLayer(`${createdAt}`)], createdAt }));
  const tops = [graph.add("step", [[{ selector: "", node: root }]], results)];
  const [, step] = mergeContents(undefined, contentsOf(graph, tops, "a")).graph.nodes();
  assert.deepEqual(
    step?.results.map(({ createdAt }) => createdAt),
    [3n, 2n],
  );
});

test("an export is superseded when its scope has two others that came later", () => {
  const [mine, old, b, c] = ["mine", "old", "b", "c"].map((step) => contents(chainExport("base", [step]), "a"));
  assert.ok(mine && old && b && c);
  const seen = mergeContents(undefined, old);
  assert.equal(isSuperseded(mine, seen, mergeContents(b, c)), true);
  assert.equal(isSuperseded(mine, seen, mergeContents(old, c)), false, "lost: the other had read what I had read");
  assert.equal(isSuperseded(mine, seen, mergeContents(mine, c)), false);
  assert.equal(isSuperseded(mine, seen, c), false);
});

test("a document holds the records of every scope, in whatever order they come", () => {
  const steps = array(constantFrom("p", "q", "r", "s"), { minLength: 1, maxLength: 4 });
  const writer = record({ root: constantFrom("x", "y"), steps });
  check(
    property(array(writer, { minLength: 1, maxLength: 6 }), (writers) => {
      let document: CacheContents | undefined;
      const all = new CacheGraph();
      for (const [index, { root, steps: own }] of writers.entries()) {
        const mine = contents(chainExport(root, own), `scope ${index}`);
        all.merge(mine.graph);
        const composed = compose(
          { existing: document, own: mine, form: "manifest", missingBlobs: new Set(), rank: "first" },
          assert.fail,
        );
        assert.ok(composed);
        document = composed.contents;
      }
      assert.ok(document);
      assert.deepEqual(digestsOf(document.graph), digestsOf(all));
      assert.equal(document.generations.length, writers.length);
    }),
  );
});

test("a document that is too large for BuildKit loses the names of its steps before anything else", () => {
  const graph = new CacheGraph();
  const base = graph.add(digestOf("base"), []);
  const layers = [toyLayer("one")];
  const tops = Array.from({ length: 4000 }, (_, at) =>
    graph.add(digestOf(`${at}`), [[{ selector: "", node: base }]], [{ layers, createdAt: 0n }], {
      name: `${at}`.repeat(40),
    }),
  );
  const mine = contentsOf(graph, tops, "a");
  const composed = compose(
    { existing: undefined, own: mine, form: "manifest", missingBlobs: new Set(), rank: "first" },
    () => assert.fail("nothing to be told"),
  );
  const config = parseCacheConfig(composed?.config.bytes ?? Buffer.alloc(0));
  assert.ok(encodeContents(mine, "manifest").config.bytes.byteLength > 1_048_576);
  assert.deepEqual([config.names, config.scopes.length, config.records.length], [[], 1, 4001]);
});

test("exports of a build that runs replace each other, and push out no complete ones", () => {
  const running = (build: string, ...steps: string[]): CacheContents => {
    const { graph, tops } = chainExport("base", steps);
    return contentsOf(graph, tops, "a", { kind: "running", build });
  };
  const ended = (kind: "failed" | "complete", build: string, ...steps: string[]): CacheContents => {
    const { graph, tops } = chainExport("base", steps);
    return contentsOf(graph, tops, "a", { kind, build });
  };
  const merged = (...all: CacheContents[]): CacheContents =>
    all.reduce(
      (document, own) => mergeContents(document, own),
      mergeContents(undefined, ended("complete", "0", "old")),
    );
  const bytes = (one: CacheContents): Uint8Array => encodeContents(one, "manifest").config.bytes;
  const tops = ({ generations }: CacheContents): unknown[] =>
    generations.map((one) => [one.tops.map(({ digest }) => digest).join(), one.partial]);
  const top = (step: string): string => digestOf(`step ${step}`);

  const during = merged(ended("complete", "1", "before"), running("x", "one"), running("x", "one", "two"));
  assert.deepEqual(tops(during), [
    [top("two"), "x"],
    [top("before"), undefined],
    [top("old"), undefined],
  ]);
  const after = [ended("complete", "1", "before"), ended("complete", "x", "one", "two", "three")] as const;
  assert.deepEqual(
    bytes(merged(after[0], running("x", "one"), running("y", "one"), after[1], ended("complete", "y", "one"))),
    bytes(merged(...after, ended("complete", "y", "one"))),
  );
  assert.deepEqual(
    bytes(mergeContents(during, after[1])),
    bytes(merged(...after)),
    "the last export is as if it were the only one",
  );
  const failed = merged(running("x", "one"), ended("failed", "x", "one", "two"));
  assert.deepEqual(tops(failed), [
    [top("two"), ""],
    [top("old"), undefined],
  ]);
  assert.deepEqual(bytes(mergeContents(failed, ended("failed", "z", "one", "two"))), bytes(failed));
  const { config, manifest } = encodeContents(during, "manifest");
  return decodeContents({ bytes: manifest.bytes }, () => Promise.resolve(config.bytes)).then((read) =>
    assert.deepEqual(read && tops(read), tops(during)),
  );
});

test("partial exports stay until two complete ones have come, and are at most four", () => {
  const of = (kind: "running" | "complete", step: string): CacheContents => {
    const { graph, tops } = chainExport("base", [step]);
    return contentsOf(graph, tops, "a", { kind, build: step });
  };
  let document: CacheContents | undefined;
  const count = (): (string | undefined)[] => document?.generations.map(({ partial }) => partial) ?? [];
  for (const step of ["p1", "p2", "p3", "p4", "p5"]) document = mergeContents(document, of("running", step));
  assert.deepEqual(count(), ["p5", "p4", "p3", "p2"]);
  document = mergeContents(document, of("complete", "c1"));
  assert.equal(count().length, 5);
  document = mergeContents(document, of("complete", "c2"));
  assert.deepEqual(count(), [undefined, undefined]);
});
