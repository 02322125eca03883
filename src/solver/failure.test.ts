import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError, isVarveError } from "../core/index.ts";
import type { SlotLimits } from "./edge/slots.ts";
import type { OpResources } from "./vertex.ts";
import { ToyLog, settle, solveToy, toy, toyCache, toySolver, whole } from "../../testing/toy-graph.ts";

test("the first failure cancels the other work and names its vertex", async () => {
  const log = new ToyLog();
  let wasCancelled = false;
  const slow = toy(log, {
    name: "slow",
    work: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          wasCancelled = true;
          reject(new Error("called off"));
        });
      }),
  });
  const bad = toy(log, {
    name: "bad",
    work: () =>
      Promise.reject(new VarveError("step-failed", "Cannot run step: exit status 3", { details: { exitCode: 3 } })),
  });
  const top = toy(log, { name: "top", inputs: [slow, bad] });
  const solver = toySolver(toyCache());
  await assert.rejects(solveToy(solver, top, { log }), (error) => {
    assert.ok(isVarveError(error, "step-failed"));
    assert.deepEqual(error.details, { exitCode: 3, vertex: bad.digest, vertexName: "bad" });
    return true;
  });
  assert.equal(wasCancelled, true);
  assert.deepEqual(log.names("vertex-failed"), ["bad"]);
  assert.deepEqual(log.names("vertex-cancelled"), ["slow"]);
  assert.equal(solver.activeVertices, 0);
});

test("a failed vertex is tried again by the next solve", async () => {
  const log = new ToyLog();
  let attempts = 0;
  const work = async (): Promise<void> => {
    attempts += 1;
    await Promise.resolve();
    if (attempts === 1) throw new Error("no luck");
  };
  const solver = toySolver(toyCache());
  await assert.rejects(solveToy(solver, toy(log, { name: "flaky", work })), /no luck/);
  assert.equal(await solveToy(solver, toy(log, { name: "flaky", work })), "flaky()");
});

test("what succeeded before a failure is cached", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base" });
  const bad = toy(log, { name: "bad", inputs: [base], work: () => Promise.reject(new Error("bad")) });
  await assert.rejects(solveToy(toySolver(cache), bad), /bad/);
  log.take();
  await solveToy(toySolver(cache), toy(log, { name: "good", inputs: [base] }));
  assert.deepEqual(log.take(), ["good"]);
});

test("errors of cache maps and of content functions fail their vertex", async () => {
  const log = new ToyLog();
  const unmapped = toy(log, { name: "unmapped", beforeMap: () => Promise.reject(new Error("no such tag")) });
  await assert.rejects(solveToy(toySolver(toyCache()), unmapped, { log }), /no such tag/);
  const content = (): string => {
    throw new VarveError("invalid-build", "Cannot find /x: not found");
  };
  const base = toy(log, { name: "base" });
  const copy = toy(log, { name: "copy", inputs: [{ edge: { vertex: base, output: 0 }, content }] });
  await assert.rejects(solveToy(toySolver(toyCache()), copy, { log }), (error) => isVarveError(error, "invalid-build"));
  assert.deepEqual(log.names("vertex-failed"), ["unmapped", "copy"]);
});

test("too few results and cache maps of the wrong shape are internal errors", async () => {
  const log = new ToyLog();
  const vertex = toy(log, { name: "odd" });
  const few = { ...vertex, op: { ...vertex.op, execute: () => Promise.resolve([]) } };
  await assert.rejects(solveToy(toySolver(toyCache()), few), (error) => isVarveError(error, "internal"));
  const wrong = { ...vertex, inputs: [{ vertex: toy(log, { name: "base" }), output: 0 }] };
  await assert.rejects(solveToy(toySolver(toyCache()), wrong), (error) => isVarveError(error, "internal"));
  const beyond = { ...vertex, inputs: [{ vertex: toy(log, { name: "base" }), output: 7 }] };
  await assert.rejects(solveToy(toySolver(toyCache()), beyond), (error) => isVarveError(error, "internal"));
});

test("an aborted solve settles when its work has ended", async () => {
  const log = new ToyLog();
  const controller = new AbortController();
  let hasEnded = false;
  const top = toy(log, {
    name: "top",
    work: async ({ signal }) => {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
      await settle();
      hasEnded = true;
      throw new Error("called off");
    },
  });
  const solving = solveToy(toySolver(toyCache()), top, { signal: controller.signal });
  await settle();
  controller.abort(new VarveError("cancelled", "Cannot go on: the user left"));
  await assert.rejects(solving, /the user left/);
  assert.equal(hasEnded, true);
});

test("the slots limit concurrent executions", async () => {
  const mostRunning = async (limits: SlotLimits, kinds: readonly OpResources[]): Promise<number> => {
    const log = new ToyLog();
    const parts = Array.from({ length: 20 }, (_, i) =>
      toy(log, { name: `p${i}`, resources: kinds[i % kinds.length] ?? "step", work: settle }),
    );
    await solveToy(toySolver(toyCache(), { limits }), toy(log, { name: "top", inputs: parts }));
    return log.mostRunning;
  };
  const steps = (): Promise<number> => Promise.resolve(4);
  assert.equal(await mostRunning({}, ["step"]), 20);
  assert.equal(await mostRunning({ steps }, ["step"]), 4);
  assert.equal(await mostRunning({ io: 2 }, ["io"]), 2);
  assert.equal(await mostRunning({ steps, io: 2 }, ["step", "io"]), 6);
  assert.equal(await mostRunning({ all: 3, steps, io: 2 }, ["step", "io"]), 3);
});

test("inputs that must run, run in parallel", async () => {
  const log = new ToyLog();
  const parts = Array.from({ length: 4 }, (_, i) => toy(log, { name: `p${i}`, resources: "none", work: settle }));
  const joined = toy(log, {
    name: "top",
    inputs: parts.map((vertex) => ({ edge: { vertex, output: 0 }, content: whole })),
  });
  await solveToy(toySolver(toyCache()), joined);
  assert.equal(log.mostRunning, 4);
});

test("solved() returns the results made before a failure", async () => {
  const log = new ToyLog();
  const made = toy(log, { name: "made", inputs: [toy(log, { name: "base" })] });
  const bad = toy(log, { name: "bad", inputs: [made], work: () => Promise.reject(new Error("no")) });
  await using job = toySolver(toyCache()).open();
  await assert.rejects(job.solve([{ vertex: bad, output: 0 }]));
  const solved = job.solved();
  assert.deepEqual(solved.map(({ result }) => result.text).sort(), ["base()", "made(base())"]);
  assert.ok(solved.every(({ keys }) => keys.length > 0));
});

test("solved() returns nothing of another solve of the job, except what both need", async () => {
  const log = new ToyLog();
  const base = toy(log, { name: "base" });
  const other = toy(log, { name: "other", inputs: [base] });
  const bad = toy(log, { name: "bad", inputs: [base], work: () => Promise.reject(new Error("no")) });
  await using job = toySolver(toyCache()).open();
  await job.solve([{ vertex: other, output: 0 }]);
  await assert.rejects(job.solve([{ vertex: bad, output: 0 }]));
  assert.deepEqual(
    job.solved().map(({ result }) => result.text),
    ["base()"],
  );
});
