import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError } from "../core/index.ts";
import { type Toy, type ToyCache, ToyLog, solveToy, toy, toyCache, whole } from "../../testing/toy-graph.ts";
import { Solver } from "./index.ts";

/** Results that can be had from the cache, but not read. */
const unreadable = new WeakSet<Toy>();

class Unreadable extends Error {
  readonly result: Toy;

  constructor(result: Toy) {
    super(`cannot fetch blobs of ${result.text}`);
    this.result = result;
  }
}

const read = (inputs: readonly Toy[]): Promise<void> => {
  const lost = inputs.find((input) => unreadable.has(input));
  return lost === undefined ? Promise.resolve() : Promise.reject(new Unreadable(lost));
};

const solverOf = (cache: ToyCache) =>
  new Solver<Toy>({
    cache: cache.manager,
    unreadable: (error) => (error instanceof Unreadable ? (result) => result === error.result : undefined),
  });

test("a lazy result that cannot be read when it is needed is executed instead", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base" });
  const mid = toy(log, { name: "mid", inputs: [base], text: () => "mid" });
  const [made] = await solverOf(cache).solve([{ vertex: mid, output: 0 }]);
  assert.ok(made !== undefined);
  unreadable.add(made.result);
  log.take();
  const top = toy(log, { name: "top", inputs: [mid], work: (_, inputs) => read(inputs) });
  assert.equal(await solveToy(solverOf(cache), top, { log }), "top(mid)");
  assert.deepEqual(log.take(), ["mid", "top", "top"]);
  assert.deepEqual(
    log.ofKind("vertex-rolled-back").map(({ name, reason }) => [name, reason]),
    [["mid", "cannot fetch blobs of mid"]],
  );
  await solveToy(solverOf(cache), toy(log, { name: "other", inputs: [mid], work: (_, inputs) => read(inputs) }));
  assert.deepEqual(log.take(), ["other"]);
});

test("the next candidate is tried before the op is executed", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000 });
  const log = new ToyLog();
  const cache = toyCache();
  let n = 0;
  const mid = (ignoreCache: boolean) => toy(log, { name: "mid", ignoreCache, text: () => `mid ${(n += 1)}` });
  await solverOf(cache).solve([{ vertex: mid(false), output: 0 }]);
  t.mock.timers.tick(1_000);
  const [newer] = await solverOf(cache).solve([{ vertex: mid(true), output: 0 }]);
  assert.ok(newer !== undefined);
  unreadable.add(newer.result);
  log.take();
  const top = toy(log, { name: "top", inputs: [mid(false)], work: (_, inputs) => read(inputs) });
  assert.equal(await solveToy(solverOf(cache), top), "top(mid 1)");
  assert.deepEqual(log.take(), ["top", "top"]);
});

test("a content function or a preload that cannot read rolls back as well", async () => {
  const log = new ToyLog();
  for (const way of ["content", "preload"] as const) {
    const cache = toyCache();
    const mid = toy(log, { name: "mid" });
    const [made] = await solverOf(cache).solve([{ vertex: mid, output: 0 }]);
    assert.ok(made !== undefined);
    let isBroken = true;
    const fail = (): void => {
      if (isBroken) {
        isBroken = false;
        throw new Unreadable(made.result);
      }
    };
    const content = (text: string): string => {
      fail();
      return text;
    };
    const preload = async (): Promise<void> => {
      fail();
      await Promise.resolve();
    };
    log.take();
    const edge = { vertex: mid, output: 0 };
    const top = toy(log, { name: "top", inputs: [way === "content" ? { edge, content } : { edge, preload }] });
    assert.equal(await solveToy(solverOf(cache), top), "top(mid())");
    assert.deepEqual(log.take(), ["mid", "top"]);
  }
});

test("dependents of an unreadable result are made again with it", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base", inputs: [] });
  const [made] = await solverOf(cache).solve([{ vertex: base, output: 0 }]);
  assert.ok(made !== undefined);
  const lazy = toy(log, { name: "lazy", inputs: [base] });
  let isBroken = true;
  const top = toy(log, {
    name: "top",
    inputs: [lazy],
    work: () => (isBroken ? Promise.reject(new Unreadable(made.result)) : Promise.resolve()),
  });
  const solver = new Solver<Toy>({
    cache: cache.manager,
    unreadable: (error) => {
      isBroken = false;
      return error instanceof Unreadable ? ({ text }) => text.includes("base()") : undefined;
    },
  });
  log.take();
  assert.equal(await solveToy(solver, top), "top(lazy(base()))");
  assert.deepEqual(log.take(), ["base", "lazy", "lazy", "top", "top"]);
});

