import assert from "node:assert/strict";
import { test } from "node:test";
import { log, status, vertex, warning } from "../../../testing/build-events.ts";
import { FakePipe } from "../../../testing/screen.ts";
import { openDisplay } from "./open-display.ts";
import { QuietDisplay } from "./quiet.ts";

test("prints nothing for a build that succeeds", () => {
  const screen = new FakePipe();
  const display = new QuietDisplay(screen);
  const events = [
    vertex("a", { start: 0 }),
    log("a", "hello\n"),
    status("a", "x"),
    warning("w"),
    vertex("a", { end: 1 }),
  ];
  for (const event of events) display.event(event);
  display.finish();
  assert.equal(screen.text, "");
});

test("shows the last output of the failed step only", () => {
  const screen = new FakePipe();
  const display = new QuietDisplay(screen);
  display.event(vertex("a", { start: 0 }));
  display.event(vertex("b", { start: 0 }));
  display.event(log("a", "fine\n"));
  for (let line = 0; line < 100; line += 1) display.event(log("b", `line ${line}\n`));
  display.event(log("b", "bad\u001b[2J"));
  display.event(vertex("b", { start: 0, error: "exit code 1" }));
  display.finish();
  assert.match(screen.text, /^line 61\nline 62\n[^]*line 99\nbad\n$/);
});

test("the mode auto is tty only on a terminal", () => {
  const screen = new FakePipe();
  const display = openDisplay("auto", screen);
  display.event(vertex("a", { start: 0 }));
  display.finish();
  assert.equal(screen.text, "#1 a\n");
});
