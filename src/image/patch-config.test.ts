import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, isVarveError } from "../core/index.ts";
import { type ImageConfig, defaultImageConfig, encodeImageConfig, patchImageConfig } from "./index.ts";

const config: ImageConfig = {
  os: "linux",
  architecture: "amd64",
  rootfs: { type: "layers", diff_ids: [] },
  history: [],
};
const layer = (text: string, createdAt: string) => ({ diffId: digestOf(text), createdAt });
const EPOCH = 1_700_000_000;
const EPOCH_TEXT = "2023-11-14T22:13:20Z";

test("layers become diffIDs and history, and the last time becomes the image's", () => {
  const patched = patchImageConfig(config, {
    layers: [layer("a", "2024-01-01T00:00:00.5Z"), layer("b", "2024-01-02T00:00:00Z")],
  });
  assert.deepEqual(patched.config.rootfs, { type: "layers", diff_ids: [digestOf("a"), digestOf("b")] });
  assert.equal(patched.config.history.length, 2);
  assert.equal(patched.config.created, "2024-01-02T00:00:00Z");
});

test("a time of creation that is there stays, null too; without any time it is null", () => {
  const layers = [layer("a", "2024-01-01T00:00:00Z")];
  assert.equal(
    patchImageConfig({ ...config, created: "2020-01-01T00:00:00Z" }, { layers }).config.created,
    "2020-01-01T00:00:00Z",
  );
  assert.equal(patchImageConfig({ ...config, created: null }, { layers, epoch: EPOCH }).config.created, null);
  const empty = patchImageConfig(config, { layers: [] }).config;
  assert.equal(empty.created, null);
  assert.equal(
    encodeImageConfig(empty).toString(),
    '{"architecture":"amd64","created":null,"history":null,"os":"linux","rootfs":{"type":"layers","diff_ids":null}}',
  );
});

test("with an epoch nothing of this build is later, and the base image's part is as it was", () => {
  const base = { created_by: "base", created: "2024-06-01T00:00:00Z" };
  const old = { created_by: "old", created: "2001-01-01T00:00:00Z" };
  const changed = { created_by: "base", created: "2024-06-01T00:00:00Z", comment: "not the base's" };
  const { config: patched } = patchImageConfig(
    { ...config, created: "2025-01-01T00:00:00Z", history: [base, { created_by: "new" }, old, changed] },
    {
      layers: ["1", "2", "3", "4"].map((text) => layer(text, "2026-01-01T00:00:00Z")),
      epoch: EPOCH,
      base: { ...config, history: [base, base, old] },
    },
  );
  assert.deepEqual(
    patched.history.map(({ created }) => created),
    [base.created, EPOCH_TEXT, old.created, EPOCH_TEXT],
  );
  assert.equal(patched.created, EPOCH_TEXT);
});

test("without times an epoch is the time of every new entry", () => {
  const history = [{ created_by: "ENV", empty_layer: true }];
  const { config: patched } = patchImageConfig({ ...config, history }, { layers: [], epoch: EPOCH });
  assert.deepEqual(patched.history, [{ created_by: "ENV", empty_layer: true, created: EPOCH_TEXT }]);
  assert.equal(patched.created, EPOCH_TEXT);
});

test("an image without a platform cannot be exported", () => {
  for (const field of ["os", "architecture"])
    assert.throws(
      () => patchImageConfig({ ...config, [field]: "" }, { layers: [] }),
      (error) =>
        isVarveError(error, "invalid-build") &&
        error.message.endsWith(`invalid image config for export: missing ${field}`),
    );
});

test("the inline cache is a field of its own, beside unknown fields", () => {
  const { config: patched } = patchImageConfig(
    { ...config, unknown: new Map([["x", 1]]) },
    { layers: [], inlineCache: Buffer.from("[]") },
  );
  assert.match(encodeImageConfig(patched).toString(), /"moby.buildkit.cache.v0":"W10=","os":"linux",.*,"x":1}$/);
});

test("a filesystem without a config gets its platform, a path and a directory to work in", () => {
  assert.equal(
    encodeImageConfig(
      patchImageConfig(defaultImageConfig({ os: "linux", architecture: "aarch64" }), { layers: [] }).config,
    ).toString(),
    '{"architecture":"arm64","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"},"created":null,"history":null,"os":"linux","rootfs":{"type":"layers","diff_ids":null}}',
  );
  assert.equal(defaultImageConfig({ os: "windows", architecture: "amd64" }).config?.Env, undefined);
});

test("a time that cannot be read is corrupt", () => {
  assert.throws(
    () => patchImageConfig({ ...config, created: "soon" }, { layers: [], epoch: EPOCH }),
    (error) => isVarveError(error, "corrupt"),
  );
});
