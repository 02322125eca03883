import assert from "node:assert/strict";
import { test } from "node:test";
import { timestampMs } from "./messages.ts";
import { setImmediate } from "node:timers/promises";
import { EPOCH, log, status, vertex, warning } from "../../../testing/build-events.ts";
import { digestOf } from "../../core/index.ts";
import type { BuildEvent } from "../../engine/index.ts";
import { collect } from "../../io/index.ts";
import { LogClipper } from "./clip-log.ts";
import type { StatusMessage } from "./messages.ts";
import { StatusLog } from "./status-log.ts";
import { traceBlob } from "./trace.ts";

const UNLIMITED = { size: -1, speed: -1 };

async function read(log: StatusLog): Promise<StatusMessage[]> {
  return await Array.fromAsync(log.read());
}

/** Appends events and closes the log. */
function logOf(...events: readonly BuildEvent[]): StatusLog {
  const log = new StatusLog(UNLIMITED);
  for (const event of events) log.append(event);
  log.close();
  return log;
}

const texts = (messages: readonly Pick<StatusMessage, "logs">[]): string =>
  Buffer.concat(messages.flatMap(({ logs }) => logs.map(({ msg }) => msg))).toString();

/** Describes states of vertices: `RUN a started`. */
function states(messages: readonly Pick<StatusMessage, "vertexes">[]): string[] {
  return messages.flatMap(({ vertexes }) =>
    vertexes.map(({ name, started, completed, cached, error }) => {
      const state = completed ? (cached ? "cached" : error || "done") : started ? "started" : "announced";
      return `${name} ${state}`;
    }),
  );
}

test("every reader gets the whole status, also after the end", async () => {
  const open = new StatusLog(UNLIMITED);
  const early = read(open);
  open.append(vertex("RUN a"));
  open.append(vertex("RUN a", { start: 1 }));
  await setImmediate();
  await setImmediate();
  open.append(log("RUN a", "one\n", 2));
  open.append(log("RUN a", "two\n", 3));
  const late = read(open);
  await setImmediate();
  open.append(vertex("RUN a", { start: 1, end: 4 }));
  open.close();
  open.append(vertex("RUN a", { start: 5 }));
  for (const messages of [await early, await late, await read(open)]) {
    assert.deepEqual(states(messages), ["RUN a announced", "RUN a started", "RUN a done"]);
    assert.equal(texts(messages), "one\ntwo\n");
  }
  assert.ok((await early).length > 1, "a reader does not wait for the end");
  assert.equal((await read(open)).length, 1, "what is known is one message");
});

test("only the newest state of a status is sent", async () => {
  const open = new StatusLog(UNLIMITED);
  open.append(vertex("a", { start: 0 }));
  const reader = open.read();
  for (let current = 1; current <= 5000; current += 1) open.append(status("a", "layer", { current, total: 5000 }));
  open.append(status("a", "other"));
  const first: StatusMessage = (await reader.next()).value;
  open.append(status("a", "layer", { current: 5000, total: 5000, completedAt: EPOCH + 9 }));
  open.close();
  const rest = await Array.fromAsync(reader);
  assert.deepEqual(
    first.statuses.map(({ id, current }) => [id, current]),
    [
      ["layer", 5000n],
      ["other", 0n],
    ],
  );
  const [last, ...none] = rest.flatMap(({ statuses }) => statuses);
  assert.deepEqual(none, []);
  assert.equal(last?.completed && timestampMs(last.completed), EPOCH + 9);
});

test("what was left running is cancelled at the end, unless it was cached", async () => {
  const messages = await read(
    logOf(
      vertex("base", {}),
      vertex("top", {}),
      { ...vertex("RUN a", { start: 1 }), inputs: [digestOf("base")] },
      vertex("RUN b", { start: 1, end: 3, error: "cancelled", cancelled: true }),
      vertex("RUN c", { start: 1, end: 3, error: "no" }),
    ),
  );
  assert.deepEqual(states(messages), [
    "base announced",
    "top announced",
    "base cached",
    "RUN a started",
    "RUN b context canceled",
    "RUN c no",
    "RUN a context canceled",
  ]);
  const again = logOf(
    vertex("a", { start: 1 }),
    { ...vertex("b", { start: 2, end: 2, cached: true }), inputs: [digestOf("a")] },
    vertex("a", { start: 3 }),
  );
  assert.deepEqual(states(await read(again)).at(-1), "a done", "a vertex below a cached one was not cancelled");
  assert.deepEqual(again.counts, { total: 2, cached: 2, completed: 2, warnings: 0 });
});

