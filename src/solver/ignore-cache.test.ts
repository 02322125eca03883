import assert from "node:assert/strict";
import { test } from "node:test";
import { ToyLog, solveToy, toy, toyCache, toySolver, whole } from "../../testing/toy-graph.ts";

test("a vertex that ignores the cache runs, and so does its dependent, but not one that copies equal content", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const graph = (ignoreCache: boolean) => {
    const base = toy(log, { name: "base" });
    const stage = toy(log, { name: "stage", inputs: [base], ignoreCache });
    const derived = toy(log, { name: "derived", inputs: [stage] });
    const copy = toy(log, { name: "copy", inputs: [{ edge: { vertex: stage, output: 0 }, content: whole }] });
    const after = toy(log, { name: "after", inputs: [copy] });
    return toy(log, { name: "top", inputs: [derived, after] });
  };
  await solveToy(toySolver(cache), graph(false));
  log.take();
  await solveToy(toySolver(cache), graph(true), { log });
  assert.deepEqual(log.take(), ["derived", "stage", "top"]);
  assert.deepEqual(log.names("vertex-cached").sort(), ["after", "base"]);
  const stage = log.ofKind("vertex-completed").find(({ name }) => name === "stage");
  assert.deepEqual(stage?.trace.outcome, { kind: "ignored" });
  await solveToy(toySolver(cache), graph(false));
  assert.deepEqual(log.take(), []);
});

test("a later build finds the result of a build that ignored the cache, newest first", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000 });
  const log = new ToyLog();
  const cache = toyCache();
  let made = 0;
  const graph = (ignoreCache: boolean) =>
    toy(log, {
      name: "run",
      inputs: [toy(log, { name: "base", ignoreCache })],
      ignoreCache,
      text: () => `${(made += 1)}`,
    });
  const times: string[] = [];
  for (const ignoreCache of [false, true, false]) {
    times.push(await solveToy(toySolver(cache), graph(ignoreCache)));
    t.mock.timers.tick(1_000);
  }
  assert.deepEqual(times, ["1", "2", "2"]);
});

test("a vertex without inputs that ignores the cache makes no lookup and is saved under every key", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const image = (ignoreCache: boolean) => toy(log, { name: "image", key: ["manifest", "layers"], ignoreCache });
  await solveToy(toySolver(cache), image(false));
  log.take();
  await solveToy(toySolver(cache), image(true));
  assert.deepEqual(log.take(), ["image"]);
  assert.equal([...cache.keys.walk()].length, 2);
});
