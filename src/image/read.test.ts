import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type ErrorCode, Limits, MediaType, digestOf, isVarveError } from "../core/index.ts";
import {
  configPlatform,
  encodeImageConfig,
  readImageConfig,
  readIndex,
  readManifest,
  readManifestOrIndex,
} from "./index.ts";

const bytes = (value: unknown): Buffer => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isVarveError(error, code);
const digest = digestOf("x");
const part = { mediaType: MediaType.ociConfig, digest, size: 1 };

test("a config with null or missing lists is read as empty", () => {
  for (const rootfs of [undefined, null, {}, { type: "layers", diff_ids: null }]) {
    const config = readImageConfig(bytes({ os: "linux", architecture: "amd64", config: null, history: null, rootfs }));
    assert.deepEqual(config, {
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [] },
      history: [],
    });
  }
});

test("every field of a config is kept, and keys of maps are only keys", () => {
  const text = `{"architecture":"arm","author":"a","config":{"User":"u","ExposedPorts":{"80":{},"443":{},"__proto__":{}},
    "Env":["A=1"],"Entrypoint":["e"],"Cmd":["c"],"Volumes":{"/v":{}},"WorkingDir":"/w","Labels":{"__proto__":"p","constructor":"c"},
    "StopSignal":"9","ArgsEscaped":true,"Healthcheck":{"Test":["CMD","t"],"Interval":1,"Timeout":2,"StartPeriod":3,"StartInterval":4,"Retries":5},
    "OnBuild":["RUN x"],"Shell":["sh"],"Hostname":"h","Domainname":"d","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,
    "Tty":true,"OpenStdin":true,"StdinOnce":true,"Image":"i","NetworkDisabled":true,"MacAddress":"m","StopTimeout":0,"New":{"b":1,"a":2}},
    "created":"2020-01-01T00:00:00Z","history":[{"created":"2020-01-01T00:00:00Z","created_by":"c","author":"a","comment":"m","empty_layer":true}],
    "os":"linux","os.features":["f"],"os.version":"1","rootfs":{"type":"layers","diff_ids":["${digest}"]},"variant":"v7","x.new":[1]}`;
  const config = readImageConfig(bytes(text));
  assert.deepEqual(config.config?.ExposedPorts, new Set(["80", "443", "__proto__"]));
  assert.deepEqual(
    config.config?.Labels,
    new Map([
      ["__proto__", "p"],
      ["constructor", "c"],
    ]),
  );
  assert.deepEqual(config.unknown, new Map([["x.new", [1]]]));
  assert.deepEqual(config.config?.unknown, new Map([["New", { b: 1, a: 2 }]]));
  assert.deepEqual(readImageConfig(encodeImageConfig(config)), config);
  const again = JSON.parse(encodeImageConfig(config).toString()) as unknown;
  assert.deepEqual(again, JSON.parse(text));
  assert.deepEqual(configPlatform(config), {
    os: "linux",
    architecture: "arm",
    variant: "v7",
    osVersion: "1",
    osFeatures: ["f"],
  });
});

test("a config of the wrong shape is corrupt, as far as Go's json.Unmarshal into an image has it", () => {
  const wrong = [
    "",
    "[]",
    "7",
    "{",
    '"x"',
    { os: 1 },
    { variant: [] },
    { "os.features": "win32k" },
    { created: 7 },
    ...["", "2020-01-01", "2020-01-01t00:00:00z", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z"].map((created) => ({
      created,
    })),
    ...["2020-01-01T24:00:00Z", "2020-01-01T00:00:60Z", "2020-01-01 00:00:00Z"].map((created) => ({ created })),
    ...[[], { User: 0 }, { ArgsEscaped: "true" }, { Shell: "sh" }].map((config) => ({ config })),
    ...[[1], {}, "A=1", [["a"]]].map((Env) => ({ config: { Env } })),
    ...[{ a: 1 }, ["a"]].map((Labels) => ({ config: { Labels } })),
    ...[{ "80": 1 }, ["80"], { "80": [] }].map((ExposedPorts) => ({ config: { ExposedPorts } })),
    ...[[], { Retries: 1.5 }, { Interval: "1s" }].map((Healthcheck) => ({ config: { Healthcheck } })),
    ...[{}, [{ empty_layer: 1 }], [{ created: "yesterday" }]].map((history) => ({ history })),
    ...[[], { diff_ids: [1] }, { diff_ids: ["sha256:abc"] }, { diff_ids: ["sha256:../../etc"] }].map((rootfs) => ({
      rootfs,
    })),
    // Go takes it for an empty image; it is none that anybody meant.
    "null",
  ];
  for (const value of wrong)
    assert.throws(() => readImageConfig(bytes(value)), hasCode("corrupt"), JSON.stringify(value));
});

