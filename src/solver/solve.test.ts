import assert from "node:assert/strict";
import { test } from "node:test";
import { ToyLog, type ToySpec, solveToy, toy, toyCache, toySolver, whole } from "../../testing/toy-graph.ts";

test("an empty cache: everything runs once, inputs first", async () => {
  const log = new ToyLog();
  const base = toy(log, { name: "base" });
  const left = toy(log, { name: "left", inputs: [base] });
  const right = toy(log, { name: "right", inputs: [base] });
  const top = toy(log, { name: "top", inputs: [left, right] });
  assert.equal(await solveToy(toySolver(toyCache()), top, { log }), "top(left(base()),right(base()))");
  assert.deepEqual(log.take(), ["base", "left", "right", "top"]);
  assert.deepEqual(log.names("vertex-completed").at(-1), "top");
});

test("a chain that is cached: only the last result is loaded", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  let vertex = toy(log, { name: "s0" });
  for (let i = 1; i < 20; i += 1) vertex = toy(log, { name: `s${i}`, inputs: [vertex] });
  const first = await solveToy(toySolver(cache), vertex);
  log.take();
  assert.equal(await solveToy(toySolver(cache), vertex, { log }), first);
  assert.deepEqual(log.take(), []);
  assert.deepEqual(log.names("vertex-cached"), ["s19"]);
  assert.equal(log.ofKind("vertex-skipped").length, 19);
  assert.ok(log.ofKind("vertex-skipped").every(({ cache }) => cache === "local"));
});

test("a changed vertex runs on the loaded result of its input", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base" });
  const mid = toy(log, { name: "mid", inputs: [base] });
  await solveToy(toySolver(cache), toy(log, { name: "old", inputs: [mid] }));
  log.take();
  assert.equal(await solveToy(toySolver(cache), toy(log, { name: "new", inputs: [mid] }), { log }), "new(mid(base()))");
  assert.deepEqual(log.take(), ["new"]);
  assert.deepEqual(log.names("vertex-cached"), ["mid"]);
  const [completed] = log.ofKind("vertex-completed");
  assert.deepEqual(completed?.trace.outcome, { kind: "no-record", input: 0 });
});

test("content keys: equal content hits although the input's definition is new", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const context = (salt: string, text: string) =>
    toy(log, { name: "context", session: true, key: salt, salt, text: () => text });
  const copy = (salt: string, text: string) =>
    toy(log, { name: "copy", inputs: [{ edge: { vertex: context(salt, text), output: 0 }, content: whole }] });
  const run = (salt: string, text: string) => toy(log, { name: "run", inputs: [copy(salt, text)] });
  await solveToy(toySolver(cache), run("1", "hello"));
  assert.deepEqual(log.take(), ["context", "copy", "run"]);
  await solveToy(toySolver(cache), run("2", "hello"), { log });
  assert.deepEqual(log.take(), ["context"]);
  assert.deepEqual(log.names("vertex-cached"), ["run"]);
  await solveToy(toySolver(cache), run("3", "other"));
  assert.deepEqual(log.take(), ["context", "copy", "run"]);
});

test("session keys are never stored", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const context = toy(log, { name: "context", session: true });
  const run = toy(log, { name: "run", inputs: [context] });
  await solveToy(toySolver(cache), run);
  log.take();
  await solveToy(toySolver(cache), run);
  assert.deepEqual(log.take(), ["context", "run"]);
  assert.deepEqual([...cache.keys.walk()], []);
});

test("after a hit by content the definition key hits too", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const stage = (name: string) => toy(log, { name, text: () => "same" });
  const copy = (name: string) =>
    toy(log, { name: "copy", inputs: [{ edge: { vertex: stage(name), output: 0 }, content: whole, selector: "/" }] });
  await solveToy(toySolver(cache), copy("a"));
  await solveToy(toySolver(cache), copy("b"));
  assert.deepEqual(log.take(), ["a", "b", "copy"]);
  log.digested.length = 0;
  await solveToy(toySolver(cache), copy("b"), { log });
  assert.deepEqual(log.take(), []);
  assert.deepEqual(log.digested, []);
  assert.deepEqual(log.names("vertex-cached"), ["copy"]);
});

test("several cache maps: the second is requested only if the first does not match", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const image = (manifest: string) => toy(log, { name: "image", key: [manifest, "layers"], salt: manifest });
  const run = (manifest: string) => toy(log, { name: "run", inputs: [image(manifest)] });
  await solveToy(toySolver(cache), run("m1"));
  assert.deepEqual(log.take(), ["image", "run"]);
  log.mapped.length = 0;
  await solveToy(toySolver(cache), run("m1"));
  assert.deepEqual(log.mapped.sort(), ["image#0", "run#0"]);
  await solveToy(toySolver(cache), run("m2"));
  assert.deepEqual(log.take(), []);
  log.mapped.length = 0;
  await solveToy(toySolver(cache), run("m2"));
  assert.deepEqual(log.mapped.sort(), ["image#0", "run#0"]);
});

