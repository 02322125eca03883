import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { ToyLog, settle, solveToy, toy, toyCache, toySolver, whole } from "../../testing/toy-graph.ts";
import type { OpContext } from "./index.ts";

/** A gate that work waits at, and that tells whether it was called off. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const state = { isCancelled: false, arrivals: 0 };
  const pass = async ({ signal }: OpContext): Promise<void> => {
    state.arrivals += 1;
    const calledOff = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => {
      state.isCancelled = true;
      calledOff.reject(new Error("called off"));
    });
    await Promise.race([promise, calledOff.promise]);
  };
  return { state, pass, open: resolve };
}

test("two solves of one vertex run it once", async () => {
  const log = new ToyLog();
  const other = new ToyLog();
  const { pass, open } = gate();
  const graph = () => toy(log, { name: "top", inputs: [toy(log, { name: "base", work: pass })] });
  const solver = toySolver(toyCache());
  const solves = [solveToy(solver, graph(), { log }), solveToy(solver, graph(), { log: other })];
  await settle();
  open();
  assert.deepEqual(await Promise.all(solves), ["top(base())", "top(base())"]);
  assert.deepEqual(log.take(), ["base", "top"]);
  assert.deepEqual(other.names("vertex-completed"), ["base", "top"]);
  assert.equal(solver.activeVertices, 0);
});

test("a solve that joins late gets the earlier events", async () => {
  const log = new ToyLog();
  const late = new ToyLog();
  const { pass, open } = gate();
  const graph = () => toy(log, { name: "top", inputs: [toy(log, { name: "base" })], work: pass });
  const solver = toySolver(toyCache());
  const first = solveToy(solver, graph(), { log });
  await settle();
  const second = solveToy(solver, graph(), { log: late });
  open();
  await Promise.all([first, second]);
  assert.deepEqual(late.names("vertex-completed"), ["base", "top"]);
});

test("cancelling one of two solves does not cancel the other", async () => {
  const log = new ToyLog();
  const { state, pass, open } = gate();
  const graph = () => toy(log, { name: "top", work: pass });
  const solver = toySolver(toyCache());
  const controller = new AbortController();
  const first = solveToy(solver, graph(), { signal: controller.signal });
  const second = solveToy(solver, graph());
  await settle();
  controller.abort();
  await assert.rejects(first, (error) => isVarveError(error, "cancelled"));
  assert.equal(state.isCancelled, false);
  open();
  assert.equal(await second, "top()");
  assert.equal(state.arrivals, 1);
});

test("work is cancelled when all solves have left, and starts again for a new solve", async () => {
  const log = new ToyLog();
  const { state, pass, open } = gate();
  const graph = () => toy(log, { name: "top", work: pass });
  const solver = toySolver(toyCache());
  const controllers = [new AbortController(), new AbortController()];
  const solves = controllers.map(({ signal }) => solveToy(solver, graph(), { signal, log }));
  await settle();
  for (const controller of controllers) controller.abort();
  await Promise.all(solves.map((solve) => assert.rejects(solve, (error) => isVarveError(error, "cancelled"))));
  assert.equal(state.isCancelled, true);
  assert.equal(solver.activeVertices, 0);
  assert.ok(log.names("vertex-cancelled").length > 0);
  const newcomer = solveToy(solver, graph());
  open();
  assert.equal(await newcomer, "top()");
  assert.equal(state.arrivals, 2);
  assert.equal(solver.activeVertices, 0);
});

test("a new solve takes over work whose solve is leaving", async () => {
  const log = new ToyLog();
  const { state, pass, open } = gate();
  const graph = () => toy(log, { name: "top", work: pass });
  const solver = toySolver(toyCache());
  const controller = new AbortController();
  const leaving = solveToy(solver, graph(), { signal: controller.signal });
  await settle();
  controller.abort();
  const newcomer = solveToy(solver, graph());
  await assert.rejects(leaving, (error) => isVarveError(error, "cancelled"));
  open();
  assert.equal(await newcomer, "top()");
  assert.equal(state.arrivals, 1);
});

test("vertices of different digest but equal keys are merged while running", async () => {
  const log = new ToyLog();
  const events = [new ToyLog(), new ToyLog()];
  const { pass, open } = gate();
  const graph = (salt: string) => {
    const context = toy(log, { name: "context", session: true, key: salt, salt, text: () => "same" });
    const copy = toy(log, { name: "copy", inputs: [{ edge: { vertex: context, output: 0 }, content: whole }] });
    const run = toy(log, { name: "run", inputs: [copy], work: pass });
    return toy(log, { name: `top ${salt}`, inputs: [run] });
  };
  const solver = toySolver(toyCache());
  const solves = ["1", "2"].map((salt, index) => {
    const log = events[index];
    return solveToy(solver, graph(salt), log === undefined ? {} : { log });
  });
  await settle();
  open();
  assert.deepEqual(await Promise.all(solves), ["top 1(run(copy(same)))", "top 2(run(copy(same)))"]);
  assert.deepEqual(log.take(), ["context", "context", "copy", "run", "top 1", "top 2"]);
  const digests = events.map((one) => one.ofKind("vertex-completed").find(({ name }) => name === "run")?.digest);
  assert.notEqual(digests[0], digests[1]);
});

test("cancelling the solve whose vertex executes merged work does not cancel the work", async () => {
  const log = new ToyLog();
  const { state, pass, open } = gate();
  const graph = (salt: string) => {
    const base = toy(log, { name: "base" });
    const run = toy(log, { name: "run", salt, inputs: [base], work: pass });
    return toy(log, { name: "top", inputs: [run] });
  };
  const solver = toySolver(toyCache());
  const controller = new AbortController();
  const first = solveToy(solver, graph("1"), { signal: controller.signal });
  await settle();
  const second = solveToy(solver, graph("2"));
  await settle();
  assert.equal(state.arrivals, 1);
  controller.abort();
  await assert.rejects(first, (error) => isVarveError(error, "cancelled"));
  const third = solveToy(solver, graph("1"));
  await settle();
  open();
  assert.equal(await second, "top(run(base()))");
  assert.equal(await third, "top(run(base()))");
  assert.equal(state.isCancelled, false);
  assert.deepEqual(log.take(), ["base", "run", "top"]);
  assert.equal(solver.activeVertices, 0);
});

test("equal keys are not merged when one depends on the other", async () => {
  const log = new ToyLog();
  const base = toy(log, { name: "base", text: () => "x" });
  const step = (salt: string, vertex: typeof base) =>
    toy(log, {
      name: "step",
      key: "step",
      salt,
      text: () => "x",
      inputs: [{ edge: { vertex, output: 0 }, content: whole }],
    });
  const top = step("2", step("1", base));
  assert.equal(await solveToy(toySolver(toyCache()), top, { log }), "x");
  assert.deepEqual(log.take(), ["base", "step"]);
  assert.equal(log.ofKind("vertex-cached")[0]?.trace.outcome.kind, "hit");
});

test("a vertex that ignores the cache does not join a running one that uses it; the reverse does", async () => {
  const log = new ToyLog();
  const { pass, open } = gate();
  const graph = (ignoreCache: boolean) => {
    const base = toy(log, { name: "base" });
    return toy(log, { name: "top", inputs: [toy(log, { name: "run", inputs: [base], ignoreCache, work: pass })] });
  };
  const solver = toySolver(toyCache());
  const normal = solveToy(solver, graph(false));
  await settle();
  const ignoring = solveToy(solver, graph(true));
  await settle();
  const joining = solveToy(solver, graph(false));
  await settle();
  open();
  await Promise.all([normal, ignoring, joining]);
  assert.deepEqual(log.take(), ["base", "run", "run", "top", "top"]);
});

test("a normal solve joins a running one that ignores the cache, although an older result is cached", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  let made = 0;
  const { pass, open } = gate();
  const graph = (ignoreCache: boolean, work = pass) =>
    toy(log, { name: "run", ignoreCache, work, text: () => `${(made += 1)}` });
  const solver = toySolver(cache);
  await solveToy(
    solver,
    graph(false, () => Promise.resolve()),
  );
  const ignoring = solveToy(solver, graph(true));
  await settle();
  const normal = solveToy(solver, graph(false));
  open();
  assert.deepEqual(await Promise.all([ignoring, normal]), ["2", "2"]);
});

test("a solve also retains results that it shares", async () => {
  const log = new ToyLog();
  const { pass, open } = gate();
  const graph = () => toy(log, { name: "top", inputs: [toy(log, { name: "base" })], work: pass });
  const solver = toySolver(toyCache());
  const first = solveToy(solver, graph());
  await settle();
  const kept: string[] = [];
  const second = solveToy(solver, graph(), { retain: ({ text }) => kept.push(text) });
  open();
  await Promise.all([first, second]);
  assert.deepEqual([...new Set(kept)], ["base()", "top(base())"]);
});

/** An op that waits, and then fails with an error that may concern its own solve only. */
function failing(error: Error) {
  const { pass, open, state } = gate();
  const work = async (context: OpContext): Promise<void> => {
    await pass(context);
    throw error;
  };
  return { work, open, state };
}

