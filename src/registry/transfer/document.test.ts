import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ErrorCode, MediaType, digestOf, isVarveError } from "../../core/index.ts";
import { parseDocument, plainMediaType } from "./document.ts";

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const digest = digestOf("x");
const config = { mediaType: MediaType.ociConfig, digest, size: 1 };
const layer = { mediaType: MediaType.ociLayerGzip, digest, size: 5, annotations: { a: "b" }, urls: null };

test("a manifest and an index are read, with nothing made up", async () => {
  const manifest = parseDocument(bytes({ schemaVersion: 2, config, layers: [layer] }), "application/json", "x");
  const { urls: _urls, ...kept } = layer;
  assert.deepEqual(manifest, { kind: "manifest", mediaType: MediaType.ociManifest, config, layers: [kept] });
  const empty = { schemaVersion: 2, mediaType: MediaType.dockerManifest, config, layers: null };
  assert.deepEqual(parseDocument(bytes(empty), MediaType.dockerManifest, "x"), {
    kind: "manifest",
    mediaType: MediaType.dockerManifest,
    config,
    layers: [],
  });
  const platform = { architecture: "arm64", os: "linux", variant: "v8" };
  const child = { mediaType: MediaType.ociManifest, digest, size: 9, platform };
  const index = parseDocument(bytes({ schemaVersion: 2, manifests: [child] }), MediaType.ociIndex, "x");
  assert.deepEqual(index, { kind: "index", mediaType: MediaType.ociIndex, manifests: [child] });
});

const refused: readonly (readonly [why: string, value: unknown, declared: string, code: ErrorCode])[] = [
  ["not JSON", undefined, MediaType.ociManifest, "corrupt"],
  ["a list", [], MediaType.ociManifest, "corrupt"],
  ["both kinds", { config, layers: [], manifests: [] }, MediaType.ociIndex, "corrupt"],
  ["the other kind", { config, layers: [] }, MediaType.ociIndex, "corrupt"],
  ["no config", { manifests: [] }, MediaType.ociManifest, "corrupt"],
  ["another type", { mediaType: MediaType.ociIndex, config }, MediaType.ociManifest, "corrupt"],
  ["a web page", { config }, "text/html", "corrupt"],
  ["a bad digest", { config: { ...config, digest: "sha256:../../x" } }, MediaType.ociManifest, "corrupt"],
  ["a negative size", { config: { ...config, size: -1 } }, MediaType.ociManifest, "corrupt"],
  ["a fractional size", { config: { ...config, size: 0.5 } }, MediaType.ociManifest, "corrupt"],
  ["schema 1", {}, "application/vnd.docker.distribution.manifest.v1+prettyjws", "unsupported"],
  ["schema 1 in disguise", { schemaVersion: 1, fsLayers: [] }, "application/json", "unsupported"],
  [
    "too many layers",
    { config, layers: Array.from({ length: 501 }, () => layer) },
    MediaType.ociManifest,
    "limit-exceeded",
  ],
];
for (const [why, value, declared, code] of refused) {
  test(`refused: ${why}`, async () => {
    const content = value === undefined ? Buffer.from("{") : bytes(value);
    assert.throws(
      () => parseDocument(content, declared, "x"),
      (error) => isVarveError(error, code),
    );
  });
}

test("whatever comes is read or refused", async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.constantFrom(...Object.values(MediaType), ""), async (text, declared) => {
      try {
        parseDocument(Buffer.from(text), declared, "x");
      } catch (error) {
        assert.ok(isVarveError(error, "corrupt", "unsupported", "limit-exceeded"));
      }
    }),
    { numRuns: 200 },
  );
});

test("a content type is taken without its parameters", () => {
  assert.equal(plainMediaType("Application/JSON; charset=utf-8"), "application/json");
  assert.equal(plainMediaType(undefined), "");
});

test("a document of very many wrong values is refused at the first of them", async () => {
  const many = <T>(value: T): T[] => Array.from({ length: 200_000 }, () => value);
  const annotations = Object.fromEntries(many(1).map((value, at) => [`a${at}`, value]));
  for (const [field, document] of [
    ["layers.0", { config, layers: many(1) }],
    ["manifests.0.mediaType", { manifests: many({}) }],
    ["layers.0.urls.1", { config, layers: [{ ...layer, urls: ["u", ...many(1)] }] }],
    ["layers.0.annotations.a0", { config, layers: [{ ...layer, annotations }] }],
    [
      "config.platform.os.features.0",
      { config: { ...config, platform: { os: "a", architecture: "b", "os.features": many(1) } } },
    ],
  ] as const)
    assert.throws(
      () => parseDocument(bytes(document), "application/json", "x"),
      (error) => isVarveError(error, "corrupt") && error.message.includes(`its field ${field} is not `),
      field,
    );
});
