import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCloudCache } from "../../remotecache/index.ts";
import { CloudCaches, isCloudSource } from "./cloud-caches.ts";

const ATTRS = { bucket: "bk", region: "r", access_key_id: "id", secret_access_key: "a-secret-of-nobody" };

test("builds with the same attributes share a store; other keys have another, and the first still works", async () => {
  using sources = new CloudCaches();
  const one = await sources.of(parseCloudCache("s3", ATTRS, {}));
  assert.equal(await sources.of(parseCloudCache("s3", { ...ATTRS }, {})), one);
  const other = parseCloudCache("s3", { ...ATTRS, secret_access_key: "another-secret" }, {});
  assert.notEqual(await sources.of(other), one);
  assert.equal(await sources.of(other), await sources.of(other));
});

test("neither the source of layers nor the identity of a cache contains keys", () => {
  const { id, source, name } = parseCloudCache("s3", { ...ATTRS, prefix: "p/", endpoint_url: "http://s.example" }, {});
  assert.ok(isCloudSource(source));
  assert.equal(source, "s3://bk/p%2Fblobs%2F?region=r&endpoint=http%3A%2F%2Fs.example");
  for (const text of [id, source, name]) assert.doesNotMatch(text, /secret/);
});
