import assert from "node:assert/strict";
import { test } from "node:test";
import type { FrontendResult } from "../result/result.ts";
import { namedOutputs } from "./exporters.ts";

test("a client may leave the name of an image to the front end", () => {
  const result = (name?: string): FrontendResult => ({
    refs: { kind: "single", ref: undefined },
    metadata: new Map(name === undefined ? [] : [["image.name", Buffer.from(name)]]),
  });
  const outputs = ["*", "own:1", undefined].map((name) => ({
    type: "image" as const,
    attrs: name === undefined ? {} : { name },
  }));
  const names = (from: FrontendResult): unknown[] => namedOutputs(outputs, from).map(({ attrs }) => attrs?.["name"]);
  assert.deepEqual(names(result("app:1")), ["app:1", "own:1", undefined]);
  assert.deepEqual(names(result()), ["*", "own:1", undefined]);
});
