import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exportFixture, sourceOf } from "../../testing/exports.ts";
import { addLayer, recordsMissing } from "../../testing/records.ts";
import { SCRATCH } from "../record/index.ts";
import { exportArchive } from "./archive.ts";
import { parseImageAttributes } from "./attributes.ts";

const skip = recordsMissing() ?? false;

test("a result's annotations are written, those of the output after them", { skip }, async () => {
  await using at = await exportFixture();
  const ids = [];
  for (const text of ["1", "2"])
    ids.push(await addLayer(at.fixture, SCRATCH, (path) => writeFileSync(join(path, "f"), text)));
  const annotations = { "annotation-index.a": "result", "annotation-index.b": "result", "annotation.m": "result" };
  const attrs = {
    "annotation-index.b": "output",
    "annotation-index-descriptor.d": "output",
    "annotation-index-descriptor.org.opencontainers.image.created": "2001-02-03T04:05:06Z",
  };
  const dest = join(at.fixture.root, "a.tar");
  const source = sourceOf(ids, { annotations, epoch: 1 });
  await exportArchive("oci", source, { attrs: parseImageAttributes(attrs), dest }, at.deps);
  const read = (
    path: string,
  ): { annotations?: Record<string, string>; manifests: [{ digest: string; annotations?: object }] } =>
    JSON.parse(execFileSync("tar", ["-xOf", dest, path], { encoding: "utf8" })) as ReturnType<typeof read>;
  const blob = (digest: string): string => `blobs/sha256/${digest.replace("sha256:", "")}`;
  const [entry] = read("index.json").manifests;
  assert.deepEqual(entry.annotations, { d: "output", "org.opencontainers.image.created": "2001-02-03T04:05:06Z" });
  const index = read(blob(entry.digest));
  assert.deepEqual(index.annotations, { a: "result", b: "output" });
  assert.deepEqual(read(blob(index.manifests[0].digest)).annotations, { m: "result" });
});
