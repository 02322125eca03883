import assert from "node:assert/strict";
import { test } from "node:test";
import { type Toy, ToyLog, solveToy, toy, whole } from "../../testing/toy-graph.ts";
import { digestOf } from "../core/index.ts";
import { Solver, type SolverVertex, type VertexTrace, recordDigest } from "../solver/index.ts";
import { openState } from "../state/index.ts";
import { SqliteKeyStore, localCache, nearestRecords } from "./index.ts";

/** Solves one graph after another on one cache; returns the store and the trace of the last one's top vertex. */
async function lastTrace(
  ...graphs: readonly SolverVertex<Toy>[]
): Promise<{ keys: SqliteKeyStore; trace: VertexTrace }> {
  const state = openState(":memory:");
  const table = { get: (text: string): Toy => ({ text }), id: ({ text }: Toy): string => text };
  const log = new ToyLog();
  for (const graph of graphs) await solveToy(new Solver({ cache: localCache(state, table) }), graph, { log });
  const trace = log.ofKind("vertex-completed").findLast(({ digest }) => digest === graphs.at(-1)?.digest)?.trace;
  assert.ok(trace !== undefined);
  return { keys: new SqliteKeyStore(state), trace };
}

const log = new ToyLog();
const stage = (text: string) => toy(log, { name: `stage ${text}`, text: () => text });
const copy = (text: string, name = "copy") =>
  toy(log, {
    name,
    inputs: [toy(log, { name: "base" }), { edge: { vertex: stage(text), output: 0 }, content: whole, selector: "/x" }],
  });

test("a changed input: the record of the same op, and which input differs", async () => {
  const { keys, trace } = await lastTrace(copy("old"), copy("new"));
  const [near, ...rest] = nearestRecords(keys, trace);
  assert.deepEqual(rest, []);
  assert.equal(near?.kind, "same-op");
  assert.deepEqual(
    near.inputs.map(({ isShared }) => isShared),
    [true, false],
  );
  const there = near.inputs[1]?.keys.map(({ id }) => id).sort();
  assert.deepEqual(there, [recordDigest(digestOf("old"), -1), recordDigest(digestOf("stage old"), 0)].sort());
});

test("a changed op: the record of the op that ran on the same inputs", async () => {
  const { keys, trace } = await lastTrace(copy("same", "before"), copy("same", "after"));
  const [near, ...rest] = nearestRecords(keys, trace);
  assert.deepEqual(rest, []);
  assert.equal(near?.kind, "other-op");
  assert.equal(near.digest, digestOf("before"));
  assert.deepEqual(
    near.inputs.map(({ isShared }) => isShared),
    [true, true],
  );
});

test("no similar record: the result is empty", async () => {
  const { keys, trace } = await lastTrace(copy("first"));
  assert.deepEqual(nearestRecords(keys, trace), []);
});

test("the most similar and newest records come first, up to the limit", async () => {
  const { keys, trace } = await lastTrace(...Array.from({ length: 8 }, (_, i) => copy(`t${i}`)));
  const near = nearestRecords(keys, trace, 3);
  assert.equal(near.length, 3);
  const times = near.map(({ createdAt = 0 }) => createdAt);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  );
});
