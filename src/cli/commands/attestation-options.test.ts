import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutputSpec } from "../../engine/index.ts";
import { attestationsOf } from "./attestation-options.ts";

const NONE = { attest: [], provenance: undefined, sbom: undefined };
const pushed: OutputSpec[] = [{ type: "registry" }];
const stored: OutputSpec[] = [{ type: "image" }];
const minimal = [{ type: "provenance", attrs: { mode: "min", "inline-only": "true" } }];

test("an image that is pushed has minimal provenance unless told otherwise", () => {
  assert.deepEqual(attestationsOf(NONE, pushed, {}), minimal);
  assert.deepEqual(attestationsOf(NONE, [{ type: "image", attrs: { push: "true" } }], {}), minimal);
  assert.deepEqual(attestationsOf(NONE, stored, {}), []);
  const docker: OutputSpec = { type: "registry", attrs: { "oci-mediatypes": "false" } };
  assert.deepEqual(attestationsOf(NONE, [...pushed, docker], {}), []);
  assert.deepEqual(attestationsOf({ ...NONE, provenance: "false" }, pushed, {}), []);
  assert.deepEqual(attestationsOf({ ...NONE, attest: ["type=provenance,disabled=true"] }, pushed, {}), []);
  assert.deepEqual(attestationsOf(NONE, pushed, { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" }), []);
  assert.deepEqual(attestationsOf(NONE, pushed, { BUILDX_NO_DEFAULT_ATTESTATIONS: "0" }), minimal);
  assert.throws(
    () => attestationsOf(NONE, pushed, { BUILDX_NO_DEFAULT_ATTESTATIONS: "perhaps" }),
    /invalid BUILDX_NO_DEFAULT_ATTESTATIONS/,
  );
});

test("the first flag of a type counts, and --provenance comes after --attest", () => {
  const flags = { ...NONE, attest: ["type=provenance,mode=min,builder-id=A"], provenance: "mode=max" };
  assert.deepEqual(attestationsOf(flags, stored, {}), [
    { type: "provenance", attrs: { mode: "min", "builder-id": "A" } },
  ]);
  assert.deepEqual(attestationsOf({ ...NONE, provenance: "true" }, stored, {}), [{ type: "provenance", attrs: {} }]);
  assert.deepEqual(attestationsOf({ ...NONE, provenance: "" }, stored, {}), []);
});

test("an SBOM has the parameters for its generator, whose case counts", () => {
  assert.deepEqual(attestationsOf({ ...NONE, sbom: "false" }, stored, {}), []);
  assert.deepEqual(attestationsOf({ ...NONE, sbom: "true" }, stored, {}), [{ type: "sbom", attrs: {} }]);
  assert.deepEqual(attestationsOf({ ...NONE, sbom: "generator=a/b:1,Foo=bar" }, pushed, {}), [
    { type: "sbom", attrs: { generator: "a/b:1", Foo: "bar" } },
    ...minimal,
  ]);
});

test("flags that cannot be read are errors", () => {
  const read = (...attest: readonly string[]): unknown => attestationsOf({ ...NONE, attest }, stored, {});
  assert.throws(() => read("mode=max"), /attestation type not specified/);
  assert.throws(() => read("type=provenance,mode"), /invalid value mode/);
  assert.throws(() => read("type=foo"), /unknown attestation type "foo"/);
  assert.throws(() => read("type=provenance,disabled=maybe"), /disabled=maybe is not a boolean/);
});