test("an unreadable result that came from no cache fails instead of looping", async () => {
  const log = new ToyLog();
  const base = toy(log, { name: "base" });
  const top = toy(log, {
    name: "top",
    inputs: [base],
    work: (_, [input]) => Promise.reject(new Unreadable(input as Toy)),
  });
  await assert.rejects(solveToy(solverOf(toyCache()), top), /cannot fetch blobs of base/);
  assert.deepEqual(log.take(), ["base", "top"]);
});

test("an unreadable result fails without a loop while another input is still being made", async () => {
  const log = new ToyLog();
  const read = Promise.withResolvers<void>();
  let reads = 0;
  const slow = toy(log, {
    name: "slow",
    work: async ({ signal }) => {
      signal.addEventListener("abort", () => read.resolve());
      await read.promise;
    },
  });
  const base = { vertex: toy(log, { name: "base" }), output: 0 };
  const content = (): string => {
    reads += 1;
    if (reads > 1) read.resolve();
    throw new Unreadable({ text: "another" });
  };
  const top = toy(log, { name: "top", inputs: [slow, { edge: base, content }] });
  await assert.rejects(solveToy(solverOf(toyCache()), top), /cannot fetch blobs of another/);
  assert.equal(reads, 1);
});

test("a job that finds a result unreadable solves again", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const copy = toy(log, {
    name: "copy",
    inputs: [{ edge: { vertex: toy(log, { name: "stage" }), output: 0 }, content: whole }],
  });
  await solverOf(cache).solve([{ vertex: copy, output: 0 }]);
  log.take();
  await using job = solverOf(cache).open();
  const [first] = await job.solve([{ vertex: copy, output: 0 }]);
  assert.equal(first?.cached, true);
  assert.equal(await job.rollBack((result) => result === first.result, "blob is gone"), true);
  const [second] = await job.solve([{ vertex: copy, output: 0 }]);
  assert.equal(second?.cached, false);
  assert.equal(await job.rollBack((result) => result === second.result, "blob is gone"), false);
  assert.deepEqual(log.take(), ["copy"]);
});

test("a job whose result another job rolled back solves again and gets the other job's new result", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base" });
  await solverOf(cache).solve([{ vertex: base, output: 0 }]);
  log.take();
  const solver = solverOf(cache);
  await using first = solver.open();
  await using second = solver.open();
  const edges = [{ vertex: base, output: 0 }];
  const [[one], [two]] = [await first.solve(edges), await second.solve(edges)];
  assert.equal(one?.result, two?.result);
  const isLost = (result: Toy): boolean => result === one?.result;
  assert.equal(await first.rollBack(isLost, "blob is gone"), true);
  const [again] = await first.solve(edges);
  assert.equal(await second.rollBack(isLost, "blob is gone"), true);
  const [other] = await second.solve(edges);
  assert.equal(other?.result, again?.result);
  assert.equal(await second.rollBack(isLost, "blob is gone"), false);
  assert.deepEqual(log.take(), ["base"]);
});

test("an op that read an input which was made again meanwhile is retried", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const mid = toy(log, { name: "mid" });
  const [made] = await solverOf(cache).solve([{ vertex: mid, output: 0 }]);
  assert.ok(made !== undefined);
  log.take();
  const remade = Promise.withResolvers<void>();
  const work = (isSlow: boolean) => async (_: unknown, inputs: readonly Toy[]) => {
    if (inputs[0] !== made.result) return remade.resolve();
    if (isSlow) await remade.promise;
    throw new Unreadable(made.result);
  };
  const quick = toy(log, { name: "quick", inputs: [mid], work: work(false) });
  const slow = toy(log, { name: "slow", inputs: [mid], work: work(true) });
  const solved = await solverOf(cache).solve([quick, slow].map((vertex) => ({ vertex, output: 0 })));
  assert.deepEqual(
    solved.map(({ result }) => result.text),
    ["quick(mid())", "slow(mid())"],
  );
  assert.equal(log.take().filter((name) => name === "mid").length, 1);
});

test("other errors fail the vertex as usual", async () => {
  const log = new ToyLog();
  const top = toy(log, { name: "top", work: () => Promise.reject(new VarveError("step-failed", "Cannot run: 1")) });
  await assert.rejects(solveToy(solverOf(toyCache()), top), /Cannot run: 1/);
});
