import assert from "node:assert/strict";
import { test } from "node:test";
import { type Digest, digestOf } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { type KeyLink, contentKey, recordDigest } from "../../solver/index.ts";
import { resultNamed } from "../../../testing/cache-documents.ts";
import { type Toy, ToyLog, solveToy, toy, toyCache, toySolver } from "../../../testing/toy-graph.ts";
import { CacheGraph } from "../document/graph.ts";
import type { CacheNode, CacheResult } from "../document/graph-types.ts";
import { type ImportedCache, importedCache } from "./imported-cache.ts";
import { recordOfLink } from "./record-link.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const record = (name: string, output = 0): string => recordDigest(digestOf(name), output);
const loads = {
  load: (layers: readonly RemoteLayer[]): Promise<Toy> =>
    Promise.resolve({ text: layers.map(({ digest }) => names.get(digest)).join("+") }),
};
const names = new Map<Digest, string>(["a", "b", "c", "x"].map((name) => [digestOf(name), name]));

function cacheOf(...graphs: readonly CacheGraph[]): ImportedCache<Toy> {
  return importedCache("remote", Promise.resolve(graphs), loads, { now: NOW });
}

/** Steps s0, s1, … each made of the one before, as ops of a toy graph are keyed. */
function chain(results: readonly (readonly CacheResult[])[]): { graph: CacheGraph; nodes: CacheNode[] } {
  const graph = new CacheGraph();
  const nodes: CacheNode[] = [];
  for (const [at, made] of results.entries()) {
    const below = nodes.at(-1);
    nodes.push(graph.add(record(`s${at}`), below === undefined ? [] : [[{ selector: "", node: below }]], made));
  }
  return { graph, nodes };
}

function toyChain(log: ToyLog, length: number): ReturnType<typeof toy> {
  let vertex = toy(log, { name: "s0" });
  for (let at = 1; at < length; at += 1) vertex = toy(log, { name: `s${at}`, inputs: [vertex] });
  return vertex;
}

const solve = (
  log: ToyLog,
  length: number,
  local: ReturnType<typeof toyCache>,
  cache: ImportedCache<Toy>,
): Promise<string> => solveToy(toySolver(local), toyChain(log, length), { caches: [cache], log });

test("a step is taken from an import by way of records without results", async () => {
  const log = new ToyLog();
  const { graph } = chain([[], [], [], [resultNamed(5, "a", "b")]]);
  assert.equal(await solve(log, 4, toyCache(), cacheOf(graph)), "a+b");
  assert.deepEqual(log.executed, []);
});

test("records of the steps below come along as far as their layers are the lowest ones, and are local from then on", async () => {
  const log = new ToyLog();
  const [low, side, top] = [resultNamed(5, "a"), resultNamed(6, "x"), resultNamed(7, "a", "b")];
  const { graph, nodes } = chain([[], [low], [side], [top]]);
  const cache = cacheOf(graph);
  const local = toyCache();
  assert.equal(await solve(log, 4, local, cache), "a+b");
  const key = nodes.length - 1;
  const found = await cache.results.loadWithParents?.(
    `record:${key}`,
    (await cache.keys.results(`record:${key}`))[0]!,
    {},
  );
  assert.deepEqual([...(found ?? [])].map(([, { result }]) => result.text).sort(), ["a", "a+b"]);
  const again = new ToyLog();
  assert.equal(await solveToy(toySolver(local), toyChain(again, 2), { log: again }), "a");
  assert.deepEqual(again.executed, [], "kept without the import");
  assert.equal(again.ofKind("vertex-cached")[0]?.trace.candidates[0]?.createdAt, 5);
});

test("of results for the same key the newest is taken, of any graph and any cache", async () => {
  const older = chain([[], [resultNamed(5, "a")]]).graph;
  const newer = chain([[], [resultNamed(6, "b"), resultNamed(4, "c")]]).graph;
  for (const graphs of [
    [older, newer],
    [newer, older],
  ])
    assert.equal(await solve(new ToyLog(), 2, toyCache(), cacheOf(...graphs)), "b");
});

test("a result dated later than now counts as made now, so that it does not win for ever", async () => {
  const future = Date.parse("2099-01-01T00:00:00Z");
  const { graph } = chain([[resultNamed(future, "a"), resultNamed(future + 1, "b"), resultNamed(7, "c")]]);
  const found = await cacheOf(graph).keys.results(record("s0"));
  assert.deepEqual(
    found.map(({ createdAt }) => createdAt),
    [NOW, NOW, 7],
  );
  assert.equal(
    graph.add(record("s0"), []).results[1]?.createdAt,
    BigInt(future) * 1_000_000n,
    "the graph is as it was",
  );
});

test("results with a blob that is lost are not there any more; others are taken, or the step is made", async () => {
  const { graph } = chain([[], [resultNamed(9, "a", "b"), resultNamed(8, "c")]]);
  const cache = cacheOf(graph);
  const [best] = await cache.keys.results("record:1");
  assert.ok(best !== undefined);
  cache.dropBlob(digestOf("b"));
  assert.equal(await cache.results.exists(best.id), false);
  assert.deepEqual(await cache.keys.keysOfResult(best.id), []);
  assert.equal(await cache.layersOf(best.id), undefined);
  await assert.rejects(async () => await cache.results.load(best, {}), { code: "not-found" });
  assert.equal(await solve(new ToyLog(), 2, toyCache(), cache), "c");
  cache.dropBlob(digestOf("c"));
  const log = new ToyLog();
  assert.equal(await solve(log, 2, toyCache(), cache), "s1(s0())");
  assert.deepEqual(await cache.keys.links(record("s0"), link("s1")), ["record:1"], "still a stepping stone");
});

