import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { SolveRequestSchema } from "../proto/gen/control_pb.ts";
import { buildRequestOf } from "./build-request.ts";

function epochs(value: string | undefined): (string | undefined)[] {
  const frontendAttrs: Record<string, string> = value === undefined ? {} : { "build-arg:SOURCE_DATE_EPOCH": value };
  const exporters = [
    { type: "oci", attrs: {} },
    { type: "tar", attrs: { "source-date-epoch": "5" } },
  ];
  const request = create(SolveRequestSchema, { frontendAttrs, exporters });
  return buildRequestOf(request).exporters.map(({ attrs }) => attrs["source-date-epoch"]);
}

test("exporters get the SOURCE_DATE_EPOCH of the request, unless it names a source", () => {
  assert.deepEqual(epochs("7"), ["7", "5"]);
  assert.deepEqual(epochs("-7"), ["-7", "5"]);
  assert.deepEqual(epochs(""), ["", "5"]);
  for (const unset of [undefined, "context", "7s", "stage7"])
    assert.deepEqual(epochs(unset), [undefined, "5"], String(unset));
});
