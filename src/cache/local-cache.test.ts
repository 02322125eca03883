import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { cacheKeyStoreContract } from "../../testing/contracts/cache-key-store.ts";
import { cacheResultStoreContract } from "../../testing/contracts/cache-result-store.ts";
import { type Toy, ToyLog, solveToy, toy } from "../../testing/toy-graph.ts";
import { digestOf } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { Solver } from "../solver/index.ts";
import { openState } from "../state/index.ts";
import { type ResultTable, SqliteKeyStore, TableResultStore, localCache, pruneCache } from "./index.ts";

/** Results that are named by their text. */
class Texts implements ResultTable<Toy> {
  readonly kept: Map<string, Toy> = new Map();

  get(id: string): Toy | undefined {
    return this.kept.get(id);
  }

  id(result: Toy): string | undefined {
    if (result.text.startsWith("nameless")) return undefined;
    this.kept.set(result.text, result);
    return result.text;
  }
}

cacheKeyStoreContract("sqlite", async () => {
  const dir = await temporaryDirectory();
  const state = openState(join(dir.path, "state.db"));
  const dispose = async (): Promise<void> => {
    state.close();
    await dir[Symbol.asyncDispose]();
  };
  return { store: new SqliteKeyStore(state), [Symbol.asyncDispose]: dispose };
});

cacheResultStoreContract("table", () => {
  const table = new Texts();
  let n = 0;
  const make = (): Toy => ({ text: `t${(n += 1)}` });
  const lose = ({ text }: Toy): void => void table.kept.delete(text);
  const store = new TableResultStore(table);
  return Promise.resolve({ store, make, lose, [Symbol.asyncDispose]: () => Promise.resolve() });
});

test("another process finds the results of a build", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  const log = new ToyLog();
  const texts = new Texts();
  const graph = toy(log, { name: "top", inputs: [toy(log, { name: "mid", inputs: [toy(log, { name: "base" })] })] });
  for (const expected of [["base", "mid", "top"], []]) {
    using state = openState(path);
    const solver = new Solver({ cache: localCache(state, texts) });
    assert.equal(await solveToy(solver, graph), "top(mid(base()))");
    assert.deepEqual(log.take(), expected);
  }
});

test("a missing result is removed when a search finds it, and another result of its key is used", async () => {
  using state = openState(":memory:");
  const log = new ToyLog();
  const texts = new Texts();
  let made = 0;
  const graph = (ignoreCache: boolean) =>
    toy(log, { name: "run", inputs: [toy(log, { name: "base" })], ignoreCache, text: () => `run ${(made += 1)}` });
  const solve = (ignoreCache = false) => solveToy(new Solver({ cache: localCache(state, texts) }), graph(ignoreCache));
  assert.equal(await solve(), "run 1");
  assert.equal(await solve(true), "run 2");
  texts.kept.delete("run 2");
  assert.equal(await solve(), "run 1");
  assert.deepEqual(new SqliteKeyStore(state).keysOfResult("run 2"), []);
  texts.kept.delete("run 1");
  assert.equal(await solve(), "run 3");
});

test("pruning removes exactly the missing results and the links that lead to none", async () => {
  using state = openState(":memory:");
  const log = new ToyLog();
  const texts = new Texts();
  const base = toy(log, { name: "base" });
  const mid = toy(log, { name: "mid", inputs: [base] });
  const tops = ["a", "b"].map((name) => toy(log, { name, inputs: [mid] }));
  const solver = new Solver({ cache: localCache(state, texts) });
  await solver.solve(tops.map((vertex) => ({ vertex, output: 0 })));
  log.take();
  for (const text of ["mid(base())", "a(mid(base()))"]) texts.kept.delete(text);
  assert.deepEqual(pruneCache(state, texts), { results: 2, links: 0 });
  const [a, b] = tops;
  assert.ok(a !== undefined && b !== undefined);
  await solveToy(solver, b);
  assert.deepEqual(log.take(), []);
  for (const text of texts.kept.keys()) texts.kept.delete(text);
  pruneCache(state, texts);
  assert.deepEqual(new SqliteKeyStore(state).walk(), []);
});

test("links that lead to no result are pruned at any depth", () => {
  using state = openState(":memory:");
  const keys = new SqliteKeyStore(state);
  const link = { input: 0, output: 0, digest: digestOf("op"), selector: "" } as const;
  keys.write([
    { kind: "link", from: "a", link, to: "b" },
    { kind: "link", from: "b", link, to: "c" },
    { kind: "link", from: "a", link, to: "x" },
    { kind: "result", key: "x", result: { id: "r", createdAt: 1 } },
  ]);
  assert.equal(keys.pruneLinks(), 2);
  assert.deepEqual(keys.walk().sort(), ["a", "x"]);
});

test("the key of a result that cannot be stored still links its inputs to its dependents", async () => {
  using state = openState(":memory:");
  const log = new ToyLog();
  const texts = new Texts();
  const base = toy(log, { name: "base", text: () => "nameless" });
  const top = toy(log, { name: "top", inputs: [base], text: () => "top" });
  const solver = new Solver({ cache: localCache(state, texts) });
  await solveToy(solver, top);
  assert.deepEqual(log.take(), ["base", "top"]);
  assert.equal(await solveToy(solver, top), "top");
  assert.deepEqual(log.take(), []);
});

test("two processes that save the same keys at the same time write the same ids", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "state.db");
  openState(path).close();
  const script = `
    import { Solver } from ${JSON.stringify(new URL("../solver/index.ts", import.meta.url).href)};
    import { openState } from ${JSON.stringify(new URL("../state/index.ts", import.meta.url).href)};
    import { localCache } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
    import { ToyLog, toy } from ${JSON.stringify(new URL("../../testing/toy-graph.ts", import.meta.url).href)};
    const state = openState(process.argv[1]);
    const log = new ToyLog();
    let vertex = toy(log, { name: "s0" });
    for (let i = 1; i < 30; i += 1) vertex = toy(log, { name: "s" + i, inputs: [vertex] });
    const table = { get: (text) => ({ text }), id: ({ text }) => text };
    await new Solver({ cache: localCache(state, table) }).solve([{ vertex, output: 0 }]);
    state.close();`;
  const run = async (): Promise<void> => {
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, path], { stdio: "inherit" });
    assert.deepEqual(await once(child, "close"), [0, null]);
  };
  await Promise.all([run(), run(), run()]);
  using state = openState(path);
  const keys = new SqliteKeyStore(state);
  assert.equal(keys.walk().length, 30);
  assert.equal(keys.allResults().length, 30);
});
