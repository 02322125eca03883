import assert from "node:assert/strict";
import { test } from "node:test";
import { describeWait, tellQuiet } from "./wait.ts";

test("silence is reported each time its duration has doubled, and not after its end", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told: number[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const work = tellQuiet(promise, (ms) => told.push(ms));
  for (let second = 0; second < 25; second += 1) t.mock.timers.tick(1000);
  resolve("done");
  assert.equal(await work, "done");
  t.mock.timers.tick(100_000);
  assert.deepEqual(told, [5000, 10_000, 20_000]);
});

test("a wait is one line", () => {
  const wait = { state: "quiet", host: "registry.example", ms: 10_000, attempt: 2, attempts: 3 } as const;
  assert.equal(describeWait(wait), "waiting for registry.example: no answer for 10 s (try 2 of 3)");
  assert.equal(describeWait({ ...wait, attempts: 1, attempt: 1 }), "waiting for registry.example: no answer for 10 s");
  assert.equal(
    describeWait({ ...wait, state: "pause", ms: 30_000 }),
    "waiting for registry.example: 30 s until the next try (try 2 of 3)",
  );
});
