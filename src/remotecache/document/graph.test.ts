import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { digestOf } from "../../core/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { CacheGraph } from "./graph.ts";
import type { CacheLink, CacheNode, CacheResult } from "./graph-types.ts";

function layer(name: string, source = "host/repo"): RemoteLayer {
  const digest = digestOf(name);
  return { digest, diffId: digest, size: 1, mediaType: "x", sources: [source], annotations: {} };
}
const result = (at: bigint, ...names: string[]): CacheResult => ({
  createdAt: at,
  layers: names.map((name) => layer(name)),
});
const to = (node: CacheNode, selector = ""): CacheLink => ({ node, selector });

/** What a graph holds, whatever its order. */
function shape(graph: CacheGraph): string[] {
  const texts = new Map<CacheNode, string>();
  for (const node of graph.nodes()) {
    const inputs = node.inputs.map((list) => list.map((link) => `${link.selector}${texts.get(link.node)}`).sort());
    const results = node.results.map(
      ({ createdAt, layers }) => `${createdAt} ${layers.map((one) => one.digest).join()}`,
    );
    texts.set(node, digestOf(JSON.stringify([node.digest, inputs, results])));
  }
  return [...texts.values()].sort();
}

test("roots of a digest are one, and so are records with an alternative in common on every input", () => {
  const graph = new CacheGraph();
  const [a, b, c] = ["a", "b", "c"].map((name) => graph.add(name, []));
  assert.ok(a && b && c);
  assert.equal(graph.add("a", [], [result(1n, "x")]), a);
  const one = graph.add("op", [[to(a)], [to(b)]]);
  assert.equal(graph.add("op", [[to(a), to(c)], [to(b)]]), one);
  assert.deepEqual(one.inputs[0], [to(a), to(c)]);
  for (const other of [
    graph.add("other", [[to(a)], [to(b)]]),
    graph.add("op", [[to(a, "s")], [to(b)]]),
    graph.add("op", [[to(b)], [to(a)]]),
    graph.add("op", [[to(a)]]),
    graph.add("op", [[to(a)], [to(c)]]),
  ])
    assert.notEqual(other, one);
});

test("a record that stands for several fuses them, and what is made of them", () => {
  const graph = new CacheGraph();
  const [a, b] = [graph.add("a", []), graph.add("b", [])];
  const [ofA, ofB] = [graph.add("op", [[to(a)]], [result(1n, "x")]), graph.add("op", [[to(b)]], [result(2n, "y")])];
  const [onA, onB] = [graph.add("top", [[to(ofA)]], [result(3n, "z")]), graph.add("top", [[to(ofB)]])];
  assert.equal(graph.size, 6);
  const fused = graph.add("op", [[to(a), to(b)]]);
  assert.equal(graph.size, 4);
  assert.deepEqual([graph.current(ofA), graph.current(ofB)], [fused, fused]);
  assert.equal(graph.current(onA), graph.current(onB));
  assert.deepEqual(
    fused.results.map(({ createdAt }) => createdAt),
    [2n, 1n],
  );
  assert.deepEqual(graph.current(onB).inputs, [[to(fused)]]);
  assert.equal(graph.add("top", [[to(ofB)]]), graph.current(onA), "links may lead to nodes that were fused");
});

test("results are told apart by all their blobs; the newer time and every source of a blob are kept", () => {
  const graph = new CacheGraph();
  const old = { createdAt: 1n, layers: [layer("x", "there/repo")] };
  const node = graph.add("a", [], [result(1n, "y"), old, result(5n, "x"), result(1n, "x", "y"), result(1n)]);
  const found = node.results.map(({ createdAt, layers }) => `${createdAt} ${layers.length}`);
  assert.deepEqual(new Set(found), new Set(["5 1", "1 1", "1 2"]));
  assert.equal(found.length, 3);
  assert.deepEqual(node.results[0]?.layers[0]?.sources, ["host/repo", "there/repo"]);
});

test("a link that would close a loop is left out, whichever record comes first", () => {
  const graph = new CacheGraph();
  const root = graph.add("root", []);
  const lower = graph.add("op", [[to(root)]]);
  const middle = graph.add("middle", [[to(lower)]]);
  const upper = graph.add("op", [[to(middle)]]);
  assert.equal(graph.add("op", [[to(root), to(middle)]]), graph.current(upper));
  assert.equal(graph.current(lower), graph.current(upper));
  assert.deepEqual(graph.current(lower).inputs, [[to(root)]]);
  assert.equal([...graph.nodes()].length, 3);
});

