import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError, digestOf } from "../../core/index.ts";
import { recordDigest } from "../../solver/index.ts";
import { solveAll, toyLayer, toyLayers, toyLayersOf } from "../../../testing/toy-exports.ts";
import { ToyLog, toy, toyCache, toySolver, whole } from "../../../testing/toy-graph.ts";
import { type CacheGraph, type CacheNode, configOf, encodeCacheConfig, exportGraph } from "../index.ts";

const record = (key: string, output = 0): string => recordDigest(digestOf(key), output);

function nodeOf(graph: CacheGraph, digest: string): CacheNode {
  const found = [...graph.nodes()].filter((node) => node.digest === digest);
  assert.equal(found.length, 1, `one record ${digest}`);
  return found[0] as CacheNode;
}

function digests(graph: CacheGraph): string[] {
  return [...graph.nodes()].map(({ digest }) => digest);
}

const image = (log: ToyLog) => toy(log, { name: "image" });

test("max mode gives every record but roots a result, with its layers from the bottom up", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const below = toy(log, { name: "below", inputs: [image(log)] });
  const top = toy(log, { name: "top", inputs: [below] });
  const { graph, tops } = await exportGraph(await solveAll(cache, top), { mode: "max", layersOf: toyLayersOf(cache) });
  assert.equal(graph.size, 3);
  assert.deepEqual(nodeOf(graph, record("image")).results, []);
  assert.equal(nodeOf(graph, record("below")).results.length, 1);
  const { results, inputs } = nodeOf(graph, record("top"));
  assert.deepEqual(
    results[0]?.layers.map(({ digest }) => digest),
    toyLayers("top(below(image()))").map(({ descriptor }) => descriptor.digest),
  );
  assert.equal(results[0]?.layers[0]?.mediaType, "application/vnd.oci.image.layer.v1.tar+gzip");
  assert.deepEqual(
    inputs.map((list) => list.map(({ node, selector }) => [node.digest, selector])),
    [[[record("below"), ""]]],
  );
  assert.deepEqual(tops, [nodeOf(graph, record("top"))]);
});

test("min mode makes blobs down to the first record with a result, and below takes only what is there", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const bottom = toy(log, { name: "bottom", inputs: [image(log)] });
  const middle = toy(log, { name: "middle", inputs: [bottom] });
  const top = { ...toy(log, { name: "top", inputs: [middle] }), exportCache: false };
  const solved = await solveAll(cache, top);
  const resultsOf = async (made: readonly string[]): Promise<number[]> => {
    const { graph } = await exportGraph(solved, { mode: "min", layersOf: toyLayersOf(cache, new Set(made)) });
    return ["bottom", "middle", "top"].map((key) => nodeOf(graph, record(key)).results.length);
  };
  assert.deepEqual(await resultsOf([]), [0, 1, 0]);
  assert.deepEqual(await resultsOf(["bottom(image())"]), [1, 1, 0]);
});

test("what a local source feeds is known by content only; a stage's copy by definition and by content", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const local = toy(log, { name: "local", session: true });
  const base = toy(log, { name: "base", inputs: [{ edge: { vertex: local, output: 0 }, content: whole }] });
  const edge = { vertex: base, output: 0 };
  const copy = toy(log, { name: "copy", inputs: [{ edge, content: whole, selector: "/hello" }] });
  const exported = await exportGraph(await solveAll(cache, copy), { mode: "max", layersOf: toyLayersOf(cache) });
  const { graph } = exported;
  assert.ok(digests(graph).every((digest) => !digest.startsWith("random:")));
  const content = recordDigest(digestOf("local()"), -1);
  assert.deepEqual(
    nodeOf(graph, record("base")).inputs.map((list) => list.map(({ node, selector }) => [node.digest, selector])),
    [[[content, ""]]],
  );
  const copied = recordDigest(digestOf("base(local())"), -1);
  assert.deepEqual(
    new Map(nodeOf(graph, record("copy")).inputs[0]?.map(({ node, selector }) => [node.digest, selector])),
    new Map([
      [record("base"), digestOf("/hello")],
      [copied, ""],
    ]),
  );
});

test("a record that only a session's key leads to, and what needs it, is left out", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const local = toy(log, { name: "local", session: true });
  const step = toy(log, { name: "step", inputs: [local] });
  const both = toy(log, { name: "both", inputs: [image(log), step] });
  const { graph, tops } = await exportGraph(await solveAll(cache, both), {
    mode: "max",
    layersOf: toyLayersOf(cache),
  });
  assert.deepEqual(tops, []);
  assert.ok(digests(graph).every((digest) => digest === record("image")));
});

test("a second build that found everything exports the content keys of the first", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const root = image(log);
  const edge = { vertex: toy(log, { name: "step", inputs: [root] }), output: 0 };
  const top = toy(log, { name: "top", inputs: [{ edge, content: whole }] });
  const options = { mode: "max", layersOf: toyLayersOf(cache) } as const;
  const first = await exportGraph(await solveAll(cache, top), options);
  log.take();
  const [solved] = await toySolver(cache).solve([{ vertex: top, output: 0 }]);
  assert.deepEqual(log.take(), []);
  assert.ok(solved);
  const second = await exportGraph([solved], options);
  assert.deepEqual(encodeCacheConfig(configOf(second.graph).config), encodeCacheConfig(configOf(first.graph).config));
});

