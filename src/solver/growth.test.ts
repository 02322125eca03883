import assert from "node:assert/strict";
import { test } from "node:test";
import { ToyLog, solveToy, toy, toyCache, toySolver } from "../../testing/toy-graph.ts";
import { EdgeInput } from "./edge/edge-input.ts";

test("the work for an op grows with the number of its inputs, not with its square", async (t) => {
  const view = t.mock.method(EdgeInput.prototype, "view");
  const takeProbes = t.mock.method(EdgeInput.prototype, "takeProbes");
  const looks = async (inputs: number): Promise<number> => {
    const log = new ToyLog();
    const graph = () =>
      toy(log, { name: "top", inputs: Array.from({ length: inputs }, (_, at) => toy(log, { name: `input ${at}` })) });
    const solver = toySolver(toyCache());
    await solveToy(solver, graph());
    await solveToy(solver, graph());
    assert.equal(log.take().length, inputs + 1);
    const count = view.mock.callCount() + takeProbes.mock.callCount();
    view.mock.resetCalls();
    takeProbes.mock.resetCalls();
    return count;
  };
  const [few, many] = [await looks(50), await looks(200)];
  assert.ok(few > 50, `only ${few} looks counted`);
  assert.ok(many < 6 * few, `${few} looks at 50 inputs, ${many} at 200`);
});

test("the work for a chain of equal ops grows with its length, not with its square", async (t) => {
  const identities = t.mock.method(EdgeInput.prototype, "identities");
  const looks = async (length: number): Promise<number> => {
    const log = new ToyLog();
    let top = toy(log, { name: "base" });
    for (let at = 0; at < length; at += 1) top = toy(log, { name: "mkdir", salt: `${at}`, inputs: [top] });
    await solveToy(toySolver(toyCache()), top);
    assert.equal(log.take().length, length + 1);
    const count = identities.mock.callCount();
    identities.mock.resetCalls();
    return count;
  };
  const [few, many] = [await looks(25), await looks(100)];
  assert.ok(few > 25, `only ${few} looks counted`);
  assert.ok(many < 6 * few, `${few} looks at 25 ops, ${many} at 100`);
});

test("many equal ops on the same input are executed once", async () => {
  const log = new ToyLog();
  const base = toy(log, { name: "base" });
  const inputs = Array.from({ length: 50 }, (_, at) => toy(log, { name: "mkdir", salt: `${at}`, inputs: [base] }));
  await solveToy(toySolver(toyCache()), toy(log, { name: "top", inputs }));
  assert.deepEqual(log.take(), ["base", "mkdir", "top"]);
});
