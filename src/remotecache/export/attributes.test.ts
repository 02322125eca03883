import assert from "node:assert/strict";
import { test } from "node:test";
import { containerForm, defaultScope, parseCacheExport, parseCacheExports } from "../index.ts";

const registry = (attrs: Record<string, string>) => parseCacheExport("registry", { ref: "localhost:5000/c", ...attrs });
const local = (attrs: Record<string, string>) => parseCacheExport("local", { dest: "/c", ...attrs });

test("defaults are BuildKit's", () => {
  assert.deepEqual(registry({}), {
    type: "registry",
    mode: "min",
    ignoreError: true,
    onFailure: true,
    container: { ociMediaTypes: true, imageManifest: true },
    compression: { compression: "gzip", force: false, level: undefined },
    scope: undefined,
    sign: undefined,
    eager: false,
    grace: undefined,
    reset: false,
    explain: true,
    reference: { registry: "localhost:5000", repository: "c", tag: "latest", digest: undefined },
    insecure: false,
  });
  const grace = (attrs: Record<string, string>): unknown => (local(attrs) as { grace?: number }).grace;
  assert.deepEqual([{}, { gc: "off" }, { gc: "1h" }, { gc: "0" }].map(grace), [600_000, undefined, 3_600_000, 0]);
  assert.throws(() => local({ gc: "ten" }), /time: invalid duration "ten"/);
  const { tag, directory } = local({}) as { tag?: string; directory?: string };
  assert.deepEqual([tag, directory], ["latest", "/c"]);
  assert.deepEqual(parseCacheExport("inline", { mode: "max" }), {
    type: "inline",
    mode: "max",
    ignoreError: true,
    onFailure: true,
  });
});

test("values are read as BuildKit reads them", () => {
  assert.equal(registry({ mode: "bogus" }).mode, "min");
  assert.equal(registry({ mode: "max" }).mode, "max");
  assert.equal(registry({ "ignore-error": "F" }).ignoreError, false);
  assert.equal(registry({ "ignore-error": "maybe" }).ignoreError, true);
  const { compression } = local({ compression: "zstd", "force-compression": "", "compression-level": "-1" }) as {
    compression?: unknown;
  };
  assert.deepEqual(compression, { compression: "zstd", force: true, level: -1 });
});

test("directories are eager with all steps, and others where it is asked for", () => {
  const eager = (parsed: object): unknown => (parsed as { eager?: boolean }).eager;
  assert.deepEqual(
    [local({}), local({ mode: "max" }), local({ mode: "max", eager: "false" }), registry({ mode: "max" })].map(eager),
    [false, true, false, false],
  );
  assert.equal(eager(registry({ mode: "max", eager: "true" })), true);
  assert.throws(() => registry({ eager: "true" }), /eager=true needs mode=max/);
});

test("what is wrong is refused, in BuildKit's words", () => {
  assert.throws(() => parseCacheExport("registry", {}), /missing ref/);
  assert.throws(() => parseCacheExport("local", {}), /local cache exporter requires dest/);
  assert.throws(() => parseCacheExport("s4", {}), /unknown cache exporter: "s4"/);
  assert.throws(() => registry({ compression: "brotli" }), /unsupported compression type brotli/);
  assert.throws(() => registry({ "compression-level": "high" }), /non-int value high specified for compression-level/);
  assert.throws(() => registry({ "oci-mediatypes": "maybe" }), /failed to parse oci-mediatypes/);
  assert.throws(() => registry({ scope: "s".repeat(257) }), /its scope is longer than 256 characters/);
  assert.throws(() => registry({ ref: `localhost/c@sha256:${"0".repeat(64)}` }), /a cache is written to a tag/);
});

test("the container follows from two attributes", () => {
  const form = (attrs: Record<string, string>) => {
    const parsed = registry(attrs);
    assert.ok(parsed.type === "registry");
    return containerForm(parsed.container);
  };
  assert.equal(form({}), "manifest");
  assert.equal(form({ "image-manifest": "false" }), "oci-index");
  assert.equal(form({ "oci-mediatypes": "false" }), "docker-list");
  assert.throws(
    () => form({ "oci-mediatypes": "false", "image-manifest": "true" }),
    /OCI mediatypes are required for image-manifest cache format/,
  );
});

test("two exports to one place are refused; of several inline ones the first counts", () => {
  const one = { type: "registry", attrs: { ref: "localhost/c" } };
  const same = { type: "registry", attrs: { ref: "localhost/c:latest", mode: "max" } };
  assert.throws(() => parseCacheExports([one, same]), /duplicate cache exports \[/);
  const directory = { type: "local", attrs: { dest: "/c", mode: "max" } };
  assert.throws(() => parseCacheExports([directory, directory]), /duplicate cache exports/);
  const tagged = { type: "local", attrs: { dest: "/c", mode: "max", tag: "t" } };
  const inline = { type: "inline", attrs: {} };
  const parsed = parseCacheExports([directory, inline, tagged, { type: "inline", attrs: { mode: "max" } }, one]);
  assert.deepEqual(
    parsed.map(({ type, mode }) => [type, mode]),
    [
      ["local", "max"],
      ["inline", "min"],
      ["local", "max"],
      ["registry", "min"],
    ],
  );
});

test("the scope of a build depends on what it builds, not on the order it is said in", () => {
  const facts = { dockerfile: "Dockerfile", target: undefined, platforms: ["a", "b"], buildArgs: { X: "1", Y: "2" } };
  const scope = defaultScope(facts);
  assert.equal(defaultScope({ ...facts, platforms: ["b", "a"], buildArgs: { Y: "2", X: "1" } }), scope);
  for (const other of [{ dockerfile: "D" }, { target: "t" }, { platforms: ["a"] }, { buildArgs: { X: "1" } }])
    assert.notEqual(defaultScope({ ...facts, ...other }), scope);
});
