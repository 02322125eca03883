import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { annotationAttributes, annotationsFor, checkAnnotations, parseAnnotations } from "./annotations.ts";
import { parseEpoch, parseImageAttributes } from "./attributes.ts";

const refused = (attrs: Record<string, string>, message = /./): void =>
  assert.throws(
    () => parseImageAttributes(attrs),
    (error) => isVarveError(error, "invalid-argument", "unsupported") && message.test(error.message),
    JSON.stringify(attrs),
  );

test("defaults and values are BuildKit's; unknown attributes are ignored", () => {
  const plain = parseImageAttributes({ foo: "bar", constructor: "x" });
  assert.deepEqual(
    [plain.push, plain.oci, plain.store, plain.tar, plain.compression, plain.names],
    [false, true, true, true, "gzip", []],
  );
  const { names, push, oci, level, epoch } = parseImageAttributes({
    name: "a,b",
    push: "",
    "oci-mediatypes": "f",
    compression: "zstd",
    "compression-level": "19",
    "source-date-epoch": "",
  });
  assert.deepEqual([names, push, oci, level, epoch], [["a", "b"], true, false, 19, { kind: "none" }]);
  assert.equal(parseImageAttributes({ name: "*" }).names, "from-result");
});

test("wrong values are errors", () => {
  refused({ push: "maybe" }, /non-bool value specified for push/);
  refused({ "oci-mediatypes": "" }, /non-bool/);
  refused({ compression: "lzma" }, /unsupported compression type/);
  refused(
    { compression: "estargz", "oci-mediatypes": "false" },
    /exporter option "compression=estargz" conflicts with "oci-mediatypes=false"/,
  );
  refused({ compression: "estargz", "compression-level": "10" }, /0 to 9/);
  refused({ compression: "gzip", "compression-level": "10" }, /0 to 9/);
  refused({ "compression-level": "-1" });
  refused({ "source-date-epoch": "yesterday" }, /SOURCE_DATE_EPOCH/);
  refused({ unpack: "true", "rewrite-timestamp": "true" }, /conflicts with/);
  refused({ "annotation-layer.k": "v" }, /unrecognized annotation type/);
  assert.throws(() => parseEpoch("1e3"));
  assert.deepEqual(parseEpoch("-5"), { kind: "seconds", seconds: -5 });
});

test("annotations are for kinds and platforms", () => {
  const all = parseAnnotations({
    "annotation.a": "1",
    "annotation[linux/arm64].a": "2",
    "annotation-index.b": "3",
    "annotation-manifest-descriptor.__proto__": "4",
    name: "x",
  });
  assert.deepEqual(annotationsFor(all, "manifest", undefined), { a: "1" });
  assert.deepEqual(annotationsFor(all, "manifest", "linux/amd64"), { a: "1" });
  assert.deepEqual(annotationsFor(all, "manifest", "linux/arm64"), { a: "2" });
  assert.deepEqual(annotationsFor(all, "index", undefined), { b: "3" });
  assert.deepEqual(Object.keys(annotationsFor(all, "manifest-descriptor", "linux/amd64")), ["__proto__"]);
  const check = (platforms: string[], index: boolean, oci = true): void =>
    checkAnnotations(all, { platforms, index, oci });
  check(["linux/arm64"], true);
  assert.throws(() => check(["linux/arm64"], false), /index annotations not supported for single platform export/);
  assert.throws(() => check(["linux/s390x"], true), /no platform linux\/arm64 found in source/);
  assert.throws(() => check(["linux/arm64"], true, false), /oci-mediatypes/);
});

test("the command line's form names kinds before the key", () => {
  assert.deepEqual(annotationAttributes("k", "v"), [["annotation-manifest.k", "v"]]);
  assert.deepEqual(annotationAttributes("index:k", "v"), [["annotation-index.k", "v"]]);
  assert.deepEqual(annotationAttributes("manifest[linux/amd64],index:a.b", "v"), [
    ["annotation-manifest[linux/amd64].a.b", "v"],
    ["annotation-index.a.b", "v"],
  ]);
  assert.deepEqual(annotationAttributes("urn:k", "v"), [["annotation.urn:k", "v"]]);
});
