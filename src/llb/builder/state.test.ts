import assert from "node:assert/strict";
import { test } from "node:test";
import {
  diff,
  fileActions,
  git,
  http,
  image,
  local,
  merge,
  ociLayout,
  parseOwner,
  scratch,
  type ExecOp,
  type FileOp,
  type SourceOp,
  type State,
} from "../index.ts";

const base = image("alpine", { platform: { os: "linux", architecture: "amd64" } });
const context = local("context", { sessionId: "s" });

function op<K extends "exec" | "file" | "source">(
  state: State,
  kind: K,
): Extract<ExecOp | FileOp | SourceOp, { kind: K }> {
  const found = state.edge?.vertex.op;
  assert.ok(found?.kind === kind);
  return found as Extract<ExecOp | FileOp | SourceOp, { kind: K }>;
}

test("mounts are sorted by target and numbered in that order; secrets and agents come last", () => {
  const ran = base.run({
    args: ["x"],
    mounts: [
      { type: "bind", target: "/z", source: context },
      { type: "tmpfs", target: "/t" },
      { type: "bind", target: "/a", source: base, readonly: true },
    ],
    secrets: [{ id: "s", target: "/0" }],
    ssh: [{}, { target: "/own" }],
  });
  const { mounts, meta } = op(ran.root, "exec");
  const shown = mounts.map(({ type, dest, input, output }) => [type, dest, input, output]);
  assert.deepEqual(shown, [
    ["bind", "/", 0, 0],
    ["bind", "/a", 0, -1],
    ["tmpfs", "/t", -1, -1],
    ["bind", "/z", 1, 1],
    ["secret", "/0", -1, 0],
    ["ssh", "/run/buildkit/ssh_agent.0", -1, 0],
    ["ssh", "/own", -1, 0],
  ]);
  assert.deepEqual(meta.env, ["SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"]);
  assert.equal(meta.removeMountStubsRecursive, true);
  assert.deepEqual([ran.root.edge?.output, ran.mount("/z").edge?.output], [0, 1]);
  assert.equal(ran.mount("/a").edge, base.edge);
  assert.throws(() => ran.mount("/t"), { code: "invalid-argument" });
  assert.throws(() => ran.mount("/none"), { code: "invalid-argument" });
});

test("variables keep the order in which they were last set; those of a command do not persist", () => {
  const state = base.addEnv("A", "1").addEnv("B", "2").addEnv("A", "3");
  const ran = state.run({ args: ["x"], env: { B: "4", C: "5" } });
  assert.deepEqual(op(ran.root, "exec").meta.env, ["A=3", "B=4", "C=5"]);
  assert.deepEqual(
    [...ran.root.defaults.env],
    [
      ["B", "2"],
      ["A", "3"],
    ],
  );
});

test("a relative working directory is joined, and relative paths are resolved in it", () => {
  const state = base.cd("/a/b").cd("../c");
  assert.equal(op(state.run({ args: ["x"] }).root, "exec").meta.cwd, "/a/c");
  const actions = fileActions().mkdir("d/", 0o7755).copy(context.cd("/src"), "./f/", "to/.").rm("../e");
  const shown = op(state.file(actions), "file").actions.map((action) =>
    action.kind === "copy"
      ? [action.src, action.dest, action.mode]
      : [action.kind, "path" in action ? action.path : "", 0],
  );
  assert.deepEqual(shown, [
    ["mkdir", "/a/c/d", 0],
    ["/src/f", "/a/c/to/.", -1],
    ["rm", "/a/e", 0],
  ]);
  const [mkdir] = op(state.file(actions), "file").actions;
  assert.ok(mkdir?.kind === "mkdir");
  assert.equal(mkdir.mode, 0o755);
});

test("a slash at the end of a destination stays", () => {
  const dest = (path: string): string => {
    const [action] = op(base.file(fileActions().copy(context, "/a", path)), "file").actions;
    assert.ok(action?.kind === "copy");
    return action.dest;
  };
  assert.deepEqual(["/d/", "/d", "d//", "/", ".", "/d/.", "/."].map(dest), [
    "/d/",
    "/d",
    "/d/",
    "/",
    "/",
    "/d/.",
    "/.",
  ]);
});

test("file ops have no platform, exec ops and images have one", () => {
  assert.equal(base.file(fileActions().rm("/a")).edge?.vertex.platform, undefined);
  assert.equal(context.edge?.vertex.platform, undefined);
  const arm = image("alpine", { platform: { os: "linux", architecture: "aarch64" } });
  assert.equal(arm.run({ args: ["x"] }).root.edge?.vertex.platform?.architecture, "arm64");
});

test("scratch adds nothing to a merge, and a diff from scratch is the upper state", () => {
  assert.equal(merge([scratch(), scratch()]).edge, undefined);
  assert.equal(merge([scratch(), base]).edge, base.edge);
  assert.equal(diff(scratch(), base).edge, base.edge);
  assert.equal(diff(scratch(), scratch()).edge, undefined);
});

test("owners are read as names or numbers", () => {
  assert.deepEqual(parseOwner("root"), { user: 0 });
  assert.deepEqual(parseOwner("12:grp"), { user: 12, group: "grp" });
  assert.deepEqual(parseOwner("me:0"), { user: "me", group: 0 });
  assert.deepEqual(parseOwner("99999999999"), { user: "99999999999" });
});

test("sources have the identifiers and attributes of BuildKit's client", () => {
  const shown = (state: State): unknown[] => {
    const { identifier, attrs } = op(state, "source");
    return [identifier, Object.fromEntries(attrs)];
  };
  assert.deepEqual(shown(image("alpine", { resolveMode: "local", layerLimit: 2 })), [
    "docker-image://docker.io/library/alpine:latest",
    { "image.resolvemode": "local", "image.layerlimit": "2" },
  ]);
  assert.deepEqual(shown(ociLayout("store@sha256:0", { storeId: "s" })), [
    "oci-layout://store@sha256:0",
    { "oci.store": "s" },
  ]);
  assert.deepEqual(shown(local("c", { followPaths: ["a"], excludePatterns: [] })), [
    "local://c",
    { "local.followpaths": '["a"]', "local.unique": "" },
  ]);
  assert.deepEqual(shown(http("https://e.x/f", { perm: 0o644, uid: 1, checksum: `sha256:${"0".repeat(64)}` })), [
    "https://e.x/f",
    { "http.checksum": `sha256:${"0".repeat(64)}`, "http.perm": "0644", "http.uid": "1" },
  ]);
});

test("a repository is identified by host and path, whatever the protocol", () => {
  const id = (url: string, ref = ""): string => op(git(url, { ref }), "source").identifier;
  assert.equal(id("https://github.com/moby/buildkit.git"), "git://github.com/moby/buildkit.git");
  assert.equal(id("github.com/moby/buildkit.git", "v1"), "git://github.com/moby/buildkit.git#v1");
  assert.equal(id("git@github.com:moby/buildkit.git"), "git://github.com/moby/buildkit.git");
  assert.equal(
    op(git("ssh://git@h.x:22/r.git", { ref: "r", subdir: "d" }), "source").identifier,
    "git://h.x:22/r.git#r:d",
  );
  assert.equal(op(git("git@h.x:r.git"), "source").attrs.get("git.mountsshsock"), "default");
  assert.equal(op(git("h.x/r.git"), "source").attrs.get("git.fullurl"), "https://h.x/r.git");
});

test("no action and no command are errors", () => {
  assert.throws(() => base.file(fileActions()), { code: "invalid-argument" });
  assert.throws(() => base.run({ args: [] }), { code: "invalid-argument" });
});
