import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildArgs } from "./build-args.ts";

const given = new Map([
  ["A", "given"],
  ["EMPTY", null],
  ["HTTP_PROXY", "http://proxy"],
]);

test("a given value wins over a default, that over one before the first stage", () => {
  const meta = new BuildArgs(given).declareMeta([
    { key: "A", value: "meta" },
    { key: "M", value: "meta" },
  ]);
  assert.deepEqual(Object.fromEntries(meta.meta), { A: "given", M: "meta", HTTP_PROXY: "http://proxy" });
  const stage = meta.declare([{ key: "A", value: "own" }, { key: "M" }, { key: "N" }, { key: "EMPTY" }]);
  assert.deepEqual(stage.notIn([]), ["A=given", "HTTP_PROXY=http://proxy", "M=meta"]);
  assert.deepEqual(stage.notIn(["A=environment"]), ["HTTP_PROXY=http://proxy", "M=meta"]);
});

test("a proxy goes into keys only where it is declared", () => {
  const args = new BuildArgs(given);
  assert.equal(args.isKeyed("HTTP_PROXY=x"), false);
  assert.equal(args.declare([{ key: "HTTP_PROXY" }]).isKeyed("HTTP_PROXY=x"), true);
});

test("what nobody declares is unused, but for proxies", () => {
  assert.deepEqual(new BuildArgs(given).unused(new Set(["A"])), ["EMPTY"]);
});
