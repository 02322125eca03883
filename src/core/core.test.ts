import assert from "node:assert/strict";
import { test } from "node:test";
import { DigestHasher, chainId, digestOf, isDigest, parseDigest } from "./digest.ts";
import { VarveError, throwIfAborted, toVarveError } from "./error.ts";
import { goJson, goJsonIndented, sortKeys } from "./go/json.ts";
import { isLayerType, layerCompression, layerMediaType, nonDistributableType } from "./mediatype.ts";
import { wholeSeconds } from "./nanoseconds.ts";

const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

test("digests are sha256 or sha512 in canonical form", () => {
  assert.equal(digestOf(""), EMPTY);
  assert.ok(isDigest(EMPTY));
  assert.ok(isDigest(digestOf("x", "sha512")));
  for (const bad of ["", "sha256:", EMPTY.toUpperCase(), `${EMPTY}0`, EMPTY.slice(0, -1), "md5:aa", `../${EMPTY}`]) {
    assert.ok(!isDigest(bad), bad);
    assert.throws(() => parseDigest(bad), VarveError);
  }
});

test("a hasher counts bytes, not characters", () => {
  const hasher = new DigestHasher().update("é").update(new Uint8Array([1, 2]));
  assert.equal(hasher.size, 4);
  assert.equal(hasher.digest(), digestOf(Buffer.from([0xc3, 0xa9, 1, 2])));
});

test("a chain id folds diff ids from the bottom", () => {
  const [a, b, c] = [digestOf("a"), digestOf("b"), digestOf("c")];
  assert.equal(chainId([]), undefined);
  assert.equal(chainId([a]), a);
  assert.equal(chainId([a, b, c]), digestOf(`${digestOf(`${a} ${b}`)} ${c}`));
});

test("Go's JSON escapes what Go's encoder escapes", () => {
  assert.equal(
    goJson({ a: "<&>\u2028\u2029/é\t\u0001" }),
    String.raw`{"a":"\u003c\u0026\u003e\u2028\u2029/é\t\u0001"}`,
  );
  assert.equal(goJson({ a: "\ud800x" }), '{"a":"\ufffdx"}');
  assert.equal(goJson({ a: undefined, b: null, c: [], d: 0 }), '{"b":null,"c":[],"d":0}');
});

test("sorted keys are in byte order, and keys of the prototype are only keys", () => {
  const source = JSON.parse('{"b":1,"__proto__":2,"a":{"z":1,"é":2,"Z":3}}') as Record<string, number>;
  assert.equal(goJson(sortKeys(source)), '{"__proto__":2,"a":{"Z":3,"z":1,"é":2},"b":1}');
  assert.equal(goJson(sortKeys({ "80": 1, "443": 2, "8080": 3 })), '{"443":2,"80":1,"8080":3}');
});

test("indented JSON is as Go's MarshalIndent writes it", () => {
  const value = { a: [1, { b: "<" }], c: [], d: {}, e: undefined, f: null };
  assert.equal(
    goJsonIndented(value),
    '{\n  "a": [\n    1,\n    {\n      "b": "\\u003c"\n    }\n  ],\n  "c": [],\n  "d": {},\n  "f": null\n}',
  );
});

test("layer media types and compressions come from each other", () => {
  for (const family of ["oci", "docker"] as const) {
    for (const compression of ["uncompressed", "gzip", "zstd"] as const) {
      const type = layerMediaType(compression, family);
      assert.ok(isLayerType(type), type);
      assert.equal(layerCompression(type), compression);
      assert.equal(layerCompression(nonDistributableType(type)), compression);
    }
  }
  assert.equal(layerCompression("application/vnd.oci.image.config.v1+json"), undefined);
  assert.equal(layerCompression("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "gzip");
  assert.deepEqual(
    ["application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar+gzip"].map(
      nonDistributableType,
    ),
    [
      "application/vnd.docker.image.rootfs.foreign.diff.tar",
      "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
  );
});

test("a full disk is a storage error, an abort is cancelled, the rest is what the caller says", () => {
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  assert.equal(toVarveError(full, "write x").code, "storage");
  assert.equal(toVarveError(new DOMException("stop", "AbortError"), "write x").code, "cancelled");
  assert.equal(toVarveError(new Error("odd"), "write x", "remote").code, "remote");
  const own = new VarveError("busy", "Cannot x: y");
  assert.equal(toVarveError(own, "write x"), own);
});

test("a reason that is a VarveError is thrown as it is", () => {
  const reason = new VarveError("cancelled", "Cannot go on: interrupted");
  assert.throws(() => throwIfAborted(AbortSignal.abort(reason)), reason);
  assert.throws(() => throwIfAborted(AbortSignal.abort()), { code: "cancelled" });
  throwIfAborted(undefined);
});

test("if clean-up fails as well, the first failure is reported", () => {
  const first = new VarveError("storage", "Cannot copy: no space left");
  const suppressed = new SuppressedError(new Error("later"), new SuppressedError(new Error("then"), first));
  assert.equal(toVarveError(suppressed, "do"), first);
});

test("whole seconds are rounded down, before 1970 too", () => {
  const times = [0n, 1n, 999_999_999n, 1_000_000_000n, -1n, -1_000_000_000n, -1_000_000_001n];
  assert.deepEqual(times.map(wholeSeconds), [0n, 0n, 0n, 1n, -1n, -1n, -2n]);
});
