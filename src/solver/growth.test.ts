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
