import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MediaType } from "../../core/index.ts";
import { decodeContents, encodeContents } from "../export/codec.ts";
import { layersOfGraph } from "../export/scopes.ts";
import { encodeCacheConfig, parseCacheConfig } from "./config.ts";

/** A document that BuildKit has written to S3. */
const WRITTEN = readFileSync("testing/fixtures/remotecache/s3-manifest.json");
const type = MediaType.buildkitCacheConfig;
const noRead = (): never => assert.fail("an annotated document has no other");

test("what BuildKit has written to S3 is written again as it was", () => {
  const again = Buffer.from(encodeCacheConfig(parseCacheConfig(WRITTEN))).toString();
  assert.equal(again, JSON.stringify(JSON.parse(WRITTEN.toString())));
});

test("its layers are described by the document itself, and stay so when it is encoded", async () => {
  const contents =
    (await decodeContents({ bytes: WRITTEN, type }, noRead, "s3://bk/blobs%2F?region=r")) ?? assert.fail();
  const layers = [...layersOfGraph(contents.graph).values()];
  assert.equal(layers.length, 5);
  assert.ok(
    layers.every(
      ({ sources, size, mediaType }) =>
        sources[0] === "s3://bk/blobs%2F?region=r" && size > 0 && mediaType.endsWith("gzip"),
    ),
  );
  const { manifest } = encodeContents(contents, "annotated");
  const again = (await decodeContents({ bytes: manifest.bytes, type }, noRead)) ?? assert.fail();
  assert.deepEqual(encodeContents(again, "annotated").manifest.bytes, manifest.bytes);
  assert.deepEqual(new Set(layersOfGraph(again.graph).keys()), new Set(layersOfGraph(contents.graph).keys()));
  assert.deepEqual(
    parseCacheConfig(manifest.bytes).layers.toSorted(byBlob),
    parseCacheConfig(WRITTEN).layers.toSorted(byBlob),
  );
});

const byBlob = ({ blob: a }: { readonly blob: string }, { blob: b }: { readonly blob: string }): number =>
  a < b ? -1 : 1;

test("a layer that is not described, and data after the document, reject it", async () => {
  const document = JSON.parse(WRITTEN.toString()) as { layers: { annotations?: { diffID?: string } }[] };
  const read = async (bytes: Buffer): Promise<unknown> => await decodeContents({ bytes, type }, noRead);
  await assert.rejects(read(Buffer.concat([WRITTEN, Buffer.from("{}")])), { code: "corrupt" });
  document.layers[1] = { ...document.layers[1], annotations: { ...document.layers[1]?.annotations, diffID: "" } };
  await assert.rejects(read(Buffer.from(JSON.stringify(document))), { code: "corrupt", message: /missing diffid/ });
  delete document.layers[1]?.annotations;
  await assert.rejects(read(Buffer.from(JSON.stringify(document))), {
    code: "corrupt",
    message: /missing annotations/,
  });
});
