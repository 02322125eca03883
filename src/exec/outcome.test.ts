import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { exitOf, runtimeError, startError } from "./outcome.ts";

test("statuses and signals", () => {
  assert.deepEqual(exitOf({ code: 0, signal: null }), { exitCode: 0 });
  assert.deepEqual(exitOf({ code: 137, signal: null }), { exitCode: 137, signal: "SIGKILL" });
  assert.deepEqual(exitOf({ code: null, signal: "SIGTERM" }), { exitCode: 143, signal: "SIGTERM" });
  assert.deepEqual(exitOf({ code: 254, signal: null }), { exitCode: 254 });
  assert.deepEqual(exitOf({ code: null, signal: null }), { exitCode: 255 });
});

test("a runtime's log is read for its last error", async () => {
  await using directory = await temporaryDirectory();
  const log = join(directory.path, "log");
  assert.equal(await runtimeError(log), undefined);
  writeFileSync(log, '{"level":"warning","msg":"w"}\nnot json\nnull\n{"level":"error","msg":7}\n');
  assert.equal(await runtimeError(log), undefined);
  writeFileSync(log, '{"level":"error","msg":"first"}\n{"level":"error","msg":"last"}\n');
  assert.equal(await runtimeError(log), "last");
});

test("what runtimes say becomes what a shell would", () => {
  const status = (message: string): unknown => startError(message, ["x"]).details.exitCode;
  assert.equal(status("executable file `x` not found in $PATH: No such file or directory"), 127);
  assert.equal(
    status('runc run failed: unable to start container process: exec: "x": executable file not found in $PATH'),
    127,
  );
  assert.equal(status('runc run failed: unable to start container process: exec: "x": permission denied'), 126);
  assert.equal(status("exec container process `/x`: Exec format error"), 126);
  assert.equal(status("exec container process `/x`: Argument list too long"), 126);
  assert.equal(status("mount `proc` to `proc`: Operation not permitted"), 125);
  assert.equal(startError("chdir `/w`: Permission denied", ["x"]).code, "invalid-build");
});
