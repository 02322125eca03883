import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../core/index.ts";
import { EPOCH, log, status, vertex, warning } from "../../../testing/build-events.ts";
import { FakePipe } from "../../../testing/screen.ts";
import { RawJsonDisplay } from "./rawjson.ts";

test("prints one object per line, in buildx's form", () => {
  const screen = new FakePipe();
  const display = new RawJsonDisplay(screen);
  const events = [
    vertex("a", { start: 0, end: 1500, cached: true }),
    log("a", "out\n", 250),
    status("a", "sha256:x", { current: 5, total: 10, completedAt: EPOCH + 1000 }),
    { ...warning("short", "a"), detail: ["more"], url: "https://example.com" } as const,
  ];
  for (const event of events) display.event(event);
  display.finish();
  assert.ok(screen.text.endsWith("\n"));
  const digest = digestOf("a");
  assert.deepEqual(
    screen.text
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line)),
    [
      {
        vertexes: [
          {
            digest,
            inputs: [],
            name: "a",
            started: "2026-01-01T00:00:00.000Z",
            completed: "2026-01-01T00:00:01.500Z",
            cached: true,
          },
        ],
      },
      { logs: [{ vertex: digest, stream: 1, data: "b3V0Cg==", timestamp: "2026-01-01T00:00:00.250Z" }] },
      {
        statuses: [
          {
            id: "sha256:x",
            vertex: digest,
            current: 5,
            total: 10,
            timestamp: "2026-01-01T00:00:01.000Z",
            started: "2026-01-01T00:00:00.000Z",
            completed: "2026-01-01T00:00:01.000Z",
          },
        ],
      },
      {
        warnings: [{ vertex: digest, level: 1, short: "c2hvcnQ=", detail: ["bW9yZQ=="], url: "https://example.com" }],
      },
    ],
  );
});

test("binary output is kept", () => {
  const screen = new FakePipe();
  new RawJsonDisplay(screen).event(log("a", Buffer.of(0, 0xff, 0x0a)));
  const { logs } = JSON.parse(screen.text) as { logs: { data: string }[] };
  assert.deepEqual(Buffer.from(logs[0]?.data ?? "", "base64"), Buffer.of(0, 0xff, 0x0a));
});
