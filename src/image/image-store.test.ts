import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openContentStore } from "../content/index.ts";
import { MediaType, digestOf, isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { openState } from "../state/index.ts";
import { ImageStore } from "./index.ts";

const descriptor = (text: string) => ({ mediaType: MediaType.ociManifest, digest: digestOf(text), size: text.length });

test("a name is found in any of its forms", () => {
  using state = openState(":memory:");
  const images = new ImageStore(state);
  const full = {
    ...descriptor("a"),
    platform: { architecture: "arm", os: "linux", variant: "v7" },
    annotations: { k: "v" },
  };
  const tagged = images.tag("alpine", full);
  assert.equal(tagged.name, "docker.io/library/alpine:latest");
  for (const name of ["alpine", "alpine:latest", "docker.io/alpine", "index.docker.io/library/alpine:latest"])
    assert.deepEqual(images.get(name), tagged);
  assert.deepEqual(images.get("alpine")?.descriptor, full);
  assert.equal(images.get("alpine:3"), undefined);
  assert.throws(
    () => images.get("Alpine!"),
    (error) => isVarveError(error, "invalid-argument"),
  );
});

test("tagging again moves the name, and keeps when it was made", () => {
  using state = openState(":memory:");
  const images = new ImageStore(state);
  const first = images.tag("a:1", descriptor("old"));
  const second = images.tag("a:1", descriptor("new"));
  assert.equal(second.createdAt, first.createdAt);
  assert.deepEqual(images.list(), [second]);
  images.tag("b", descriptor("x"));
  assert.deepEqual(
    images.list().map(({ name }) => name),
    ["docker.io/library/a:1", "docker.io/library/b:latest"],
  );
  assert.equal(images.remove("a:1"), true);
  assert.equal(images.remove("a:1"), false);
  assert.equal(images.get("a:1"), undefined);
});

test("a name keeps its image from being collected, until it moves or goes", async () => {
  await using dir = await temporaryDirectory();
  using state = openState(join(dir.path, "state.db"));
  const store = openContentStore(dir.path, state);
  const images = new ImageStore(state);
  for (const text of ["one", "two"]) await store.put(Buffer.from(text));
  images.tag("a", descriptor("one"));
  images.tag("a:x", descriptor("two"));
  assert.equal((await store.collect()).blobs, 0);
  images.tag("a", descriptor("two"));
  assert.equal((await store.collect()).blobs, 1);
  images.remove("a");
  assert.equal((await store.collect()).blobs, 0);
  images.remove("a:x");
  assert.equal((await store.collect()).blobs, 1);
});