const PERSONAL = new Error("I have no such thing");
const isPersonal = (error: unknown): boolean => error === PERSONAL;

test("what one solve lacks is done with what another has, once", async () => {
  const [log, other] = [new ToyLog(), new ToyLog()];
  const { work, open } = failing(PERSONAL);
  const solver = toySolver(toyCache(), { isPersonal });
  const solves = [
    solveToy(solver, toy(log, { name: "top", work }), { log }),
    solveToy(solver, toy(other, { name: "top" }), { log: other }),
  ];
  await settle();
  open();
  assert.deepEqual(await Promise.all(solves), ["top()", "top()"]);
  assert.deepEqual([log.take(), other.take()], [["top"], ["top"]]);
});

test("what no solve has, and any other error, is the error of all", async () => {
  for (const [error, tries] of [
    [PERSONAL, 2],
    [new Error("wrong"), 1],
  ] as const) {
    const [log, other] = [new ToyLog(), new ToyLog()];
    const [first, second] = [failing(error), failing(error)];
    const solver = toySolver(toyCache(), { isPersonal });
    const solves = [
      solveToy(solver, toy(log, { name: "top", work: first.work })),
      solveToy(solver, toy(other, { name: "top", work: second.work })),
    ];
    await settle();
    first.open();
    second.open();
    for (const { status } of await Promise.allSettled(solves)) assert.equal(status, "rejected");
    assert.equal(log.take().length + other.take().length, tries, error.message);
  }
});

