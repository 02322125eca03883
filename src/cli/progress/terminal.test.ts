import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EPOCH, log, status, vertex, warning } from "../../../testing/build-events.ts";
import { FakeTerminal } from "../../../testing/screen.ts";
import { withoutColours } from "../printable.ts";
import { TerminalDisplay } from "./terminal.ts";

/** A display with a fake clock that starts at 1 January 2026. */
function open(t: TestContext, screen: FakeTerminal): { display: TerminalDisplay; tick: (ms: number) => void } {
  t.mock.timers.enable({ apis: ["setInterval", "Date"], now: EPOCH });
  return { display: new TerminalDisplay(screen), tick: (ms) => t.mock.timers.tick(ms) };
}

const RUN = "[2/2] RUN make";

test("redraws steps with their times in place", (t) => {
  const screen = new FakeTerminal(40);
  const { display, tick } = open(t, screen);
  display.event(vertex("[1/2] FROM base", { start: 0, end: 0, cached: true }));
  display.event(vertex(RUN, { start: 0 }));
  display.event(log(RUN, "compiling\n"));
  tick(1000);
  assert.deepEqual(screen.lines, [
    "[+] Building 1.0s (1/2)",
    " => CACHED [1/2] FROM base         0.0s",
    " => [2/2] RUN make                 1.0s",
    " => => # compiling",
  ]);
  display.event(vertex(RUN, { start: 0, end: 1200 }));
  tick(500);
  display.finish();
  assert.deepEqual(screen.lines, [
    "[+] Built 1.5s (2/2)",
    " => CACHED [1/2] FROM base         0.0s",
    " => [2/2] RUN make                 1.2s",
  ]);
});

test("the cursor is hidden while it draws and shown again at the end", (t) => {
  const screen = new FakeTerminal();
  const listeners = process.listenerCount("exit");
  const { display } = open(t, screen);
  assert.equal(screen.cursorShown, false);
  display.finish();
  assert.equal(screen.cursorShown, true);
  assert.equal(process.listenerCount("exit"), listeners);
});

test("a running transfer with a size has a bar", (t) => {
  const screen = new FakeTerminal(70);
  const { display, tick } = open(t, screen);
  display.event(vertex("pull", { start: 0 }));
  display.event(status("pull", "sha256:aa", { current: 5_000_000, total: 10_000_000 }));
  display.event(status("pull", "sha256:bb", { current: 1, total: 1, completedAt: EPOCH }));
  tick(100);
  assert.equal(screen.lines[2], " => => [##########----------] sha256:aa 5.00MB / 10.00MB         0.1s");
  assert.equal(screen.lines.length, 3);
});

test("a failed step shows its output, and warnings come last", (t) => {
  const screen = new FakeTerminal(60);
  const { display, tick } = open(t, screen);
  display.event(vertex(RUN, { start: 0 }));
  display.event(log(RUN, "gcc: oh"));
  display.event(warning("careful"));
  display.event(vertex(RUN, { start: 0, end: 100, error: "exit code 2" }));
  tick(200);
  display.finish();
  assert.match(
    screen.text,
    /=> ERROR \[2\/2\] RUN make +0\.1s\n------\n > \[2\/2\] RUN make:\ngcc: oh\n------\nWARN: careful\n$/,
  );
});

test("no line is wider than the terminal, in letters of any width", (t) => {
  for (const columns of [10, 40, 200]) {
    const screen = new FakeTerminal(columns);
    const { display, tick } = open(t, screen);
    display.event(vertex(`RUN echo ${"寿司".repeat(80)}`, { start: 0 }));
    display.event(log(`RUN echo ${"寿司".repeat(80)}`, `${"é\t🍣".repeat(90)}\n`));
    tick(100);
    assert.ok(screen.widest < columns, `${screen.widest} of ${columns}`);
    display.finish();
    t.mock.timers.reset();
  }
});

test("redraws without remains after the terminal changed its width", (t) => {
  const screen = new FakeTerminal(100, 24);
  const { display, tick } = open(t, screen);
  screen.write("$ varve build .\n");
  for (const name of ["one", "two", "three"]) display.event(vertex(`${name} ${"x".repeat(90)}`, { start: 0 }));
  for (const columns of [100, 30, 17, 120, 50]) {
    screen.resize(columns, 24);
    tick(100);
    assert.equal(screen.lines.length, 5, `at ${columns} columns:\n${screen.text}`);
    assert.equal(screen.lines[0], "$ varve build .");
    assert.ok(screen.lines.slice(1).every((line) => line.length < columns));
  }
});

test("with more steps than rows, shows the header and the last steps, and all steps at the end", (t) => {
  const screen = new FakeTerminal(40, 8);
  const { display, tick } = open(t, screen);
  for (let step = 1; step <= 30; step += 1) display.event(vertex(`step ${step}`, { start: 0 }));
  tick(100);
  tick(100);
  assert.equal(screen.lines.length, 7);
  assert.match(screen.lines[0] ?? "", /^\[\+\] Building 0\.2s \(0\/30\)$/);
  assert.match(screen.lines.at(-1) ?? "", /step 30/);
  display.finish();
  assert.equal(screen.lines.length, 31);
});

test("output of a build cannot move the cursor or change other colours", (t) => {
  const screen = new FakeTerminal(60);
  const { display, tick } = open(t, screen);
  const name = "RUN \u001b[10Aevil\n#2";
  display.event(vertex(name, { start: 0 }));
  display.event(log(name, "\u001b[8mhidden\u001b[5B\u001b]0;t\u0007\n\u001b[2Jx\n"));
  display.event(status(name, "id\u001b[1A\n", { current: 1 }));
  // The terminal throws at a sequence it does not know.
  tick(100);
  assert.ok(!screen.raw.includes("\u001b[8m"));
  display.event(vertex(name, { start: 0, end: 1, error: "e" }));
  display.finish();
  assert.ok(screen.raw.includes("\u001b[8mhidden\u001b[0m\n"));
});

test("prints no colours if they are disabled", (t) => {
  const screen = new FakeTerminal(60, 24, false);
  const { display, tick } = open(t, screen);
  display.event(vertex("a", { start: 0, end: 1, error: "e" }));
  display.event(warning("w"));
  tick(100);
  display.finish();
  assert.equal(withoutColours(screen.raw), screen.raw);
});
