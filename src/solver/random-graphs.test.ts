import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Toy, ToyLog, toy, toyCache, toySolver } from "../../testing/toy-graph.ts";
import type { SolverVertex } from "./index.ts";

interface Node {
  readonly kind: "plain" | "session" | "ignoring";
  /** Few, so that different vertices often have equal keys. */
  readonly op: number;
  readonly salt: number;
  /** How far back each input is, and whether it is taken by content. */
  readonly inputs: readonly { readonly back: number; readonly byContent: boolean }[];
  readonly isTwoMaps: boolean;
  readonly pause: number;
}

const node = (kinds: readonly Node["kind"][]): fc.Arbitrary<Node> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    op: fc.nat(3),
    salt: fc.nat(2),
    inputs: fc.array(fc.record({ back: fc.nat(6), byContent: fc.boolean() }), { maxLength: 3 }),
    isTwoMaps: fc.boolean(),
    pause: fc.nat(3),
  });

const graphs = (...kinds: readonly Node["kind"][]): fc.Arbitrary<Node[]> =>
  fc.array(node(kinds), { minLength: 1, maxLength: 10 });

async function pause(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** What an op reads of an input by content: its first letter. */
const read = (text: string): string => text.slice(0, 2);

interface Built {
  readonly vertex: SolverVertex<Toy>;
  /** What its result must be. */
  readonly text: string;
  /** Made anew by every solve that needs it: a session's, an ignoring one, or by definition on top of one. */
  readonly isVolatile: boolean;
}

/** The vertices of a graph; each may take those before it as inputs. */
function build(log: ToyLog, nodes: readonly Node[]): Built[] {
  const built: Built[] = [];
  for (const [index, { kind, op, salt, inputs, isTwoMaps, pause: turns }] of nodes.entries()) {
    const sources = kind === "session" || index === 0 ? [] : inputs;
    const taken = sources.map(({ back, byContent }) => ({
      byContent,
      from: built[Math.max(0, index - 1 - back)] as Built,
    }));
    const isRoot = taken.length === 0;
    const make = (texts: readonly string[]): string => {
      const seen = texts.map((text, at) => (taken[at]?.byContent === true ? read(text) : text));
      return `${String.fromCodePoint(97 + op)}${isRoot ? salt : ""}(${seen.join()})`;
    };
    const name = `${kind}${op}${isRoot ? `s${salt}` : ""}`;
    const vertex = toy(log, {
      name,
      key:
        isRoot && isTwoMaps && kind !== "session"
          ? [`${name}/${index}`, name]
          : `${name}:${taken.map(({ byContent }) => byContent).join()}`,
      salt: `${index}`,
      session: kind === "session",
      ignoreCache: kind === "ignoring",
      inputs: taken.map(({ from, byContent }) => ({
        edge: { vertex: from.vertex, output: 0 },
        ...(byContent ? { content: read } : {}),
      })),
      beforeMap: () => pause(turns),
      work: () => pause(turns),
      text: make,
    });
    const isVolatile = kind !== "plain" || taken.some(({ from }) => from.isVolatile);
    built.push({ vertex, text: make(taken.map(({ from }) => from.text)), isVolatile });
  }
  return built;
}

const top = (built: readonly Built[]): Built => built.at(-1) as Built;

test("results are right, whatever is cached, and a warm cache executes nothing", { timeout: 60_000 }, async () => {
  const log = new ToyLog();
  await fc.assert(
    fc.asyncProperty(fc.array(graphs("plain"), { minLength: 1, maxLength: 4 }), async (history) => {
      const cache = toyCache();
      for (const nodes of history) {
        const goal = top(build(log, nodes));
        for (const isWarm of [false, true]) {
          log.take();
          const [solved] = await toySolver(cache).solve([{ vertex: goal.vertex, output: 0 }]);
          assert.equal(solved?.result.text, goal.text);
          if (isWarm) assert.deepEqual(log.take(), []);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test(
  "with parts of the cache gone, only what is gone, or has no key that lasts, is executed",
  { timeout: 60_000 },
  async () => {
    const log = new ToyLog();
    await fc.assert(
      fc.asyncProperty(graphs("plain", "plain", "session"), fc.array(fc.nat(9)), async (nodes, losses) => {
        const cache = toyCache();
        const built = build(log, nodes);
        const edges = built.map(({ vertex }) => ({ vertex, output: 0 }));
        const first = await toySolver(cache).solve(edges);
        const lost = new Set<string>();
        for (const loss of losses) {
          const solved = first[loss % first.length];
          if (solved === undefined) continue;
          cache.results.delete(cache.results.save(solved.result, 0).id);
          for (const [index, { vertex }] of built.entries())
            if (first[index]?.result === solved.result) lost.add(vertex.name);
        }
        for (const { vertex, isVolatile } of built) if (isVolatile) lost.add(vertex.name);
        log.take();
        const goal = top(built);
        const [solved] = await toySolver(cache).solve([{ vertex: goal.vertex, output: 0 }]);
        assert.equal(solved?.result.text, goal.text);
        for (const name of log.take()) assert.ok(lost.has(name), `${name} was executed`);
      }),
      { numRuns: 150 },
    );
  },
);

test("vertices that ignore the cache run, and all results are right", { timeout: 60_000 }, async () => {
  const log = new ToyLog();
  await fc.assert(
    fc.asyncProperty(graphs("plain", "plain", "ignoring", "session"), async (nodes) => {
      const cache = toyCache();
      for (let round = 0; round < 3; round += 1) {
        log.take();
        const built = build(log, nodes);
        const solved = await toySolver(cache).solve(built.map(({ vertex }) => ({ vertex, output: 0 })));
        assert.deepEqual(
          solved.map(({ result }) => result.text),
          built.map(({ text }) => text),
        );
        const ran = new Set(log.take());
        for (const { vertex } of built) if (vertex.ignoreCache) assert.ok(ran.has(vertex.name), vertex.name);
      }
    }),
    { numRuns: 100 },
  );
});

test("concurrent solves, some of them cancelled: no hang, no leak, right results", { timeout: 60_000 }, async () => {
  const log = new ToyLog();
  const solves = fc.array(fc.record({ graph: fc.nat(2), cancelAfter: fc.option(fc.nat(12)), startAfter: fc.nat(8) }), {
    minLength: 2,
    maxLength: 6,
  });
  const several = fc.array(graphs("plain", "plain", "session", "ignoring"), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(several, solves, async (choice, plan) => {
      const solver = toySolver(toyCache(), { limits: { all: 2 } });
      const run = async ({ graph, cancelAfter, startAfter }: (typeof plan)[number]): Promise<void> => {
        await pause(startAfter);
        const goal = top(build(log, choice[graph % choice.length] as Node[]));
        const controller = new AbortController();
        const solving = solver.solve([{ vertex: goal.vertex, output: 0 }], { signal: controller.signal });
        if (cancelAfter !== null) {
          void pause(cancelAfter).then(() => controller.abort());
          const outcome = await solving.catch(() => undefined);
          if (outcome !== undefined) assert.equal(outcome[0]?.result.text, goal.text);
          return;
        }
        assert.equal((await solving)[0]?.result.text, goal.text);
      };
      await Promise.all(plan.map(run));
      assert.equal(solver.activeVertices, 0);
      assert.equal(log.running, 0);
    }),
    { numRuns: 250 },
  );
});

test("nothing is executed twice when equal solves run at once", { timeout: 60_000 }, async () => {
  const log = new ToyLog();
  await fc.assert(
    fc.asyncProperty(
      graphs("plain", "session"),
      fc.array(fc.nat(6), { minLength: 2, maxLength: 4 }),
      async (nodes, starts) => {
        const solver = toySolver(toyCache());
        log.take();
        await Promise.all(
          starts.map(async (turns) => {
            const goal = top(build(log, nodes));
            const edges = [{ vertex: goal.vertex, output: 0 }];
            const job = solver.open();
            const solving = job.solve(edges);
            await pause(turns);
            assert.equal((await solving)[0]?.result.text, goal.text);
            await job[Symbol.asyncDispose]();
          }),
        );
        const counts = Map.groupBy(log.take(), (name) => name);
        const distinct = Map.groupBy(build(log, nodes), ({ vertex }) => vertex.name);
        for (const [name, runs] of counts)
          assert.ok(runs.length <= (distinct.get(name)?.length ?? 0), `${name} ran too often`);
      },
    ),
    { numRuns: 150 },
  );
});
