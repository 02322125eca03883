import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../core/index.ts";
import { ToyLog, solveToy, toy, toyCache, toySolver, whole } from "../../testing/toy-graph.ts";
import { recordDigest } from "./index.ts";

test("record digests are those of BuildKit", () => {
  const op = "sha256:70a375653b1e7fb04ecfd7fe54accd24a57bb7d3f38ebc2778b89fca7663db8e";
  const content = "sha256:0c23b903c6b177eed9bd56c34f4913bbdaf81295ea102f45f79493c2f755072a";
  assert.equal(recordDigest(op, 0), "sha256:32ac70bbe53e73c290c4a7a18e74feb8365a9c509510520d8b96cc669b37509a");
  assert.equal(recordDigest(content, -1), "sha256:f2b80a3038eeef7649364c2d92ff6cf83c5fe95a450f76224b701005e80ce345");
  assert.equal(recordDigest("random:abc", 0), "random:abc@0");
});

test("a miss says which keys of which input were tried, with which selector, and what they led to", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const stage = (name: string, text: string) => toy(log, { name, text: () => text });
  const copy = (name: string, text: string) =>
    toy(log, {
      name: "copy",
      inputs: [{ edge: { vertex: stage(name, text), output: 0 }, content: whole, selector: "/a" }],
    });
  await solveToy(toySolver(cache), copy("a", "x"));
  await solveToy(toySolver(cache), copy("b", "y"), { log });
  const trace = log.ofKind("vertex-completed").find(({ name }) => name === "copy")?.trace;
  assert.deepEqual(trace?.ops, [digestOf("copy")]);
  assert.deepEqual(trace?.outcome, { kind: "no-record", input: 0 });
  assert.equal(trace?.inputs[0]?.content, digestOf("y"));
  assert.deepEqual(trace?.inputs[0]?.probes, [
    { kind: "definition", key: recordDigest(digestOf("b"), 0), selector: digestOf("/a"), cache: "local", found: [] },
    { kind: "content", key: recordDigest(digestOf("y"), -1), cache: "local", found: [] },
  ]);
});

test("a trace distinguishes inputs that lead to different records from inputs that lead to none", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const join = (left: string, right: string) =>
    toy(log, { name: "join", inputs: [toy(log, { name: left }), toy(log, { name: right })] });
  await solveToy(toySolver(cache), join("a", "b"));
  await solveToy(toySolver(cache), join("c", "d"));
  await solveToy(toySolver(cache), join("a", "d"), { log });
  const trace = log.ofKind("vertex-completed").at(-1)?.trace;
  assert.equal(trace?.name, "join");
  assert.deepEqual(trace.outcome, { kind: "no-record" });
});

test("a record without a result is in the trace, and links through it still work", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base" });
  const mid = toy(log, { name: "mid", inputs: [base] });
  const solver = toySolver(cache);
  const [made] = await solver.solve([{ vertex: mid, output: 0 }]);
  await solveToy(solver, toy(log, { name: "top", inputs: [mid] }));
  assert.ok(made !== undefined);
  cache.results.delete(cache.results.save(made.result, 0).id);
  log.take();
  await solveToy(solver, toy(log, { name: "top", inputs: [mid] }));
  assert.deepEqual(log.take(), []);
  await solveToy(solver, mid, { log });
  assert.deepEqual(log.take(), ["mid"]);
  assert.equal(log.ofKind("vertex-completed").at(-1)?.trace.outcome.kind, "no-result");
});

test("the keys of a result contain the keys of its inputs, for an export", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const context = toy(log, { name: "context", session: true });
  const copy = toy(log, { name: "copy", inputs: [{ edge: { vertex: context, output: 0 }, content: whole }] });
  const top = toy(log, { name: "top", inputs: [copy] });
  for (const cached of [false, true]) {
    const [solved] = await toySolver(cache).solve([{ vertex: top, output: 0 }]);
    assert.equal(solved?.cached, cached);
    const [key] = solved.keys;
    assert.equal(key?.record, recordDigest(digestOf("top"), 0));
    assert.equal(key.vertex, top.digest);
    const below = key.inputs[0]?.[0];
    assert.equal(below?.key.record, recordDigest(digestOf("copy"), 0));
    const alternatives = below.key.inputs[0]?.map((alternative) => alternative.key.record);
    assert.ok(alternatives?.includes(recordDigest(digestOf("context()"), -1)));
    const [id] = key.idsIn("local");
    assert.ok(id !== undefined);
    assert.equal((await solved.caches[0]?.recordsAt(id))?.length, 1);
  }
});