test("null counts as an empty item, times are RFC 3339, unknown fields are anybody's", () => {
  const { config, history } = readImageConfig(
    bytes({
      created: "2020-01-01T00:00:00.123456789123+02:00",
      os: "windows",
      "os.features": ["win32k"],
      config: { Env: [null, "A=1"], Labels: { a: null }, ExposedPorts: { 80: null, 81: { a: 1 } }, Unknown: [1] },
      history: [null, { created: null }, { created: "0001-01-01T00:00:00Z" }],
    }),
  );
  assert.deepEqual(config?.Env, ["", "A=1"]);
  assert.deepEqual(config?.Labels, new Map([["a", ""]]));
  assert.deepEqual(config?.ExposedPorts, new Set(["80", "81"]));
  assert.deepEqual(history, [{}, {}, { created: "0001-01-01T00:00:00Z" }]);
  assert.equal(readImageConfig(bytes({ created: null })).created, null);
});

test("what is too large, too deep or has too many layers is refused", () => {
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  const many = Array.from({ length: Limits.layers + 1 }, () => digest);
  const layers = many.map(() => part);
  for (const config of [deep, { rootfs: { diff_ids: many } }, `"${"x".repeat(Limits.config)}"`])
    assert.throws(() => readImageConfig(bytes(config)), hasCode("limit-exceeded"));
  for (const manifest of [deep, { config: part, layers }, `"${"x".repeat(Limits.manifest)}"`])
    assert.throws(() => readManifest(bytes(manifest)), hasCode("limit-exceeded"));
});

test("a manifest is read with or without its type, and with null layers", () => {
  const body = { schemaVersion: 2, config: part, layers: null };
  for (const [document, type] of [
    [body, undefined],
    [body, MediaType.ociManifest],
    [{ ...body, mediaType: MediaType.ociManifest }, "application/octet-stream"],
    [{ ...body, mediaType: "" }, undefined],
  ] as const)
    assert.deepEqual(readManifestOrIndex(bytes(document), type), {
      kind: "manifest",
      mediaType: MediaType.ociManifest,
      config: part,
      layers: [],
    });
  const docker = { ...body, config: { ...part, mediaType: MediaType.dockerConfig } };
  assert.equal(readManifest(bytes(docker)).mediaType, MediaType.dockerManifest);
  assert.equal(readIndex(bytes({ manifests: [] })).mediaType, MediaType.ociIndex);
  const list = { schemaVersion: 2, manifests: [{ ...part, mediaType: MediaType.dockerManifest }] };
  assert.equal(readIndex(bytes(list)).mediaType, MediaType.dockerList);
});

test("every field of a descriptor is kept", () => {
  const entry = {
    mediaType: MediaType.ociManifest,
    digest,
    size: 0,
    urls: ["https://a"],
    annotations: { a: "b" },
    data: "e30=",
    artifactType: "t",
    platform: { architecture: "arm64", os: "linux", "os.version": "1", "os.features": ["f"], variant: "v8" },
  };
  const index = {
    mediaType: MediaType.ociIndex,
    artifactType: "t",
    manifests: [entry],
    subject: part,
    annotations: { c: "d" },
  };
  assert.deepEqual(readIndex(bytes(index)), { kind: "index", ...index });
  assert.equal(readIndex(bytes({ manifests: [{ digest, size: 1 }] })).manifests[0]?.mediaType, MediaType.ociManifest);
});

test("a document that could be read in two ways is refused", () => {
  for (const [document, type] of [
    [{ config: part, layers: [], manifests: [] }, undefined],
    [{ layers: [part], manifests: [part] }, MediaType.ociIndex],
    [{ mediaType: MediaType.ociManifest, manifests: [part] }, undefined],
    [{ mediaType: MediaType.ociIndex, config: part, layers: [part] }, undefined],
    [{ config: part, layers: [] }, MediaType.dockerList],
    [{ manifests: [] }, MediaType.dockerManifest],
    [{ layers: [] }, undefined],
    [{ schemaVersion: 3, config: part }, undefined],
  ] as const)
    assert.throws(() => readManifestOrIndex(bytes(document), type), hasCode("corrupt"), JSON.stringify(document));
  assert.throws(() => readManifest(bytes({ schemaVersion: 1, fsLayers: [] })), hasCode("unsupported"));
  assert.throws(() => readManifest(bytes({ config: part, mediaType: "text/html" })), hasCode("unsupported"));
  assert.throws(() => readManifest(bytes({ manifests: [] })), hasCode("corrupt"));
  assert.throws(() => readIndex(bytes({ config: part })), hasCode("corrupt"));
});

test("a descriptor without a sound digest and size is corrupt", () => {
  for (const change of [
    { digest: undefined },
    { digest: "sha256:xyz" },
    { digest: "md5:00" },
    { size: -1 },
    { size: 1.5 },
    { size: 2 ** 60 },
    { size: "1" },
    { size: undefined },
    { urls: [1] },
    { annotations: { a: 1 } },
    { platform: 1 },
  ])
    assert.throws(
      () => readManifest(bytes({ config: { ...part, ...change } })),
      hasCode("corrupt"),
      JSON.stringify(change),
    );
});

test("any JSON is read or refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      for (const read of [readImageConfig, readManifestOrIndex]) {
        try {
          read(Buffer.from(text));
        } catch (error) {
          assert.ok(isVarveError(error, "corrupt", "unsupported", "limit-exceeded"), String(error));
        }
      }
    }),
    { numRuns: 300 },
  );
});
