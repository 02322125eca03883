import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../core/index.ts";
import { solveAll, toyLayers, toyLayersOf } from "../../../testing/toy-exports.ts";
import { ToyLog, toy, toyCache, whole } from "../../../testing/toy-graph.ts";
import { recordDigest } from "../../solver/index.ts";
import { type CacheGraph, configOf, encodeCacheConfig, exportGraph, exportStored } from "../index.ts";
import { contentsOf } from "./scopes.ts";

const text = (graph: CacheGraph): string => Buffer.from(encodeCacheConfig(configOf(graph).config)).toString();
const record = (name: string, output = 0): string => recordDigest(digestOf(name), output);

/** A stage that another copies from, by definition and by content. */
function stages(log: ToyLog) {
  const base = toy(log, { name: "base" });
  const built = { vertex: toy(log, { name: "built", inputs: [base] }), output: 0 };
  const copy = toy(log, { name: "copy", inputs: [base, { edge: built, content: whole, selector: "/out" }] });
  return toy(log, { name: "top", inputs: [copy] });
}

for (const mode of ["min", "max"] as const)
  test(`${mode}: the export of a cache that one build has filled says what the build's says`, async () => {
    const [log, cache] = [new ToyLog(), toyCache()];
    const solved = await solveAll(cache, stages(log));
    const options = { mode, layersOf: toyLayersOf(cache) } as const;
    const [built, stored] = [await exportGraph(solved, options), await exportStored(cache.manager, options)];
    const digests = ({ graph }: { readonly graph: CacheGraph }): string[] =>
      [...graph.nodes()].map(({ digest }) => digest).sort();
    assert.deepEqual(digests(stored), digests(built));
    if (mode === "max") assert.equal(text(stored.graph), text(built.graph));
    const [generation] = contentsOf(stored.graph, stored.tops, "a").generations;
    assert.deepEqual(
      generation?.tops.map(({ digest }) => digest),
      [record("top")],
    );
  });

test("several builds are in one export, roots without results, names by what made the layers", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  await solveAll(cache, stages(log));
  await solveAll(cache, toy(log, { name: "other", inputs: [toy(log, { name: "base" })] }));
  const stepName = (layers: readonly { readonly description: string }[]): string => `RUN ${layers.at(-1)?.description}`;
  const { graph } = await exportStored(cache.manager, { mode: "max", layersOf: toyLayersOf(cache), stepName });
  const nodes = new Map([...graph.nodes()].map((node) => [node.digest, node]));
  assert.deepEqual(nodes.get(record("base"))?.results, []);
  assert.equal(nodes.get(record("base"))?.name, undefined);
  assert.equal(nodes.get(record("other"))?.name, "RUN other(base())");
  assert.deepEqual(
    nodes.get(record("top"))?.results[0]?.layers.map(({ digest }) => digest),
    toyLayers("top(copy(base(),built(base())))").map(({ descriptor }) => descriptor.digest),
  );
});

test("a result that cannot be had leaves its record without one; an empty cache is an empty export", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const options = { mode: "max", layersOf: () => Promise.resolve(undefined) } as const;
  assert.equal((await exportStored(cache.manager, options)).graph.size, 0);
  await solveAll(cache, toy(log, { name: "step", inputs: [toy(log, { name: "base" })] }));
  const { graph } = await exportStored(cache.manager, options);
  assert.ok(graph.size > 0 && [...graph.nodes()].every(({ results }) => results.length === 0));
});
