import assert from "node:assert/strict";
import { test } from "node:test";
import { build as compile, vertexNamed } from "../../testing/dockerfile-host.ts";
import { VarveError, isVarveError } from "../core/index.ts";
import { sourceFile } from "../dockerfile/index.ts";
import { buildFailure, placesOf } from "./failure.ts";

const text = "FROM base AS a\nRUN x\nFROM base\nCOPY f \\\n  /g\n";

function failed(error: unknown): VarveError {
  assert.ok(isVarveError(error));
  return error;
}

test("the failure of a step has its position in the Dockerfile", async () => {
  const compiled = await compile(text);
  const { digest } = vertexNamed(compiled, "COPY f   /g");
  const cause = new VarveError("step-failed", "it is broken", {
    hint: "mend it",
    details: { vertex: digest, exitCode: 1 },
  });
  const error = failed(buildFailure(cause, placesOf(sourceFile("Dockerfile", text), [compiled])));
  assert.equal(error.message, "failed to solve: it is broken");
  assert.equal(error.code, "step-failed");
  assert.equal(error.hint, "mend it");
  assert.equal(error.details.exitCode, 1);
  assert.deepEqual(error.details.location, { file: "Dockerfile", line: 4, column: 1, endLine: 5, endColumn: 5 });
  assert.deepEqual(String(error.details.snippet).split("\n"), [
    "Dockerfile:4",
    "--------------------",
    "   3 |     FROM base",
    "   4 | >>> COPY f \\",
    "   5 | >>>   /g",
    "--------------------",
  ]);
});

test("an error without a position is not changed", async () => {
  const compiled = await compile(text);
  const origin = placesOf(sourceFile("Dockerfile", text), [compiled]);
  const context = vertexNamed(compiled, "[internal] load build context").digest;
  for (const error of [
    new VarveError("storage", "Cannot write: the disk is full"),
    new VarveError("not-found", "Cannot read the context: no such directory", { details: { vertex: context } }),
    new VarveError("cancelled", "Cannot go on: cancelled", { details: { vertex: context } }),
    new TypeError("a bug"),
  ]) {
    assert.equal(buildFailure(error, origin), error);
    assert.equal(buildFailure(error), error);
  }
});

test("an error in the Dockerfile keeps its position", () => {
  const details = { location: { file: "D", line: 1, column: 0, endLine: 1, endColumn: 7 }, snippet: "D:1" };
  const error = failed(buildFailure(new VarveError("invalid-build", "unknown instruction: X", { details })));
  assert.equal(error.message, "failed to solve: unknown instruction: X");
  assert.deepEqual(error.details, details);
});