test("nodes of another graph and inputs without alternatives are refused", () => {
  const graph = new CacheGraph();
  const strange = new CacheGraph().add("a", []);
  assert.throws(() => graph.add("op", [[to(strange)]]), { code: "invalid-argument" });
  assert.throws(() => graph.add("op", [[]]), { code: "invalid-argument" });
});

interface Draft {
  readonly digest: string;
  /** Earlier drafts by number. */
  readonly inputs: readonly (readonly number[])[];
  readonly at: number;
}

/** Records of up to four levels; equal digests are on one level, so that nothing closes a loop. */
const drafts: fc.Arbitrary<Draft[]> = fc
  .array(
    fc.tuple(
      fc.nat(3),
      fc.nat(1),
      fc.array(fc.array(fc.nat(99), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 }),
      fc.nat(3),
    ),
    { maxLength: 24 },
  )
  .map((rows) => {
    const sorted = rows.toSorted(([a], [b]) => a - b);
    return sorted.map(([level, kind, inputs, at]) => {
      const below = sorted.filter(([other]) => other < level).length;
      return {
        digest: `${level}${below === 0 ? at : kind}`,
        inputs: below === 0 ? [] : inputs.map((list) => list.map((number) => number % below)),
        at,
      };
    });
  });

/** Adds what can be added, in the order of `picks`. */
function build(records: readonly Draft[], picks: readonly number[]): CacheGraph {
  const graph = new CacheGraph();
  const nodes = new Map<number, CacheNode>();
  const open = records.map((_, at) => at);
  for (let turn = 0; open.length > 0; turn += 1) {
    const ready = open.filter((at) => records[at]?.inputs.flat().every((input) => nodes.has(input)));
    const at = ready[(picks[turn] ?? 0) % ready.length] as number;
    open.splice(open.indexOf(at), 1);
    const { digest, inputs, at: time } = records[at] as Draft;
    const links = inputs.map((list) => list.map((input) => to(nodes.get(input) as CacheNode)));
    nodes.set(at, graph.add(digest, links, [result(BigInt(time), digest)]));
  }
  return graph;
}

test("what a graph holds does not depend on the order in which it was filled", () => {
  fc.assert(
    fc.property(drafts, fc.array(fc.nat(999)), (records, picks) => {
      assert.deepEqual(shape(build(records, picks)), shape(build(records, [])));
    }),
    { numRuns: 400 },
  );
});

test("graphs merge into what one graph would have been, and merging again changes nothing", () => {
  fc.assert(
    fc.property(drafts, drafts, (one, other) => {
      const both = build(one, []);
      const map = both.merge(build(other, []));
      for (const [theirs, ours] of map) assert.equal(ours.digest, theirs.digest);
      const turned = build(other, []);
      turned.merge(build(one, []));
      assert.deepEqual(shape(both), shape(turned));
      both.merge(turned);
      assert.deepEqual(shape(both), shape(turned));
    }),
  );
});

test("a chain of a hundred thousand records is walked without recursion", () => {
  const graph = new CacheGraph();
  let top = graph.add("root", []);
  for (let at = 0; at < 100_000; at += 1) top = graph.add(`op${at}`, [[to(top)]]);
  assert.equal([...graph.nodes()].length, 100_001);
  const other = new CacheGraph();
  assert.equal(other.merge(graph).get(top)?.digest, "op99999");
});

test("records made to be compared with each other cost a bounded number of looks", () => {
  const graph = new CacheGraph();
  const [a, b] = [graph.add("a", []), graph.add("b", [])];
  for (let at = 0; at < 20_000; at += 1) {
    const extra = graph.add(`x${at}`, []);
    graph.add("op", [[to(a)], [to(extra)]]);
    graph.add("op", [[to(extra)], [to(b)]]);
  }
  for (let at = 0; at < 20_000; at += 1) graph.add("op", [[to(a)], [to(b), to(graph.add(`y${at}`, []))]]);
  assert.ok(graph.size >= 40_000);
});
