import { type Store, openStore } from "../../../engine/index.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Bytes, bytesOf, temporaryDirectory } from "../../../io/index.ts";
import { EventBus } from "../event-bus.ts";
import { SessionBuilds } from "../session-builds.ts";
import { events } from "./events.ts";

const CONFIG = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, history: [] };

/** Listens to the events of a bus; stops when `signal` is aborted. */
async function listen(
  store: Store,
  bus: EventBus,
  version: string,
  text: string,
  signal: AbortSignal,
): Promise<string[]> {
  const query = new URLSearchParams(text);
  const request = {
    method: "GET",
    path: "/events",
    query,
    headers: new Map<string, string>(),
    contentLength: 0,
    body: bytesOf(),
    signal,
  };
  const { body } = await events(
    { request, query, version, name: "" },
    { store, registry: {}, events: bus, programVersion: "0", sessionBuilds: new SessionBuilds() },
  );
  const seen: string[] = [];
  for await (const line of body as Bytes)
    seen.push((JSON.parse(Buffer.from(line).toString()) as { Action: string }).Action);
  return seen;
}

test("past events are sent before new ones, filtered; create events from 1.46 on (E31)", async () => {
  await using folder = await temporaryDirectory("varve-events-");
  await using store = await openStore({ root: folder.path });
  const bus = new EventBus();
  const stop = new AbortController();
  bus.emit("image", "pull", "old:1", { name: "old" });
  const listeners = (
    [
      ["1.45", ""],
      ["1.46", ""],
      ["1.51", "since=1"],
      ["1.51", 'filters={"image":["app:1"]}'],
      ["1.51", 'filters={"type":["container"]}'],
      ["1.51", 'filters={"event":{"tag":true}}'],
      ["1.51", 'filters={"label":["of=this"]}'],
      ["1.51", 'filters={"label":["of","name=app:1"]}'],
      ["1.51", 'filters={"label":["__proto__"]}'],
    ] as const
  ).map(([version, query]) => listen(store, bus, version, query, stop.signal));
  await turn();
  bus.emit("image", "create", "sha256:1", { name: "sha256:1" });
  const labels = new Map([
    ["of", "this"],
    ["name", "no name of an image"],
  ]);
  bus.image("tag", "sha256:1", "app:1", { ...CONFIG, config: { Labels: labels } });
  await turn();
  stop.abort();
  assert.deepEqual(await Promise.all(listeners), [
    ["tag"],
    ["create", "tag"],
    ["pull", "create", "tag"],
    ["tag"],
    [],
    ["tag"],
    ["tag"],
    ["tag"],
    [],
  ]);
});

test("each event has its own time, and only the last 256 are kept", () => {
  const bus = new EventBus();
  for (let i = 0; i < 300; i += 1) bus.emit("image", "tag", String(i));
  const times = new Set(bus.past().map(({ timeNano }) => timeNano));
  assert.deepEqual([times.size, bus.past()[0]?.Actor.ID], [256, "44"]);
});
