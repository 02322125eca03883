import type { BuildEvent } from "../../engine/index.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { log, status, vertex, warning } from "../../../testing/build-events.ts";
import { FakePipe } from "../../../testing/screen.ts";
import { PlainDisplay } from "./plain.ts";

function shown(...events: readonly BuildEvent[]): string {
  const screen = new FakePipe();
  const display = new PlainDisplay(screen);
  for (const event of events) display.event(event);
  display.finish();
  return screen.text;
}

const RUN = "[2/2] RUN make";

test("numbers steps, and times them and their output", () => {
  const text = shown(
    vertex("[1/2] FROM base", { start: 0 }),
    vertex("[1/2] FROM base", { start: 0, end: 10, cached: true }),
    vertex(RUN, { start: 100 }),
    log(RUN, "one\ntwo", 350),
    log(RUN, "!\nthree\nlast", 1350),
    vertex(RUN, { start: 100, end: 1400 }),
  );
  assert.equal(
    text,
    "#1 [1/2] FROM base\n#1 CACHED\n\n#2 [2/2] RUN make\n#2 0.250 one\n#2 0.250 two!\n#2 1.250 three\n#2 1.250 last\n#2 DONE 1.3s\n\n",
  );
});

test("a step that missed says why after its name, once", () => {
  const why = { reason: { kind: "pruned" }, text: "package.json changed\u001b[2J" } as const;
  const text = shown(
    { ...vertex(RUN, { start: 0 }), why },
    log(RUN, "one\n", 0),
    vertex("other", { start: 0, end: 0 }),
    { ...vertex(RUN, { start: 0, end: 1000 }), why },
  );
  assert.equal(text.split("   missed: package.json changed").length, 2);
  assert.ok(text.startsWith("#1 [2/2] RUN make   missed: package.json changed"));
  assert.ok(!text.includes("\u001b"));
});

test("a line has the time at which it began, in four digits", () => {
  const text = shown(
    vertex(RUN, { start: 0 }),
    log(RUN, "a", 9999),
    log(RUN, "b", 50_000),
    log(RUN, "c\nd\n", 60_000),
    log(RUN, "e\n", 99_990),
    log(RUN, "f", 100_040),
    vertex(RUN, { start: 0, error: "oh" }),
  );
  assert.match(text, /#1 9\.999 abc\n#1 60\.00 d\n#1 99\.99 e\n#1 100\.0 f\n#1 ERROR: oh/);
});

test("output of concurrent steps is printed in blocks, each with the step's name", () => {
  const text = shown(
    vertex("a", { start: 0 }),
    vertex("b", { start: 0 }),
    log("a", "1\n", 1000),
    log("b", "2\n", 1000),
    vertex("a", { start: 0, end: 2000 }),
    vertex("b", { start: 0, end: 2000 }),
  );
  assert.equal(
    text,
    "#1 a\n#1 1.000 1\n#1 ...\n\n#2 b\n#2 1.000 2\n#2 ...\n\n#1 a\n#1 DONE 2.0s\n\n#2 b\n#2 DONE 2.0s\n\n",
  );
});

test("a failed step shows its error, and its last output again at the end", () => {
  const error = "Cannot run step: exit code 2";
  const text = shown(vertex(RUN, { start: 0 }), log(RUN, "gcc: oh\n", 500), vertex(RUN, { start: 0, end: 900, error }));
  assert.match(text, /^#1 ERROR: Cannot run step: exit code 2$/m);
  assert.ok(text.endsWith("------\n > [2/2] RUN make:\ngcc: oh\n------\n"));
});

test('a cancelled step is not an error, an error whose message contains "cancelled" is', () => {
  assert.match(
    shown(vertex("a", { start: 0 }), vertex("a", { error: "cancelled", cancelled: true })),
    /^#1 CANCELED$/m,
  );
  assert.match(
    shown(vertex("a", { start: 0, error: "Cannot go on: interrupted by SIGINT", cancelled: true })),
    /^#1 CANCELED$/m,
  );
  const error = "Cannot run step: test-cancelled-order: exit code 1";
  assert.match(shown(vertex("a", { start: 0, error })), /^#1 ERROR: .*exit code 1$/m);
});

test("each step ends once, and steps that did not start are not shown", () => {
  const done = vertex("a", { start: 0, end: 10 });
  assert.equal(shown(vertex("x"), vertex("a"), vertex("a", { start: 0 }), done, done), "#1 a\n#1 DONE 0.0s\n\n");
});

test("statuses and warnings have their own lines", () => {
  const text = shown(
    vertex("export", { start: 0 }),
    status("export", "exporting layers"),
    { ...status("export", "read:"), current: 2345, completedAt: status("export", "").startedAt },
    { ...status("export", "sent"), current: 999, total: 1_000_000, completedAt: status("export", "").startedAt },
    { ...status("export", "exporting layers"), completedAt: status("export", "").startedAt + 1500 },
    warning("in a step", "export"),
    warning("in no step"),
  );
  assert.equal(
    text,
    "#1 export\n#1 read: 2.35kB done\n#1 sent 999B / 1.00MB done\n#1 exporting layers 1.5s done\n#1 WARN: in a step\nWARN: in no step\n",
  );
});

test("output of a build cannot imitate lines of the display", () => {
  const name = "RUN <<EOF\n#9 DONE 0.0s\nEOF\u001b[2A";
  const text = shown(
    vertex(name, { start: 0 }),
    log(name, "\u001b]0;pwned\u0007\u001b[1Ahello\n", 0),
    status(name, "evil\nid", { completedAt: 0 }),
    warning("a\n#1 DONE", name),
    vertex(name, { start: 0, error: "oh\n#1 DONE 0.1s" }),
  );
  assert.ok(!text.includes("\u001b"));
  assert.doesNotMatch(text, /^#\d+ DONE/m);
  assert.match(text, /^#1 0\.000 hello$/m);
});
