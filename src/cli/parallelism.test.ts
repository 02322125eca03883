import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { withParallelism } from "./parallelism.ts";

test("the command line limits parallelism in BuildKit's forms, before what the configuration says", () => {
  const configured = { root: "/r", maxParallelism: 7 };
  assert.equal(withParallelism(configured, undefined).maxParallelism, 7);
  assert.deepEqual(withParallelism(configured, "3"), { root: "/r", maxParallelism: 3 });
  assert.equal(withParallelism(configured, "0").maxParallelism, undefined);
  assert.equal(withParallelism(configured, "num-cpu").maxParallelism, availableParallelism());
  for (const text of ["", "-1", "1.5", "many", "99999999999"])
    assert.throws(() => withParallelism({}, text), { code: "invalid-argument" }, text);
});
