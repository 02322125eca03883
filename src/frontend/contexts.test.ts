import assert from "node:assert/strict";
import { test } from "node:test";
import { AMD64, build, type Built, FakeHost, imageConfig, vertexNamed } from "../../testing/dockerfile-host.ts";
import { digestOf, VarveError } from "../core/index.ts";
import { parseDockerfile } from "../dockerfile/index.ts";
import type { SourceOp } from "../llb/index.ts";
import { compileDockerfile, gitContext, type NamedContext, parseNamedContext } from "./index.ts";

function contexts(entries: Record<string, NamedContext>): { namedContexts: ReadonlyMap<string, NamedContext> } {
  return { namedContexts: new Map(Object.entries(entries)) };
}

function sourceOf({ vertices: [first] }: Built): SourceOp {
  assert.ok(first?.op.kind === "source");
  return first.op;
}

const other = { "docker.io/library/other:1": imageConfig({ Env: ["PATH=/o", "O=1"], WorkingDir: "/o" }) };

test("a named context replaces an image, a stage and a --from", async () => {
  const image = await build(
    "FROM base:latest\nRUN x",
    contexts({ base: { kind: "image", reference: "other:1" } }),
    other,
  );
  assert.equal(image.names[0], "[context base] other:1");
  assert.equal(image.host.requests[0]?.name, "[context base] load metadata for other:1");
  assert.ok(image.image.config.Env?.includes("O=1"));
  const stage = await build(
    "FROM nothere AS dep\nRUN fails\nFROM scratch\nCOPY --from=dep /a /b",
    contexts({ dep: { kind: "image", reference: "other:1" } }),
    other,
  );
  assert.deepEqual(stage.names, ["[context dep] other:1", "[stage-1 1/1] COPY --from=dep /a /b"]);
  const from = await build(
    "FROM scratch\nCOPY --from=assets a /b",
    contexts({ assets: { kind: "local", name: "dir" } }),
  );
  assert.deepEqual(from.locals, [{ name: "dir", exclude: [], followPaths: ["a"] }]);
});

test("an image that a policy replaces by a source of another kind is loaded as that", async () => {
  const host = new FakeHost();
  host.failure = new VarveError("unsupported", "replaced", { details: { replacement: "local://dir" } });
  const options = { ...contexts({ dep: { kind: "image", reference: "other:1" } }), buildPlatform: AMD64 };
  const { locals } = await compileDockerfile(parseDockerfile("FROM scratch\nCOPY --from=dep a /b"), options, host);
  assert.deepEqual(locals, [{ name: "dir", exclude: [], followPaths: ["a"] }]);
});

test("an image that is a context is looked up once, and its config is the base's, without a time", async () => {
  const options = contexts({ base: { kind: "image", reference: "other:1" } });
  const built = await build("FROM base\nCOPY --from=base a /b", options, other);
  assert.equal(built.host.requests.length, 1);
  assert.deepEqual(built.baseImage?.config.Env, ["PATH=/o", "O=1"]);
  assert.equal(built.baseImage.created, undefined);
});

test("a repository that is a context is named as one that is the main context; without a config it is built on nothing", async () => {
  const options = contexts({ base: { kind: "git", url: "https://h/b.git#v1" } });
  const built = await build("FROM base\nRUN x", options);
  assert.equal(built.names[0], "[internal] load git source https://h/b.git#v1");
  assert.deepEqual(built.baseImage, (await build("FROM scratch")).image);
});

test("a local context has its own ignore file and asks for what is used", async () => {
  const options = contexts({ assets: { kind: "local", name: "dir" } });
  const text =
    "FROM assets AS s\nFROM scratch\nCOPY --from=s /a /a\nCOPY --from=assets b /b\nRUN --mount=from=assets,target=/m,source=c x";
  const built = await build(text, options, {}, { dir: ["*.log"] });
  assert.deepEqual(
    built.locals.map(({ name, exclude, followPaths }) => [name, exclude, followPaths]),
    [
      ["dir", ["*.log"], ["a"]],
      ["dir", ["*.log"], ["b"]],
      ["dir", ["*.log"], ["c"]],
    ],
  );
  assert.ok(built.names.includes("[context assets] load from client"));
});

test("one platform's context comes before one for all", async () => {
  const options = contexts({
    base: { kind: "image", reference: "scratch" },
    "base::linux/amd64": { kind: "image", reference: "other:1" },
  });
  const built = await build("FROM base\nRUN x", options, other);
  assert.equal(built.names[0], "[context base::linux/amd64] other:1");
});

test("oci-layout, git, http and results", async () => {
  const digest = digestOf("m");
  const images = { [`docker.io/library/base@${digest}`]: imageConfig() };
  const oci = await build(
    "FROM base\nRUN x",
    contexts({ base: { kind: "oci-layout", reference: `store@${digest}` } }),
    images,
  );
  assert.equal(oci.host.requests[0]?.ociStore, "store");
  assert.equal(sourceOf(oci).identifier, `oci-layout://docker.io/library/base@${digest}`);
  const git = await build(
    "FROM scratch\nCOPY --from=src a b",
    contexts({ src: { kind: "git", url: "https://h/x.git#main" } }),
  );
  assert.equal(sourceOf(git).identifier, "git://h/x.git#main");
  const http = await build(
    "FROM scratch\nCOPY --from=f context b",
    contexts({ f: { kind: "http", url: "https://h/x" } }),
  );
  assert.equal(sourceOf(http).attrs.get("http.filename"), "context");
  const inner = await build("FROM base\nRUN inner");
  const result = contexts({ dep: { kind: "result", edge: inner.edge, config: imageConfig({ User: "u" }) } });
  const outer = await build("FROM dep\nRUN outer", result);
  assert.equal(outer.image.config.User, "u");
  assert.ok(vertexNamed(outer, "RUN inner"));
  await assert.rejects(
    build("FROM base", contexts({ base: { kind: "oci-layout", reference: "store:tag" } })),
    /has no digest/,
  );
});

test("reading a context's text", () => {
  assert.deepEqual(parseNamedContext("docker-image://alpine:3"), { kind: "image", reference: "alpine:3" });
  assert.deepEqual(parseNamedContext("oci-layout://s@x"), { kind: "oci-layout", reference: "s@x" });
  assert.deepEqual(parseNamedContext("local:x"), { kind: "local", name: "x" });
  assert.deepEqual(parseNamedContext("https://h/x.git"), { kind: "git", url: "https://h/x.git" });
  assert.deepEqual(parseNamedContext("git@h:x.git"), { kind: "git", url: "git@h:x.git" });
  assert.deepEqual(parseNamedContext("https://h/x"), { kind: "http", url: "https://h/x" });
  assert.throws(() => parseNamedContext("ftp://x"), /unsupported context source ftp/);
});

test("a git repository as the main context", async () => {
  const state = gitContext("https://github.com/a/b.git#main:docker", { commitTimes: true });
  assert.ok(state !== undefined);
  const built = await build("FROM scratch\nCOPY a b", { context: { kind: "state", state } });
  assert.equal(built.names[0], "[internal] load git source https://github.com/a/b.git#main:docker");
  assert.equal(sourceOf(built).attrs.get("git.mtime"), "commit");
  assert.ok(gitContext("github.com/a/b") !== undefined);
  assert.equal(gitContext("./dir"), undefined);
  assert.equal(gitContext("https://h/archive.tar.gz"), undefined);
});