test("a selector is part of the link", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const base = toy(log, { name: "base" });
  const take = (selector: string) =>
    toy(log, { name: "take", inputs: [{ edge: { vertex: base, output: 0 }, selector }] });
  await solveToy(toySolver(cache), take("/a"));
  log.take();
  await solveToy(toySolver(cache), take("/b"));
  assert.deepEqual(log.take(), ["take"]);
});

test("outputs have records of their own", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const both = toy(log, { name: "both", outputs: 2 });
  const solver = toySolver(cache);
  const edges = [0, 1].map((output) => ({ vertex: both, output }));
  const texts = async () => (await solver.solve(edges)).map(({ result }) => result.text);
  assert.deepEqual(await texts(), ["both()", "both.1()"]);
  assert.deepEqual(log.take(), ["both"]);
  assert.deepEqual(await texts(), ["both()", "both.1()"]);
  assert.deepEqual(log.take(), []);
});

test("two phases: an input with a match is not made until the others have one", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const stage = toy(log, { name: "stage", text: () => "stage" });
  const context = (salt: string, text: string) =>
    toy(log, { name: "context", session: true, key: salt, salt, text: () => text });
  const join = (salt: string, text: string) =>
    toy(log, {
      name: "join",
      inputs: [
        { edge: { vertex: stage, output: 0 }, content: whole },
        { edge: { vertex: context(salt, text), output: 0 }, content: whole },
      ],
    });
  await solveToy(toySolver(cache), join("1", "x"));
  log.take();
  log.digested.length = 0;
  await solveToy(toySolver(cache), join("2", "x"), { log });
  assert.deepEqual(log.take(), ["context"]);
  assert.deepEqual(log.digested, ["join<x"]);
  assert.deepEqual(log.names("vertex-cached"), ["join"]);
});

test("a consumer that misses does not make its input's inputs when there is a result to load", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const stage = toy(log, { name: "stage" });
  const base = toy(log, { name: "base" });
  const copy = toy(log, { name: "copy", inputs: [base, { edge: { vertex: stage, output: 0 }, content: whole }] });
  await solveToy(toySolver(cache), toy(log, { name: "old", inputs: [copy] }));
  log.take();
  log.digested.length = 0;
  await solveToy(toySolver(cache), toy(log, { name: "new", inputs: [copy] }), { log });
  assert.deepEqual(log.take(), ["new"]);
  assert.deepEqual(log.digested, []);
  assert.deepEqual(log.names("vertex-cached"), ["copy"]);
});

test("inputs are preloaded before the op runs, and never for a hit", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  let preloads = 0;
  const preload = async () => {
    preloads += 1;
    await Promise.resolve();
  };
  const base = toy(log, { name: "base" });
  const run = toy(log, { name: "run", inputs: [{ edge: { vertex: base, output: 0 }, preload }] });
  await solveToy(toySolver(cache), run);
  assert.equal(preloads, 1);
  await solveToy(toySolver(cache), run);
  assert.equal(preloads, 1);
});

test("a result that the op recalls is a hit, and is saved with its own time", async () => {
  const log = new ToyLog();
  const cache = toyCache();
  const step = (name: string, more: Partial<ToySpec> = {}) =>
    toy(log, { name: "step", key: "step", inputs: [toy(log, { name })], ...more });
  const recall = ([input]: readonly string[]): string | undefined => (input === "b()" ? "old" : undefined);
  assert.equal(await solveToy(toySolver(cache), step("a", { recall })), "step(a())");
  assert.deepEqual(log.take(), ["a", "step"]);
  assert.equal(await solveToy(toySolver(cache), step("b", { recall, ignoreCache: true })), "step(b())");
  assert.deepEqual(log.take(), ["b", "step"]);
  const fresh = toyCache();
  assert.equal(await solveToy(toySolver(fresh), step("b", { recall }), { log }), "old");
  assert.deepEqual(log.take(), ["b"]);
  assert.deepEqual(
    log.ofKind("vertex-cached").map((event) => [event.name, event.cache]),
    [["step", "recalled"]],
  );
  assert.equal(await solveToy(toySolver(fresh), step("b")), "old");
  assert.deepEqual(log.take(), []);
  assert.equal(await solveToy(toySolver(fresh), toy(log, { name: "after", inputs: [step("b")] })), "after(old)");
});