test("roots that stand for the same result lead to what is made of them alike", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const root = toy(log, { name: "image", key: ["by tag", "by config"] });
  const top = toy(log, { name: "top", inputs: [root] });
  const { graph } = await exportGraph(await solveAll(cache, top), { mode: "max", layersOf: toyLayersOf(cache) });
  const roots = nodeOf(graph, record("top")).inputs[0]?.map(({ node }) => node.digest);
  assert.deepEqual(new Set(roots), new Set([record("by tag"), record("by config")]));
});

test("the newest result whose every blob can be had is exported", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const top = toy(log, { name: "top", inputs: [image(log)] });
  const solved = await solveAll(cache, top);
  const [key] = solved[0]?.keys ?? [];
  const [id] = key?.idsIn("local") ?? [];
  assert.ok(id !== undefined);
  const times = { older: 10, old: 20, lost: 1e15, refused: 1e14, unmade: 1e13 };
  for (const [text, createdAt] of Object.entries(times))
    cache.keys.write([{ kind: "result", key: id, result: cache.results.save({ text }, createdAt) }]);
  const { graph } = await exportGraph(solved, {
    mode: "max",
    layersOf: (found) => {
      const { text } = cache.results.load(found.result);
      if (text === "refused") throw new VarveError("not-found", "Cannot fetch: gone");
      return Promise.resolve(text === "unmade" || text === "top(image())" ? undefined : [toyLayer(text)]);
    },
    canFetch: ({ description }) => Promise.resolve(description !== "lost"),
  });
  const [result] = nodeOf(graph, record("top")).results;
  assert.equal(result?.layers[0]?.digest, toyLayer("old").digest);
  assert.equal(result?.createdAt, 20_000_000n);
});

test("a failure that says nothing of the blob ends the export", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const solved = await solveAll(cache, toy(log, { name: "top", inputs: [image(log)] }));
  const layersOf = (): Promise<never> => Promise.reject(new VarveError("storage", "Cannot write: disk full"));
  for (const mode of ["min", "max"] as const)
    await assert.rejects(exportGraph(solved, { mode, layersOf }), /disk full/);
});

test("several results go into one graph, each of their tops named; layers are asked for at once, and not too many", async () => {
  const [log, cache] = [new ToyLog(), toyCache()];
  const base = toy(log, { name: "base", inputs: [image(log)] });
  const tops = Array.from({ length: 40 }, (_, index) => toy(log, { name: `top${index}`, inputs: [base] }));
  const solved = await solveAll(cache, ...tops);
  const inner = toyLayersOf(cache);
  let [running, most, asked] = [0, 0, 0];
  const { graph, tops: nodes } = await exportGraph(solved, {
    mode: "max",
    layersOf: async (found, options) => {
      most = Math.max(most, (running += 1));
      asked += 1;
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return await inner(found, options);
    },
  });
  assert.equal(nodes.length, 40);
  assert.equal(graph.size, 42);
  assert.equal(asked, 41, "each record once");
  assert.ok(most > 1 && most <= 8, `${most} at a time`);
});

test("a chain of ten thousand keys is walked", async () => {
  const cache = toyCache();
  const { CacheKey } = await import("../../solver/index.ts");
  const chain = [new CacheKey(digestOf("image"), 0)];
  for (let depth = 1; depth <= 10_000; depth += 1) {
    const key = new CacheKey(digestOf(`step ${depth}`), 0, { inputs: 1 });
    key.addAlternative(0, { key: chain.at(-1) as (typeof chain)[0], selector: "" });
    chain.push(key);
  }
  const keys = [chain.at(-1) as (typeof chain)[0]];
  const solved = { result: { text: "" }, cached: false, keys, caches: [cache.manager] };
  for (const mode of ["min", "max"] as const) {
    const { graph } = await exportGraph([solved], { mode, layersOf: toyLayersOf(cache) });
    assert.equal(graph.size, 10_001);
  }
});

test("keys in a loop are exported without what closes it", async () => {
  const cache = toyCache();
  const { CacheKey } = await import("../../solver/index.ts");
  const root = new CacheKey(digestOf("image"), 0);
  const [a, b] = [1, 2].map((n) => new CacheKey(digestOf(`step ${n}`), 0, { inputs: 1 }));
  assert.ok(a && b);
  a.addAlternative(0, { key: b, selector: "" });
  b.addAlternative(0, { key: a, selector: "" });
  b.addAlternative(0, { key: root, selector: "" });
  const solved = { result: { text: "" }, cached: false, keys: [a], caches: [cache.manager] };
  const { graph, tops } = await exportGraph([solved], { mode: "max", layersOf: toyLayersOf(cache) });
  assert.equal(graph.size, 3);
  assert.equal(tops.length, 1);
});
