import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, VarveError } from "../core/index.ts";
import { describeError, exitCodeOf } from "./exit-code.ts";

test("every error code has an exit code", () => {
  const statuses = Object.fromEntries(ERROR_CODES.map((code) => [code, exitCodeOf(new VarveError(code, "x"))]));
  assert.deepEqual(statuses, {
    "invalid-argument": 2,
    "invalid-build": 3,
    "step-failed": 1,
    "not-found": 3,
    "already-exists": 2,
    corrupt: 4,
    "limit-exceeded": 3,
    remote: 4,
    unauthorized: 4,
    unsupported: 5,
    storage: 5,
    busy: 5,
    cancelled: 130,
    internal: 6,
  });
});

test("any other thrown value is reported as a bug", () => {
  assert.equal(exitCodeOf(new TypeError("x")), 6);
  assert.equal(exitCodeOf("x"), 6);
  assert.match(describeError(new TypeError("no such thing")), /^ERROR: TypeError: no such thing\n[^]*bug in varve/);
});

test("an error shows its message and hint, a bug also its stack", () => {
  const error = new VarveError("unsupported", "Cannot run steps: no OCI runtime is installed", {
    hint: "apt-get install crun",
  });
  assert.equal(
    describeError(error),
    "ERROR: Cannot run steps: no OCI runtime is installed\nhint: apt-get install crun",
  );
  assert.match(describeError(new VarveError("internal", "Cannot go on: lost")), /exit-code\.test\.ts/);
});

test("text from a registry or a Dockerfile cannot control the terminal", () => {
  assert.equal(
    describeError(new VarveError("remote", "Cannot pull a: \u001b[2J\u0007denied")),
    "ERROR: Cannot pull a: denied",
  );
});