test("a vertex is announced before anything that refers to it, and warnings find a vertex", async () => {
  const messages = await read(
    logOf(
      warning("early"),
      vertex("[internal] load build definition from Dockerfile", { start: 1, end: 2 }),
      vertex("RUN a"),
      warning("late"),
      log("unknown", "x"),
      {
        kind: "warning",
        vertex: digestOf("RUN a"),
        short: "Rule: text",
        detail: ["why"],
        url: "https://x.test",
        location: { file: "Dockerfile", line: 2 },
        source: {
          name: "Dockerfile",
          text: "FROM a\nRUN a\\\nb\n",
          ranges: [{ start: { line: 2, column: 1 }, end: { line: 3, column: 2 } }],
        },
      },
      {
        kind: "warning",
        vertex: digestOf("RUN a"),
        short: "of a client",
        detail: [],
        level: 3,
        source: { name: "x", text: "y", ranges: [{ start: { line: 2, column: 0 }, end: { line: 4, column: 1 } }] },
      },
    ),
  );
  const announced = new Set<string>();
  for (const { vertexes, logs, warnings } of messages) {
    for (const { digest } of vertexes) announced.add(digest);
    for (const { vertex: digest } of [...logs, ...warnings]) assert.ok(announced.has(digest));
  }
  const warnings = messages.flatMap((message) => message.warnings);
  const load = digestOf("[internal] load build definition from Dockerfile");
  assert.deepEqual(
    warnings.map(({ vertex: digest, short }) => [digest, Buffer.from(short).toString()]),
    [
      [load, "early"],
      [load, "late"],
      [digestOf("RUN a"), "Rule: text (line 2)"],
      [digestOf("RUN a"), "of a client"],
    ],
  );
  const own = warnings.at(-1);
  assert.equal(own?.level, 3n);
  assert.deepEqual(own?.ranges, [{ start: { line: 2, character: 0 }, end: { line: 4, character: 1 } }]);
  const last = warnings.at(-2);
  assert.equal(last?.level, 1n);
  assert.equal(last?.info?.filename, "Dockerfile");
  assert.deepEqual(
    last?.ranges.map(({ start, end }) => [start.line, end.line]),
    [
      [2, 2],
      [3, 3],
    ],
  );
});

test("output is split into messages of about 1 MiB", async () => {
  const events = Array.from({ length: 40 }, (_, index) => log("a", Buffer.alloc(100_000, 97 + (index % 26)), index));
  const messages = await read(logOf(vertex("a", { start: 0 }), ...events));
  const sizes = messages.map(({ logs }) => logs.reduce((sum, { msg }) => sum + msg.length, 0));
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    4_000_000,
  );
  assert.ok(sizes.length >= 4 && sizes.every((size) => size <= 1024 * 1024));
  assert.equal(messages.filter(({ vertexes }) => vertexes.length > 0).length, 1);
});

test("of more than 64 MiB of output the oldest is dropped", async () => {
  const chunk = Buffer.alloc(1024 * 1024, "x");
  const events = Array.from({ length: 70 }, (_, index) => log("a", chunk, index));
  const messages = await read(logOf(vertex("a", { start: 0 }), ...events));
  const logs = messages.flatMap((message) => message.logs);
  const size = logs.reduce((sum, { msg }) => sum + msg.length, 0);
  assert.ok(size > 60 * 1024 * 1024 && size <= 64 * 1024 * 1024, String(size));
  assert.equal(logs.at(-1) && timestampMs(logs.at(-1)!.timestamp), EPOCH + 69);
});

test("the output of a step is clipped, and its end is sent when the step ends", async () => {
  const open = new StatusLog({ size: 1000, speed: -1 });
  open.append(vertex("a", { start: 0 }));
  for (let index = 0; index < 300; index += 1) open.append(log("a", `line ${String(index).padStart(4, "0")}\n`));
  open.append(vertex("a", { start: 0, end: 5 }));
  open.close();
  const text = texts(await read(open));
  const [start = "", end = ""] = text.split("\n[output clipped, log limit 1000B reached]\n");
  assert.equal(start.length, 1000);
  assert.ok(end.startsWith("line 0100\n") && end.endsWith("line 0299\n"), end.slice(0, 20));
});

