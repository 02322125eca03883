import assert from "node:assert/strict";
import { join, relative, resolve } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../io/index.ts";
import { absolutePaths } from "./absolute-paths.ts";
import { defaultRoot } from "../../core/index.ts";
import { openStore } from "../store/store.ts";

test("the root of a store is an absolute path, even if it was given as a relative one", async () => {
  await using directory = await temporaryDirectory("varve-relative-");
  const root = join(directory.path, "root");
  await using store = await openStore({ root: relative(process.cwd(), root), snapshotter: "copy" });
  assert.equal(store.root, root);
  const { digest } = await store.content.put(Buffer.from("x"));
  assert.ok(store.content.path(digest).startsWith(`${root}/`));
  assert.ok(store.contexts.path.startsWith(`${root}/`));
  assert.equal(defaultRoot({ VARVE_ROOT: "r" }), resolve("r"));
  assert.equal(defaultRoot({ XDG_DATA_HOME: "data", VARVE_ROOT: "" }).startsWith("/"), true);
});

test("all paths in build options become absolute, and nothing else changes", async () => {
  await using directory = await temporaryDirectory("varve-relative-");
  await using store = await openStore({ root: directory.path, snapshotter: "copy" });
  const value = new Uint8Array([1]);
  const registry = { type: "registry", attrs: { ref: "r/c", src: "kept" } };
  const { store: same, ...options } = absolutePaths({
    store,
    context: { kind: "directory", path: "." },
    dockerfile: { kind: "file", path: "../Dockerfile" },
    buildContexts: {
      dir: "d",
      layout: "oci-layout://l:tag",
      image: "docker-image://alpine",
      git: "https://example.com/r.git#main",
      stage: "target:x",
    },
    tags: ["a/b"],
    secrets: [
      { id: "f", source: { file: "s" } },
      { id: "e", source: { env: "E" } },
      { id: "v", source: { value } },
    ],
    ssh: [{ id: "default", paths: ["agent", "/abs"] }],
    outputs: [{ type: "oci", dest: "-" }, { type: "local", dest: "out" }, { type: "image" }],
    cacheFrom: [{ type: "local", attrs: { src: "c", tag: "t" } }, registry],
    cacheTo: [{ type: "local", attrs: { dest: "c" } }],
  });
  assert.equal(same, store);
  assert.deepEqual(options, {
    context: { kind: "directory", path: process.cwd() },
    dockerfile: { kind: "file", path: resolve("../Dockerfile") },
    buildContexts: {
      dir: resolve("d"),
      layout: `oci-layout://${resolve("l:tag")}`,
      image: "docker-image://alpine",
      git: "https://example.com/r.git#main",
      stage: "target:x",
    },
    tags: ["a/b"],
    secrets: [
      { id: "f", source: { file: resolve("s") } },
      { id: "e", source: { env: "E" } },
      { id: "v", source: { value } },
    ],
    ssh: [{ id: "default", paths: [resolve("agent"), "/abs"] }],
    outputs: [{ type: "oci", dest: "-" }, { type: "local", dest: resolve("out") }, { type: "image" }],
    cacheFrom: [{ type: "local", attrs: { src: resolve("c"), tag: "t" } }, registry],
    cacheTo: [{ type: "local", attrs: { dest: resolve("c") } }],
  });
});

test("paths are resolved against another directory than the working directory", () => {
  const options = absolutePaths({ context: { kind: "directory", path: "." }, buildContexts: { d: "../d" } }, "/a/b");
  assert.deepEqual(options, { context: { kind: "directory", path: "/a/b" }, buildContexts: { d: "/a/d" } });
});
