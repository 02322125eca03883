import assert from "node:assert/strict";
import { test } from "node:test";
import { hostPlatform } from "../../core/index.ts";
import { defaultImageConfig, patchImageConfig } from "../../image/index.ts";
import { solveAll, toyLayers, toyLayersOf } from "../../../testing/toy-exports.ts";
import { ToyLog, toy, toyCache } from "../../../testing/toy-graph.ts";
import { inlineCache, inlineGraph } from "../index.ts";

async function solvedChain() {
  const [log, cache] = [new ToyLog(), toyCache()];
  const image = toy(log, { name: "image" });
  const below = toy(log, { name: "below", inputs: [image] });
  const [solved] = await solveAll(cache, toy(log, { name: "top", inputs: [below] }));
  assert.ok(solved);
  return { solved, layersOf: toyLayersOf(cache, new Set(["below(image())"])) };
}

test("the cache of an image is found in its config again", async () => {
  const { solved, layersOf } = await solvedChain();
  const layers = toyLayers("top(below(image()))").map(({ descriptor, diffId }) => ({ ...descriptor, diffId }));
  const cache = await inlineCache(solved, layers, { layersOf });
  assert.ok(cache);
  const exported = layers.map(({ diffId }) => ({ diffId }));
  const patched = patchImageConfig(defaultImageConfig(hostPlatform()), { layers: exported, inlineCache: cache });
  const graph = inlineGraph({ layers }, patched.config);
  assert.deepEqual(
    [...(graph?.nodes() ?? [])].map(({ results }) => results.map((result) => result.layers.length)),
    [[], [2], [3]],
  );
});

test("an image made of other layers has no cache", async () => {
  const { solved, layersOf } = await solvedChain();
  const others = toyLayers("something()").map(({ descriptor, diffId }) => ({ ...descriptor, diffId }));
  assert.equal(await inlineCache(solved, others, { layersOf }), undefined);
});

test("layers compressed otherwise are known by their diffID", async () => {
  const { solved, layersOf } = await solvedChain();
  const layers = toyLayers("top(below(image()))").map(({ diffId }, index) => ({
    digest: `sha256:${`${index}`.padStart(64, "0")}` as const,
    diffId,
  }));
  assert.ok(await inlineCache(solved, layers, { layersOf }));
});
