import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../core/index.ts";
import { recordDigest } from "../../solver/index.ts";
import { resultNamed } from "../../../testing/cache-documents.ts";
import { type Toy, ToyLog, toy, toyCache, toySolver } from "../../../testing/toy-graph.ts";
import { CacheGraph, exportGraph, importedCache } from "../index.ts";

const record = (name: string): string => recordDigest(digestOf(name), 0);

test("what an imported cache knows of other ways to a step is exported under the digests it was imported with", async () => {
  const graph = new CacheGraph();
  const other = graph.add(record("other"), [[{ selector: "", node: graph.add(record("root"), []) }]]);
  const alternatives = [graph.add(record("s0"), []), other].map((node) => ({ selector: "", node }));
  graph.add(record("s1"), [alternatives], [resultNamed(5, "a")]);
  const cache = importedCache<Toy>("remote", Promise.resolve([graph]), { load: () => Promise.resolve({ text: "a" }) });
  const log = new ToyLog();
  const vertex = toy(log, { name: "s1", inputs: [toy(log, { name: "s0" })] });
  const solved = await toySolver(toyCache()).solve([{ vertex, output: 0 }], { caches: [cache] });
  assert.deepEqual(log.executed, []);
  const written = await exportGraph(solved, { mode: "max", layersOf: () => Promise.resolve(undefined) });
  const digests = [...written.graph.nodes()].map(({ digest }) => digest);
  assert.deepEqual(new Set(digests), new Set(["root", "other", "s0", "s1"].map(record)));
  assert.equal(written.tops[0]?.inputs[0]?.length, 2);
});
