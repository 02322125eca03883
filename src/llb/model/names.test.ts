import assert from "node:assert/strict";
import { test } from "node:test";
import {
  diff,
  fileActions,
  image,
  local,
  makeVertex,
  merge,
  requires,
  scratch,
  vertexName,
  type State,
} from "../index.ts";

function name({ edge }: State): string {
  assert.ok(edge);
  return vertexName(edge.vertex);
}

const context = local("context");
const base = image("alpine:3", { name: "the base" });

test("a vertex has the name that it was given, or a description of its op", () => {
  assert.equal(name(base), "the base");
  assert.equal(name(image("alpine:3")), "docker-image://docker.io/library/alpine:3");
  assert.equal(name(base.run({ args: ["sh", "-c", "a  b"] }).root), "sh -c a  b");
  const actions = fileActions()
    .mkdir("/x", 0o755)
    .copy(context, "a", "/b")
    .mkfile("/f", 0o644, Buffer.of())
    .symlink("old", "/new")
    .rm("/r");
  assert.equal(name(scratch().file(actions)), "mkdir /x, copy /a /b, mkfile /f, symlink /new -> old, rm /r");
  assert.equal(name(requires(base, "wait", [context])), "passthrough wait");
  const op = { kind: "build", builder: -1, inputs: new Map(), attrs: new Map() } as const;
  assert.equal(vertexName(makeVertex({ op })), "build");
});

test("merges and differences are named by their inputs", () => {
  const changed = base.file(fileActions().mkdir("/x", 0o755));
  assert.equal(name(merge([base, changed, context])), "merge (the base, mkdir /x, local://context)");
  assert.equal(name(diff(base, changed)), "diff (the base) -> (mkdir /x)");
  assert.equal(name(diff(base, scratch())), "diff (the base) -> scratch");
  const inputs = [{ vertex: base.edge?.vertex ?? assert.fail(), output: 0 }];
  const upper = makeVertex({ op: { kind: "diff", lower: -1, upper: 0 }, inputs });
  assert.equal(vertexName(upper), "diff scratch -> (the base)");
  assert.equal(name(merge([diff(base, changed), context])), "merge (diff (the base) -> (mkdir /x), local://context)");
  assert.equal(name(merge([base, changed], { name: "given" })), "given");
});
