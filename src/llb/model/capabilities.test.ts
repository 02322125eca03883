import assert from "node:assert/strict";
import { test } from "node:test";
import { llbCapabilities, missingCapability } from "../index.ts";

test("the listed capabilities are there, each once", () => {
  // As many as BuildKit v0.31 lists.
  assert.equal(llbCapabilities.length, 88);
  assert.equal(new Set(llbCapabilities).size, llbCapabilities.length);
  assert.deepEqual(llbCapabilities, llbCapabilities.toSorted());
  assert.deepEqual(
    llbCapabilities.filter((id) => missingCapability(id) !== undefined),
    [],
  );
  for (const id of ["file.base", "mergeop", "source.image", "soruce.http.uidgid", "exec.meta.base"])
    assert.ok(llbCapabilities.includes(id), id);
});

test("capabilities that are not listed are accepted or unknown", () => {
  assert.ok(!llbCapabilities.includes("file.copy.modestring"));
  assert.equal(missingCapability("file.copy.modestring"), undefined);
  assert.equal(missingCapability(""), "unknown API capability ");
});