test("an error after the cancellation of the solve that an op belongs to is no error of another solve", async () => {
  const [log, other] = [new ToyLog(), new ToyLog()];
  const { work, open, state } = failing(new Error("gone"));
  const solver = toySolver(toyCache());
  const controller = new AbortController();
  const first = solveToy(solver, toy(log, { name: "top", work }), { signal: controller.signal });
  const second = solveToy(solver, toy(other, { name: "top" }));
  await settle();
  controller.abort();
  open();
  await assert.rejects(first, { code: "cancelled" });
  assert.equal(await second, "top()");
  assert.equal(state.isCancelled, false);
  assert.deepEqual([log.take(), other.take()], [["top"], ["top"]]);
});

test("a solve goes on with its own op after another has left, also for the digests of inputs", async () => {
  const [log, other] = [new ToyLog(), new ToyLog()];
  const { pass, open } = gate();
  const controller = new AbortController();
  const solver = toySolver(toyCache());
  const graph = (own: ToyLog) => {
    const base = toy(own, { name: "base", work: pass });
    return toy(own, { name: "top", inputs: [{ edge: { vertex: base, output: 0 }, content: whole }] });
  };
  const first = solveToy(solver, graph(log), { signal: controller.signal });
  await settle();
  const second = solveToy(solver, graph(other));
  await settle();
  controller.abort();
  await assert.rejects(first, { code: "cancelled" });
  open();
  assert.equal(await second, "top(base())");
  assert.deepEqual([log.executed, other.executed], [["base"], ["top"]]);
  assert.deepEqual([log.digested.length, other.digested.length], [0, 1]);
});

test("a solve whose vertex was merged into that of another one goes on with its own op", async () => {
  const [log, other] = [new ToyLog(), new ToyLog()];
  const { work, open } = failing(PERSONAL);
  const solver = toySolver(toyCache(), { isPersonal });
  const first = solveToy(solver, toy(log, { name: "top", key: "same", salt: "1", work }));
  await settle();
  const second = solveToy(solver, toy(other, { name: "top", key: "same", salt: "2" }));
  await settle();
  open();
  assert.deepEqual(await Promise.all([first, second]), ["top()", "top()"]);
  assert.deepEqual([log.take(), other.take()], [["top"], ["top"]]);
});
