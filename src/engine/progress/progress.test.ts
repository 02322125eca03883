import assert from "node:assert/strict";
import { test } from "node:test";
import { type Digest, digestOf } from "../../core/index.ts";
import type { SolverEvent } from "../../solver/index.ts";
import type { BuildEvent } from "./events.ts";
import { type AnnouncedVertex, Progress } from "./progress.ts";

const [ONE, TWO, LOAD] = [digestOf("1"), digestOf("2"), digestOf("3")];

const vertex = (digest: Digest): AnnouncedVertex => ({ digest, name: "a step", inputs: [] });

function watch(): {
  progress: Progress;
  events: BuildEvent[];
  tell: (event: object, name?: string, digest?: typeof ONE) => void;
} {
  const events: BuildEvent[] = [];
  const progress = new Progress((event) => void events.push(event));
  const tell = (event: object, name = "RUN a", digest = ONE): void =>
    progress.solver({ digest, name, inputs: [], ...event } as unknown as SolverEvent);
  return { progress, events, tell };
}

test("a step emits events when it starts, logs and ends", () => {
  const { progress, events, tell } = watch();
  progress.expect([vertex(ONE)]);
  tell({ kind: "vertex-started", at: 10 });
  tell({ kind: "vertex-report", at: 15, report: { kind: "log", stream: 2, data: Buffer.from("x") } });
  tell({ kind: "vertex-report", at: 16, report: { kind: "progress", id: "p", current: 1, total: 2, startedAt: 15 } });
  tell({ kind: "vertex-completed", at: 30, startedAt: 10 });
  assert.deepEqual(
    events.map((event) => event.kind),
    ["vertex", "vertex", "log", "status", "vertex"],
  );
  const [announced, started, , , ended] = events;
  assert.ok(announced?.kind === "vertex" && announced.startedAt === undefined);
  assert.ok(started?.kind === "vertex" && started.startedAt === 10 && started.completedAt === undefined);
  assert.ok(ended?.kind === "vertex" && ended.startedAt === 10 && ended.completedAt === 30);
  assert.deepEqual(progress.steps(), [{ name: "RUN a", digest: ONE, status: "run", cache: null, ms: 20 }]);
});

test("cached, failed, cancelled and rolled-back steps emit their states", () => {
  const { progress, events, tell } = watch();
  progress.expect([vertex(ONE), vertex(TWO)]);
  tell({ kind: "vertex-cached", at: 5, cache: "local" });
  tell({ kind: "vertex-started", at: 6 }, "RUN b", TWO);
  tell({ kind: "vertex-failed", at: 9, error: new Error("no") }, "RUN b", TWO);
  tell({ kind: "vertex-cancelled", at: 9 });
  tell({ kind: "vertex-rolled-back", at: 9, cache: "local", reason: "gone" });
  const vertices = events.flatMap((event) => (event.kind === "vertex" ? [event] : []));
  assert.deepEqual(
    vertices.map(({ startedAt, cached, error }) => startedAt && (cached ?? error)),
    [undefined, undefined, true, undefined, "no", "cancelled"],
  );
  assert.match(
    events.flatMap((event) => (event.kind === "warning" ? [event.short] : [])).join(),
    /could not be read.*gone/,
  );
  assert.deepEqual(
    progress.steps().map(({ status, cache, ms }) => [status, cache, ms]),
    [
      ["hit", "local", 0],
      ["failed", null, 3],
    ],
  );
});

test("the end of a step has the time of its start that was emitted", () => {
  const { progress, events, tell } = watch();
  progress.expect([vertex(ONE)]);
  tell({ kind: "vertex-started", at: 11 });
  tell({ kind: "vertex-completed", at: 30, startedAt: 10 });
  const starts = events.map((event) => event.kind === "vertex" && event.startedAt);
  assert.deepEqual(starts, [undefined, 11, 11]);
});

test("a vertex is announced once", () => {
  const { progress, events } = watch();
  progress.expect([ONE, TWO, ONE].map(vertex));
  progress.expect([vertex(TWO)]);
  assert.deepEqual(
    events.map((event) => event.kind === "vertex" && event.digest),
    [ONE, TWO],
  );
});

test("steps are in the order of the Dockerfile, without internal steps", () => {
  const { progress, tell } = watch();
  progress.expect([LOAD, ONE, TWO, ONE].map(vertex));
  tell({ kind: "vertex-completed", at: 2, startedAt: 1 }, "RUN b", TWO);
  tell({ kind: "vertex-completed", at: 2, startedAt: 1 }, "RUN a", ONE);
  tell({ kind: "vertex-completed", at: 2, startedAt: 1 }, "[internal] load build context", LOAD);
  assert.deepEqual(
    progress.steps().map((step) => step.name),
    ["RUN a", "RUN b"],
  );
});

test("an activity is a vertex with statuses; a failure is reported and thrown", async () => {
  const { progress, events } = watch();
  assert.equal(
    await progress.activity(
      "exporting",
      async (activity) => await activity.part("layers", async () => await Promise.resolve(7)),
    ),
    7,
  );
  assert.deepEqual(
    events.map((event) => event.kind),
    ["vertex", "status", "status", "vertex"],
  );
  await assert.rejects(
    progress.activity("exporting", () => Promise.reject(new Error("broken"))),
    /broken/,
  );
  const last = events.at(-1);
  assert.ok(last?.kind === "vertex" && last.error === "broken" && last.completedAt !== undefined);
});

test("a source whose key is known has completed, and completes again when it is fetched", () => {
  const { progress, events, tell } = watch();
  progress.expect([vertex(ONE), vertex(TWO)]);
  tell({ kind: "vertex-started", work: "resolve", at: 10 });
  tell({ kind: "vertex-resolved", at: 12 });
  tell({ kind: "vertex-started", work: "resolve", at: 10 }, "FROM b", TWO);
  tell({ kind: "vertex-resolved", at: 13 }, "FROM b", TWO);
  tell({ kind: "vertex-started", work: "execute", at: 20 });
  tell({ kind: "vertex-completed", at: 30, startedAt: 20 });
  tell({ kind: "vertex-skipped", at: 40 }, "FROM b", TWO);
  const intervals = (digest: Digest): (number | boolean | undefined)[][] =>
    events.flatMap((event) =>
      event.kind === "vertex" && event.digest === digest && event.completedAt !== undefined
        ? [[event.startedAt, event.completedAt, event.resolved]]
        : [],
    );
  assert.deepEqual(intervals(ONE), [
    [10, 12, true],
    [20, 30, undefined],
  ]);
  assert.deepEqual(intervals(TWO), [
    [10, 13, true],
    [10, 13, undefined],
  ]);
});