test("a result that is released stays away, and nothing can be saved", async () => {
  const { graph } = chain([[resultNamed(9, "a")]]);
  const cache = cacheOf(graph);
  const [only] = await cache.keys.results(record("s0"));
  assert.ok(only !== undefined);
  await cache.keys.write([{ kind: "result", key: record("s0"), result: { id: "new", createdAt: 1 } }]);
  assert.equal(await cache.results.save({ text: "new" }, 1), undefined);
  assert.deepEqual(await cache.keys.results(record("s0")), [only]);
  await cache.keys.release(only.id);
  assert.deepEqual(await cache.keys.results(record("s0")), []);
});

test("a step whose record has only links by content is found once its input is made", async () => {
  const graph = new CacheGraph();
  const node = graph.add(contentKey(digestOf("s0()")).record, []);
  graph.add(record("copy"), [[{ selector: "", node }]], [resultNamed(5, "a")]);
  const log = new ToyLog();
  const input = {
    edge: { vertex: toy(log, { name: "s0", session: true }), output: 0 },
    content: (text: string) => text,
  };
  const copy = toy(log, { name: "copy", inputs: [input] });
  assert.equal(await solveToy(toySolver(toyCache()), copy, { caches: [cacheOf(graph)] }), "a");
  assert.deepEqual(log.executed, ["s0"]);
});

test("a step with a link by definition, and a selector, is found with nothing made", async () => {
  const graph = new CacheGraph();
  const [by, content] = [graph.add(record("s0"), []), graph.add(contentKey(digestOf("s0()")).record, [])];
  const alternatives = [
    { selector: digestOf("/p"), node: by },
    { selector: "", node: content },
  ];
  graph.add(record("copy"), [alternatives], [resultNamed(5, "a")]);
  for (const selector of ["/p", "/other"]) {
    const log = new ToyLog();
    const input = { edge: { vertex: toy(log, { name: "s0" }), output: 0 }, content: (text: string) => text, selector };
    const copy = toy(log, { name: "copy", inputs: [input] });
    assert.equal(await solveToy(toySolver(toyCache()), copy, { caches: [cacheOf(graph)] }), "a");
    assert.deepEqual(log.executed, selector === "/p" ? [] : ["s0"]);
  }
});

const link = (op: string, changes: Partial<KeyLink> = {}): KeyLink => ({
  input: 0,
  output: 0,
  digest: digestOf(op),
  selector: "",
  ...changes,
});

test("a link leads one way, and is found by every part of it", async () => {
  const graph = new CacheGraph();
  const [a, b] = [graph.add(record("a"), []), graph.add(contentKey(digestOf("b")).record, [])];
  const selector = digestOf("/p");
  const made = graph.add(record("op", 2), [
    [{ selector: "", node: a }],
    [
      { selector, node: a },
      { selector: "", node: b },
    ],
  ]);
  const { keys } = cacheOf(graph);
  const how = link("op", { input: 1, output: 2, selector });
  const [id = ""] = await keys.links(record("a"), how);
  assert.ok(id !== "");
  assert.equal(await keys.hasLink(record("a"), how, id), true);
  assert.equal(await keys.hasLink(id, how, record("a")), false);
  for (const other of [{ input: 2 }, { output: 0 }, { selector: "" as const }, { digest: digestOf("other") }])
    assert.deepEqual(await keys.links(record("a"), { ...how, ...other }), []);
  const content = recordDigest(digestOf("b"), -1);
  assert.deepEqual(await keys.links(content, { ...how, selector: "" }), [id]);
  for (const known of [record("a"), content, id]) assert.equal(await keys.exists(known), true);
  for (const unknown of ["", "record:9", "op"]) assert.equal(await keys.exists(unknown), false);
  assert.deepEqual(
    new Set((await keys.backlinks(id)).map(({ from, link: { input, selector: by } }) => `${input} ${by} ${from}`)),
    new Set([`1  ${content}`, `0  ${record("a")}`, `1 ${selector} ${record("a")}`]),
  );
  for (const { from, link: back } of await keys.backlinks(id)) {
    assert.equal(recordOfLink(back), made.digest);
    assert.equal(await keys.hasLink(from, back, id), true);
  }
  assert.equal((await keys.outgoing(record("a"))).length, 2);
  assert.equal((await Array.fromAsync(keys.walk())).length, 3);
});

test("a root of any text does not stand for another record", async () => {
  const graph = new CacheGraph();
  const root = graph.add("record:1", [], [resultNamed(1, "a")]);
  graph.add(record("op"), [[{ selector: "", node: root }]], [resultNamed(1, "b")]);
  const { keys } = cacheOf(graph);
  const [second] = await keys.results("record:1");
  const [first] = await keys.results("record:0");
  assert.notEqual(second?.id, first?.id);
});

test("an import that fails is told of, and costs nothing else", async () => {
  const log = new ToyLog();
  const failed = importedCache<Toy>("remote", Promise.reject(new Error("no such cache")), loads);
  assert.equal(await solve(log, 2, toyCache(), failed), "s1(s0())");
  assert.notEqual(log.ofKind("cache-failed").length, 0);
});
