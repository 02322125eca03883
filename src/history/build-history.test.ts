import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { digestOf } from "../core/index.ts";
import { collect, temporaryDirectory } from "../io/index.ts";
import { type Database, openState } from "../state/index.ts";
import { BuildHistory } from "./build-history.ts";
import type { BuildOutcome, BuildRecord, BuildRequest, ExportedBlobs, HistoryEvent, ListenRequest } from "./types.ts";

const DAY = 86_400_000;
const STEPS = { total: 5, cached: 3, completed: 5 };
const OUTCOME: BuildOutcome = { steps: STEPS, warnings: 0 };

interface Opened extends AsyncDisposable {
  readonly path: string;
  readonly state: Database;
  readonly history: BuildHistory;
}

async function open(): Promise<Opened> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, "state.db");
  const state = stack.use(openState(path));
  const owned = stack.move();
  return { path, state, history: new BuildHistory(state), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function request(ref: string): BuildRequest {
  const attributes = new Map([
    ["build-arg:A", "1"],
    ["__proto__", "x"],
  ]);
  return {
    ref,
    frontend: "dockerfile.v0",
    attributes,
    exporters: [{ type: "image", attributes: new Map([["name", "a"]]) }],
  };
}

async function record(history: BuildHistory, ref: string, outcome: BuildOutcome = OUTCOME): Promise<BuildRecord> {
  using build = history.start(request(ref));
  return await build.complete(outcome);
}

async function heard(history: BuildHistory, query: ListenRequest = {}): Promise<string[]> {
  const events = await Array.fromAsync(history.listen({ ...query, earlyExit: true }));
  return events.map(described);
}

function described(event: HistoryEvent): string {
  return `${event.kind} ${event.kind === "deleted" ? event.ref : event.record.ref}`;
}

const bytesOf = async (source: AsyncIterable<Uint8Array>): Promise<string> =>
  (await collect(source, 1e9, { what: "a blob" })).toString();

test("a build that has ended is stored whole, and other processes read it", async () => {
  await using opened = await open();
  const document = Buffer.from('{"schemaVersion":2}');
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = { mediaType, digest: digestOf(document), size: document.length, annotations: { a: "b" } };
  const logs = Buffer.from("log\n".repeat(1_000_000));
  const stored = await record(opened.history, "r1", {
    steps: STEPS,
    warnings: 2,
    error: { message: "no", status: 2 },
    externalError: { mediaType: "error", data: Buffer.from("E") },
    metadata: new Map([["containerimage.config", "{}"]]),
    logs: { mediaType: "log", data: logs },
    trace: { mediaType: "trace", data: Buffer.from("T") },
    result: {
      attestations: [{ mediaType: "application/vnd.in-toto+json", data: Buffer.from("{}"), annotations: { k: "v" } }],
      exports: new Map([[1, { descriptor, documents: [{ descriptor, data: document }] }]]),
    },
    results: new Map([["linux/arm64", { attestations: [{ mediaType: "x", data: Buffer.from("arm") }] }]]),
  });
  using other = openState(opened.path);
  const history = new BuildHistory(other);
  const [read, ...rest] = history.list();
  assert.deepEqual(rest, []);
  assert.deepEqual(read, stored);
  assert.deepEqual(read, history.get("r1"));
  assert.equal(read?.attributes.get("__proto__"), "x");
  assert.deepEqual(read?.result?.exports.get(1), descriptor);
  assert.deepEqual(read?.steps, STEPS);
  assert.equal(read?.error?.message, "no");
  const { digest, size } = read?.logs ?? descriptor;
  assert.equal(digest, digestOf(logs));
  assert.equal(size, logs.length);
  assert.equal(await bytesOf(history.blobs.open(digest)), logs.toString());
  assert.equal(await bytesOf(history.blobs.open(digest, { offset: 1_048_570, length: 12 })), "g\nlog\nlog\nlo");
  assert.equal(await bytesOf(history.blobs.open(digest, { offset: logs.length })), "");
  assert.equal(history.blobs.info(digest)?.size, logs.length);
  assert.equal(history.blobs.info(descriptor.digest)?.size, document.length);
  assert.equal([...history.blobs.walk()].length, 6);
  const [pages] = [opened.state.get<{ page_count: number }>("PRAGMA page_count")];
  assert.ok(Number(pages?.page_count) < 200, "logs are compressed");
  history.delete("r1");
  assert.deepEqual([...history.blobs.walk()], []);
  await assert.rejects(bytesOf(history.blobs.open(digest)), { code: "not-found" });
});

test("a build that is not completed leaves nothing", async () => {
  await using opened = await open();
  const { history } = opened;
  {
    using build = history.start(request("a"));
    assert.throws(() => history.start(request("a")), { code: "already-exists" });
    assert.deepEqual(await heard(history), ["started a"]);
    await assert.rejects(
      build.complete({
        ...OUTCOME,
        result: {
          exports: new Map([
            [
              0,
              {
                descriptor: { mediaType: "m", digest: digestOf("x"), size: 1 },
                documents: [{ descriptor: { mediaType: "m", digest: digestOf("x"), size: 1 }, data: Buffer.from("y") }],
              },
            ],
          ]),
        },
      }),
      { code: "corrupt" },
    );
  }
  assert.deepEqual(await heard(history), []);
  assert.deepEqual([...history.blobs.walk()], []);
});

test("listeners hear of running builds, then of ended ones, then of what happens", async () => {
  await using opened = await open();
  const { history } = opened;
  await record(history, "old");
  using running = history.start(request("running"));
  const events: string[] = [];
  const listening = (async () => {
    for await (const event of history.listen({})) events.push(described(event));
  })();
  await setImmediate();
  assert.deepEqual(events, ["started running", "completed old"]);
  await running.complete(OUTCOME);
  history.pin("old", true);
  history.delete("running");
  history.close();
  await listening;
  assert.deepEqual(events.slice(2), ["completed running", "completed old", "deleted running"]);
  assert.deepEqual(
    await Array.fromAsync(history.listen({ activeOnly: true })),
    [],
    "a closed history has no listeners",
  );
});

test("a listener of one build hears of no other, and ends with its signal", async () => {
  await using opened = await open();
  const { history } = opened;
  const controller = new AbortController();
  const events: string[] = [];
  const listening = (async () => {
    for await (const event of history.listen({ ref: "b" }, controller.signal)) events.push(described(event));
  })();
  await setImmediate();
  await record(history, "a");
  await record(history, "b");
  await setImmediate();
  controller.abort();
  await assert.rejects(listening, { code: "cancelled" });
  assert.deepEqual(events, ["started b", "completed b"]);
  assert.deepEqual(await heard(history, { ref: "unknown" }), []);
});

test("a build that somebody listens to is hidden until the last listener leaves", async () => {
  await using opened = await open();
  const { history } = opened;
  await record(history, "a");
  const listeners = [history.listen({ ref: "a" }), history.listen({ ref: "a" })];
  for (const listener of listeners) assert.equal((await listener.next()).done, false);
  const all = history.listen({ activeOnly: true });
  const event = all.next();
  history.delete("a");
  assert.deepEqual(history.list(), []);
  assert.equal(history.get("a"), undefined);
  await assert.rejects(heard(history, { ref: "a" }), { message: "ref a is deleted: file does not exist" });
  await listeners[0]?.return(undefined);
  assert.deepEqual(history.list(), []);
  assert.notEqual(opened.state.get("SELECT 1 FROM build_record"), undefined);
  await listeners[1]?.return(undefined);
  assert.equal(opened.state.get("SELECT 1 FROM build_record"), undefined);
  assert.deepEqual((await event).value, { kind: "deleted", ref: "a" });
  await all.return(undefined);
  assert.deepEqual(await heard(history, { ref: "a" }), []);
});

test("unknown builds are refused with BuildKit's texts", async () => {
  await using opened = await open();
  const { history } = opened;
  assert.throws(() => history.delete("R"), { code: "not-found", message: 'lease "ref_R": not found' });
  assert.throws(() => history.pin("R", true), { message: "failed to retrieve ref R: file does not exist" });
  assert.throws(() => history.list({ limit: -1 }), { message: "invalid limit -1" });
});

test("lists have a limit and filters; pins count as changes", async () => {
  await using opened = await open();
  const { history } = opened;
  for (const ref of ["a", "b", "c"]) {
    await record(history, ref);
    opened.state.run("UPDATE build_record SET created_at = ? WHERE ref = ?", ref.charCodeAt(0), ref);
  }
  assert.deepEqual(await heard(history, { limit: 2 }), ["completed c", "completed b"]);
  assert.deepEqual(await heard(history, { filters: ["ref!=c"], limit: 1 }), ["completed b"]);
  assert.deepEqual(await heard(history, { ref: "a" }), ["completed a"]);
  assert.deepEqual(await heard(history, { activeOnly: true }), []);
  history.pin("a", true);
  history.pin("a", true);
  assert.deepEqual([history.get("a")?.isPinned, history.get("a")?.generation], [true, 2]);
  await record(history, "a");
  assert.deepEqual([history.get("a")?.isPinned, history.get("a")?.generation], [false, 0]);
});

test("builds go when they are too many and too old; pinned ones stay", async () => {
  await using opened = await open();
  const history = new BuildHistory(opened.state, { maxEntries: 2, maxAge: DAY });
  for (const ref of ["a", "b", "c", "d", "e"])
    await record(history, ref, { ...OUTCOME, logs: { mediaType: "l", data: Buffer.from(ref) } });
  assert.equal(history.list().length, 5, "they are young");
  history.pin("a", true);
  opened.state.run("UPDATE build_record SET completed_at = completed_at - ? WHERE ref < 'e'", 2 * DAY);
  opened.state.run("UPDATE build_record SET completed_at = completed_at - 1000 WHERE ref < 'd'");
  history.collect();
  assert.deepEqual(
    history
      .list()
      .map(({ ref }) => ref)
      .toSorted(),
    ["a", "d", "e"],
  );
  assert.equal([...history.blobs.walk()].length, 3);
});

test("what does not fit in a record is left out of it", async () => {
  await using opened = await open();
  const { history } = opened;
  const large = "x".repeat(3 * 1024 * 1024);
  const attributes = new Map([
    ["a", large],
    ["b", large],
    ["c", "kept"],
  ]);
  const exporter = { type: "image", attributes };
  assert.throws(() => history.start({ ...request("r".repeat(5000)), attributes }), { code: "invalid-argument" });
  using build = history.start({ ref: "r", frontend: "", attributes, exporters: [exporter, exporter] });
  const digest = digestOf("x");
  const annotated = (index: number): [number, ExportedBlobs] => [
    index,
    { descriptor: { mediaType: "m", digest, size: 1, annotations: { a: large } }, documents: [] },
  ];
  const { error, result, results, ...record } = await build.complete({
    ...OUTCOME,
    metadata: attributes,
    error: { message: large, status: 2 },
    result: { exports: new Map([annotated(0), annotated(1)]) },
    results: new Map(["a", "b", large].map((platform) => [platform, {}])),
  });
  assert.deepEqual([...record.attributes.keys()], ["a", "c"]);
  assert.deepEqual([...record.metadata.keys()], ["a", "c"]);
  assert.deepEqual(
    record.exporters.map((each) => [...each.attributes.keys()]),
    [["c"], ["c"]],
  );
  assert.equal(error?.message.length, 1024 * 1024);
  assert.deepEqual(
    [...(result?.exports.values() ?? [])],
    [0, 1].map(() => ({ mediaType: "m", digest, size: 1 })),
  );
  assert.deepEqual([...results.keys()], ["a", "b"]);
});

test("all histories of a database have the same running builds, listeners and limits", async () => {
  await using opened = await open();
  const limited = new BuildHistory(opened.state, { maxEntries: 1, maxAge: 0 });
  const events = limited.listen({});
  const first = events.next();
  using build = opened.history.start(request("a"));
  assert.equal((await first).value?.kind, "started");
  assert.deepEqual(await heard(new BuildHistory(opened.state)), ["started a"]);
  await build.complete(OUTCOME);
  assert.equal((await events.next()).value?.kind, "completed");
  opened.state.run("UPDATE build_record SET completed_at = completed_at - 1000");
  await record(new BuildHistory(opened.state), "b");
  assert.deepEqual(await heard(opened.history), ["completed b"]);
  const rest = events.return(undefined);
  opened.history.close();
  assert.equal((await rest).done, true);
});

test("builds that change while they are listed are those that are left", async () => {
  await using opened = await open();
  const { history } = opened;
  for (const ref of ["a", "b", "c"]) {
    await record(history, ref);
    opened.state.run("UPDATE build_record SET created_at = ? WHERE ref = ?", ref.charCodeAt(0), ref);
  }
  const listed = history.listen({ earlyExit: true });
  assert.equal((await listed.next()).value?.kind, "completed");
  history.pin("b", true);
  history.delete("a");
  const { value } = await listed.next();
  assert.ok(value?.kind === "completed" && value.record.ref === "b" && value.record.isPinned);
  assert.equal((await listed.next()).done, true);
});
