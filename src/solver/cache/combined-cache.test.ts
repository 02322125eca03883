import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError } from "../../core/index.ts";
import {
  type Toy,
  type ToyCache,
  ToyLog,
  solveToy,
  toy,
  toyCache,
  toySolver,
  whole,
} from "../../../testing/toy-graph.ts";
import { CacheManager, type SolverVertex } from "../index.ts";

const chain = (log: ToyLog, length: number, text?: () => string): SolverVertex<Toy> => {
  let vertex = toy(log, { name: "s0" });
  for (let i = 1; i < length; i += 1)
    vertex = toy(log, { name: `s${i}`, inputs: [vertex], ...(text === undefined ? {} : { text }) });
  return vertex;
};

/** A cache that was filled elsewhere, at a time of its own. */
async function filled(
  t: { mock: { timers: Timers } },
  id: string,
  at: number,
  fill: SolverVertex<Toy>,
): Promise<ToyCache> {
  t.mock.timers.enable({ apis: ["Date"], now: at });
  const cache = toyCache(id);
  await solveToy(toySolver(cache), fill);
  t.mock.timers.reset();
  return cache;
}

interface Timers {
  enable(options: { apis: ["Date"]; now: number }): void;
  reset(): void;
}

test("an imported record hits, and is local afterwards with its time", async (t) => {
  const log = new ToyLog();
  const remote = await filled(t, "remote", 5_000, chain(log, 3));
  log.take();
  const local = toyCache();
  await solveToy(toySolver(local), chain(log, 3), { caches: [remote.manager], log });
  assert.deepEqual(log.take(), []);
  const [hit] = log.ofKind("vertex-cached");
  assert.equal(hit?.cache, "remote");
  const again = new ToyLog();
  await solveToy(toySolver(local), chain(log, 3), { log: again });
  assert.deepEqual(log.take(), []);
  const outcome = again.ofKind("vertex-cached")[0]?.trace;
  assert.equal(outcome?.outcome.kind, "hit");
  assert.equal(outcome?.candidates[0]?.createdAt, 5_000);
});

test("of several caches the newest result is taken, wherever it is", async (t) => {
  const log = new ToyLog();
  const make = (text: string) => chain(log, 2, () => text);
  const local = await filled(t, "local", 2_000, make("local"));
  const older = await filled(t, "older", 1_000, make("older"));
  const newer = await filled(t, "newer", 3_000, make("newer"));
  const solve = (...caches: ToyCache[]) =>
    solveToy(toySolver(local), make("made"), { caches: caches.map(({ manager }) => manager) });
  assert.equal(await solve(), "local");
  assert.equal(await solve(older), "local");
  assert.equal(await solve(older, newer), "newer");
  assert.equal(await solve(), "newer");
});

test("of results of the same time the imported one is taken, the first import's first", async (t) => {
  const log = new ToyLog();
  const make = (text: string) => chain(log, 2, () => text);
  const caches = [];
  for (const id of ["local", "first", "second"]) caches.push(await filled(t, id, 1_000, make(id)));
  const [local, first, second] = caches as [ToyCache, ToyCache, ToyCache];
  const options = { caches: [first.manager, second.manager] };
  assert.equal(await solveToy(toySolver(local), make("made"), options), "first");
});

test("a key found in one cache goes on in another that has the whole path", async (t) => {
  const log = new ToyLog();
  const remote = await filled(t, "remote", 1_000, chain(log, 4));
  const local = await filled(t, "local", 1_000, chain(log, 2));
  log.take();
  await solveToy(toySolver(local), chain(log, 5), { caches: [remote.manager], log });
  assert.deepEqual(log.take(), ["s4"]);
  assert.deepEqual(log.names("vertex-cached"), ["s3"]);
});

test("a local hit by content teaches the local cache, not the imported one", async (t) => {
  const log = new ToyLog();
  const stage = (name: string) => toy(log, { name, text: () => "same" });
  const copy = (name: string) =>
    toy(log, { name: "copy", inputs: [{ edge: { vertex: stage(name), output: 0 }, content: whole, selector: "/" }] });
  const remote = await filled(t, "remote", 1_000, copy("a"));
  const before = [...remote.keys.walk()].length;
  const local = toyCache();
  log.take();
  await solveToy(toySolver(local), copy("b"), { caches: [remote.manager] });
  assert.deepEqual(log.take(), ["b"]);
  assert.equal([...remote.keys.walk()].length, before);
  await solveToy(toySolver(local), copy("b"));
  assert.deepEqual(log.take(), []);
});

