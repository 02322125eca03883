import assert from "node:assert/strict";
import { test } from "node:test";
import { MediaType, digestOf } from "../core/index.ts";
import { encodeImageConfig, encodeManifest, readImageConfig, readManifestOrIndex } from "./index.ts";

/** As BuildKit 0.31 wrote it for a Dockerfile of two COPYs, with its inline cache shortened. */
const CONFIG =
  '{"architecture":"amd64","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"},"created":"2026-11-20T19:50:31.983746177Z","history":[{"created":"2026-11-20T19:50:31.984821968Z","created_by":"COPY one /one # buildkit","comment":"buildkit.dockerfile.v0"},{"created":"2026-11-20T19:50:31.983746177Z","created_by":"COPY two /two # buildkit","comment":"buildkit.dockerfile.v0"}],"moby.buildkit.cache.v0":"W3siY2hhaW5zIjpb","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:2c797dda050e2a7d6f376e79d5ab08f0c2fae0fc1666a968519847e98e40c496","sha256:11804ca23809c3e498ed6395fd079f7f5cc842c04397fdbd23530d68ce6e7d77"]}}';

test("a config of BuildKit's is written again byte for byte", () => {
  assert.equal(encodeImageConfig(readImageConfig(Buffer.from(CONFIG))).toString(), CONFIG);
});

test("a config is compact, top-level keys and maps sorted as bytes, empty lists null, and escaped as Go does", () => {
  const config = encodeImageConfig({
    os: "linux",
    architecture: "amd64",
    created: null,
    config: {
      Cmd: [],
      Labels: new Map([
        ["b", "<&>"],
        ["10", "ten"],
        ["9", "nine"],
        ["Z", "é"],
      ]),
      ExposedPorts: new Set(["80/tcp", "443", "80"]),
      Healthcheck: { Test: ["NONE"], Retries: 0 },
      User: "",
    },
    rootfs: { type: "layers", diff_ids: [] },
    history: [],
  });
  assert.equal(
    config.toString(),
    String.raw`{"architecture":"amd64","config":{"ExposedPorts":{"443":{},"80":{},"80/tcp":{}},"Labels":{"10":"ten","9":"nine","Z":"é","b":"\u003c\u0026\u003e"},"Healthcheck":{"Test":["NONE"]}},"created":null,"history":null,"os":"linux","rootfs":{"type":"layers","diff_ids":null}}`,
  );
});

test("a manifest is indented by two spaces, fields in the specification's order", () => {
  const [config, layer] = [digestOf("config"), digestOf("layer")];
  const manifest = encodeManifest({
    kind: "manifest",
    annotations: { b: "2", a: "1" },
    layers: [{ annotations: { k: "v" }, size: 2, digest: layer, mediaType: MediaType.ociLayerGzip }],
    config: { size: 1, digest: config, mediaType: MediaType.ociConfig },
    mediaType: MediaType.ociManifest,
  });
  assert.equal(
    manifest.toString(),
    `{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "${config}",
    "size": 1
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "${layer}",
      "size": 2,
      "annotations": {
        "k": "v"
      }
    }
  ],
  "annotations": {
    "a": "1",
    "b": "2"
  }
}`,
  );
});

test("a manifest without layers has null; an index has its platforms", () => {
  const config = { mediaType: MediaType.dockerConfig, digest: digestOf("c"), size: 1 };
  const manifest = { kind: "manifest", mediaType: MediaType.dockerManifest, config, layers: [] } as const;
  assert.match(encodeManifest(manifest).toString(), /"layers": null\n}$/);
  assert.deepEqual(readManifestOrIndex(encodeManifest(manifest)), manifest);
  const entry = {
    mediaType: MediaType.ociManifest,
    digest: digestOf("m"),
    size: 3,
    platform: { architecture: "arm", os: "linux", variant: "v7" },
  };
  const index = { kind: "index", mediaType: MediaType.ociIndex, manifests: [entry], annotations: { a: "b" } } as const;
  assert.match(
    encodeManifest(index).toString(),
    /"platform": {\n {8}"architecture": "arm",\n {8}"os": "linux",\n {8}"variant": "v7"\n/,
  );
  assert.deepEqual(readManifestOrIndex(encodeManifest(index)), index);
});
