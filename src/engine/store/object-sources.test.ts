import assert from "node:assert/strict";
import { test } from "node:test";
import { parseS3Cache } from "../../remotecache/index.ts";
import { ObjectSources, isObjectSource } from "./object-sources.ts";

const ATTRS = { bucket: "bk", region: "r", access_key_id: "id", secret_access_key: "a-secret-of-nobody" };

test("builds with the same attributes share a store; other keys have another, and the first still works", async () => {
  using sources = new ObjectSources();
  const one = await sources.of(parseS3Cache(ATTRS, {}));
  assert.equal(await sources.of(parseS3Cache({ ...ATTRS }, {})), one);
  const other = parseS3Cache({ ...ATTRS, secret_access_key: "another-secret" }, {});
  assert.notEqual(await sources.of(other), one);
  assert.equal(await sources.of(other), await sources.of(other));
});

test("neither the source of layers nor the identity of a cache contains keys", () => {
  const { id, source, name } = parseS3Cache({ ...ATTRS, prefix: "p/", endpoint_url: "http://s.example" }, {});
  assert.ok(isObjectSource(source));
  assert.equal(source, "s3://bk/p%2Fblobs%2F?region=r&endpoint=http%3A%2F%2Fs.example");
  for (const text of [id, source, name]) assert.doesNotMatch(text, /secret/);
});