test("a load that fails gives way to the next candidate, then to execution", async (t) => {
  const log = new ToyLog();
  const make = (text: string) => chain(log, 2, () => text);
  const local = await filled(t, "local", 1_000, make("local"));
  const remote = await filled(t, "remote", 2_000, make("remote"));
  remote.results.load = () => {
    throw new VarveError("remote", "Cannot fetch blob: status 503");
  };
  log.take();
  const options = { caches: [remote.manager], log };
  assert.equal(await solveToy(toySolver(local), make("made"), options), "local");
  assert.deepEqual(log.take(), []);
  const [hit] = log.ofKind("vertex-cached");
  assert.deepEqual(
    hit?.trace.candidates.map(({ cache, outcome }) => [cache, outcome]),
    [
      ["remote", { kind: "failed", reason: "Cannot fetch blob: status 503" }],
      ["local", { kind: "loaded" }],
    ],
  );
  assert.equal(await solveToy(toySolver(toyCache()), make("made"), options), "made");
  assert.equal(log.ofKind("vertex-completed").at(-1)?.trace.outcome.kind, "load-failed");
});

test("an import that fails counts as empty and is told of once", async () => {
  const log = new ToyLog();
  const bad = toyCache("bad");
  bad.keys.links = () => {
    throw new VarveError("corrupt", "Cannot read cache: not JSON");
  };
  const text = await solveToy(toySolver(toyCache()), chain(log, 3), { caches: [bad.manager], log });
  assert.equal(text, "s2(s1(s0()))");
  assert.ok(log.ofKind("cache-failed").length >= 1);
  assert.equal(log.ofKind("cache-failed")[0]?.cache, "bad");
});

test("lower layers that come along with an imported result are kept too", async (t) => {
  const log = new ToyLog();
  const { keys, results } = await filled(t, "remote", 1_000, chain(log, 3));
  const withParents = {
    save: () => undefined,
    load: results.load.bind(results),
    exists: results.exists.bind(results),
    loadWithParents: () => {
      const all = [...keys.walk()].flatMap((key) => {
        const [stored] = keys.results(key);
        if (stored === undefined) return [];
        return [[key, { result: results.load(stored), createdAt: stored.createdAt }] as const];
      });
      return new Map(all);
    },
  };
  const local = toyCache();
  const manager = new CacheManager<Toy>({ id: "remote", keys, results: withParents });
  await solveToy(toySolver(local), chain(log, 3), { caches: [manager] });
  log.take();
  await solveToy(toySolver(local), chain(log, 2));
  assert.deepEqual(log.take(), []);
});

test("what comes along with an imported result keeps its own time, even where its record has a newer result", async (t) => {
  const log = new ToyLog();
  const { keys, results } = await filled(t, "remote", 1_000, chain(log, 3));
  const older = new Map<string, { result: Toy; createdAt: number }>();
  const all = [...keys.walk()];
  for (const key of all) {
    const [stored] = keys.results(key);
    if (stored === undefined) continue;
    older.set(key, { result: results.load(stored), createdAt: stored.createdAt });
    const newer = results.save({ text: "newer" }, 3_000);
    keys.write([{ kind: "result", key, result: newer }]);
  }
  const loads = { save: () => undefined, exists: () => true, load: () => ({ text: "newer" }) };
  const remote = new CacheManager<Toy>({ id: "remote", keys, results: { ...loads, loadWithParents: () => older } });
  const local = toyCache();
  await solveToy(toySolver(local), chain(log, 3), { caches: [remote] });
  const again = new ToyLog();
  assert.equal(await solveToy(toySolver(local), chain(again, 2), { log: again }), "s1(s0())");
  assert.equal(again.ofKind("vertex-cached")[0]?.trace.candidates[0]?.createdAt, 1_000);
});