test("the speed of output is limited by the seconds since the start of the step", () => {
  const clipper = new LogClipper({ size: 10_000, speed: 1024 }, 0);
  const push = (size: number, at: number): string => Buffer.from(clipper.push(Buffer.alloc(size, "a"), at)).toString();
  assert.equal(push(1000, 1), "a".repeat(1000));
  assert.equal(push(100, 2), `${"a".repeat(24)}\n[output clipped, log limit 1KiB/s reached]\n`);
  assert.equal(push(100, 3), "");
  assert.equal(push(100, 1500), "a".repeat(100), "the next second");
  assert.equal(clipper.end()?.length, 300);
  const large = new LogClipper({ size: 10, speed: -1 }, 0);
  large.push(Buffer.alloc(300_000, "a"), 0);
  large.push(Buffer.alloc(100_000, "b"), 0);
  const end = Buffer.from(large.end() ?? []).toString();
  assert.equal(end, "a".repeat(256 * 1024 - 100_000) + "b".repeat(100_000));
});

test("a reader ends when its signal is aborted", async () => {
  const open = new StatusLog(UNLIMITED);
  const controller = new AbortController();
  const reading = Array.fromAsync(open.read(controller.signal));
  controller.abort();
  await assert.rejects(reading, { code: "cancelled" });
});

function bytesOf(data: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return data instanceof Uint8Array ? streamOf([data]) : data;
}

async function* streamOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

test("the trace of a build has a span for each interval of a vertex, and each of its statuses", async () => {
  const log = logOf(
    vertex("FROM a"),
    vertex("FROM a", { start: 1 }),
    vertex("FROM a", { start: 1, end: 2 }),
    vertex("FROM a", { start: 5, end: 9, error: "no <way>" }),
    status("FROM a", "layer", { startedAt: EPOCH + 6, completedAt: EPOCH + 7, current: 5 }),
    status("FROM a", "unfinished", { startedAt: EPOCH + 6 }),
    status("FROM a", "elsewhere", { startedAt: EPOCH + 3, completedAt: EPOCH + 4 }),
    vertex("RUN b", { start: 3, end: 3, cached: true }),
    vertex("never"),
  );
  const { mediaType, data } = await traceBlob(log, { ref: "r", createdAt: EPOCH });
  assert.equal(mediaType, "application/vnd.buildkit.otlp.json.v0");
  const text = (await collect(bytesOf(data), 1e6, { what: "a trace" })).toString();
  const spans = text
    .split(/\n(?=\{)/)
    .map((span) => JSON.parse(span) as Record<string, unknown> & { SpanContext: { SpanID: string; TraceID: string } });
  assert.deepEqual(
    spans.map(({ Name, StartTime, EndTime, Status }) => [Name, StartTime, EndTime, Status]),
    [
      ["build", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.009Z", { Code: 0, Description: "" }],
      ["FROM a", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.002Z", { Code: 0, Description: "" }],
      ["RUN b", "2026-01-01T00:00:00.003Z", "2026-01-01T00:00:00.003Z", { Code: 0, Description: "" }],
      ["FROM a", "2026-01-01T00:00:00.005Z", "2026-01-01T00:00:00.009Z", { Code: 1, Description: "no <way>" }],
      ["layer", "2026-01-01T00:00:00.006Z", "2026-01-01T00:00:00.007Z", { Code: 0, Description: "" }],
    ],
  );
  assert.equal(new Set(spans.map(({ SpanContext }) => SpanContext.SpanID)).size, 5);
  assert.deepEqual(
    spans.slice(1).map(({ Parent }) => Parent),
    [0, 0, 0, 3].map((parent) => spans[parent]?.SpanContext),
  );
  assert.deepEqual(
    spans.map(({ ChildSpanCount }) => ChildSpanCount),
    [3, 0, 0, 1, 0],
  );
  assert.deepEqual(spans[4]?.["Attributes"], [
    { Key: "vertex", Value: { Type: "STRING", Value: digestOf("FROM a") } },
    { Key: "current", Value: { Type: "INT64", Value: 5 } },
  ]);
  assert.match(spans[0]?.SpanContext.TraceID ?? "", /^[\da-f]{32}$/);
});
