import assert from "node:assert/strict";
import { test } from "node:test";
import {
  definitionOf,
  fileActions,
  image,
  merge,
  type OpOptions,
  scratch,
  type State,
  type VertexMetadata,
  walkVertices,
} from "../index.ts";

const base = image("alpine", { platform: { os: "linux", architecture: "amd64" }, name: "base" });

function step(options: OpOptions): State {
  return base.run({ args: ["x"], ...options }).root;
}

const first = step({ name: "first", ignoreCache: true, description: { a: "1" }, exportCache: false });
const second = step({ name: "second", description: { b: "2" }, progressGroup: { id: "g", name: "group", weak: true } });

function metadataOf(top: State, of: State): VertexMetadata {
  const metadata = definitionOf(top.edge).metadata.get(of.edge?.vertex.digest ?? assert.fail());
  const walked = walkVertices([top.edge?.vertex ?? assert.fail()]).filter(
    ({ digest }) => digest === of.edge?.vertex.digest,
  );
  assert.deepEqual(
    walked.map((vertex) => vertex.metadata),
    [metadata],
  );
  return metadata ?? assert.fail();
}

test("equal vertices become one with merged metadata; the last name wins", () => {
  const together = metadataOf(merge([first, second]), first);
  assert.equal(together.ignoreCache, true);
  assert.equal(together.exportCache, false);
  assert.deepEqual(together.progressGroup, { id: "g", name: "group", weak: true });
  assert.deepEqual(Object.fromEntries(together.description), { "llb.customname": "second", a: "1", b: "2" });
  const turned = metadataOf(merge([second, first]), first);
  assert.deepEqual([turned.ignoreCache, turned.description.get("llb.customname")], [true, "first"]);
});

test("dependents of equal vertices are linked to the merged one", () => {
  const [, , top] = walkVertices([merge([first, second]).edge?.vertex ?? assert.fail()]);
  assert.equal(top?.inputs[0]?.vertex, top?.inputs[1]?.vertex);
  assert.equal(top?.inputs[0]?.vertex.metadata.ignoreCache, true);
});

test("metadata of an input is merged although an equal input was found before", () => {
  const mount = (target: string, source: State) => ({ type: "bind", target, source, readonly: true }) as const;
  const ran = scratch().run({ args: ["y"], mounts: [mount("/a", second), mount("/b", first)] }).root;
  const copied = second.file(fileActions().copy(first, "/", "/"));
  for (const user of [ran, copied]) {
    assert.equal(user.edge?.vertex.inputs.length, 1);
    assert.deepEqual(
      [metadataOf(user, first).ignoreCache, metadataOf(user, first).description.get("llb.customname")],
      [true, "first"],
    );
  }
});

test("sources of copies are walked from the last to the first, as BuildKit's client does", () => {
  const [one, two] = ["one", "two"].map((name) => image(name));
  assert.ok(one && two);
  const copied = base.file(fileActions().copy(one, "/", "/").copy(two, "/", "/"));
  const walked = walkVertices([copied.edge?.vertex ?? assert.fail()]).slice(0, 3);
  assert.deepEqual(
    walked.map(({ digest }) => digest),
    [base, two, one].map(({ edge }) => edge?.vertex.digest),
  );
});
