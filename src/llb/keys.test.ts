import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, type Digest, type Platform } from "../core/index.ts";
import { wholeTree } from "../contenthash/index.ts";
import {
  blobKey,
  cacheMapOf,
  fileActions,
  gitKey,
  image,
  imageConfigKey,
  imageLayersKey,
  imageManifestKey,
  local,
  localKey,
  makeVertex,
  parseOwner,
  scratch,
  sourceDigest,
  type ExecOp,
  type FileOp,
  type OpKey,
  type RunOptions,
  type State,
} from "./index.ts";
import { dedupePaths, selectorDigest } from "./keys/selectors.ts";

const amd64: Platform = { os: "linux", architecture: "amd64" };
const base = image("alpine", { platform: amd64 });
const context = local("context", { sessionId: "s" });
const other = local("other", { sessionId: "s" });

const keyOf = (state: State): OpKey => cacheMapOf(state.edge?.vertex ?? assert.fail());
const run = (options: Partial<RunOptions>): OpKey => keyOf(base.run({ args: ["x"], ...options }).root);
const opOf = (state: State): ExecOp | FileOp => {
  const op = state.edge?.vertex.op;
  assert.ok(op?.kind === "exec" || op?.kind === "file");
  return op;
};

test("proxies and host addresses are not part of the key, host names are", () => {
  const plain = run({});
  const proxyEnv = { httpProxy: "http://p", httpsProxy: "", ftpProxy: "", noProxy: "", allProxy: "" };
  assert.equal(run({ proxyEnv }).digest, plain.digest);
  const [a, b, c] = [
    run({ extraHosts: [{ host: "h", ip: "1.2.3.4" }] }),
    run({ extraHosts: [{ host: "h", ip: "5.6.7.8" }] }),
    run({ extraHosts: [{ host: "i", ip: "1.2.3.4" }] }),
  ];
  assert.equal(a.digest, b.digest);
  assert.notEqual(a.digest, c.digest);
});

test("a secret's id and target are part of the key", () => {
  const secret = (id: string, mode = 0o400): Digest => run({ secrets: [{ id, target: "/s", mode }] }).digest;
  assert.notEqual(secret("a"), secret("b"));
  assert.notEqual(secret("a"), secret("a", 0o440));
  assert.notEqual(run({ secrets: [{ id: "a", env: "A" }] }).digest, run({}).digest);
});

test("only a Dockerfile's default cache id is part of the key", () => {
  const cache = (id: string, sharing: "shared" | "locked" = "shared"): Digest =>
    run({ mounts: [{ type: "cache", target: "/cc", id, sharing }] }).digest;
  assert.equal(cache("mine"), cache("yours"));
  assert.equal(cache("//cc", "locked"), cache("mine"));
  assert.notEqual(cache("//cc"), cache("mine"));
  assert.notEqual(cache("ns//cc"), cache("//cc"));
});

test("a root mount that is the only mount is not part of the key, whatever its indexes", () => {
  const { op, inputs } = base.run({ args: ["x"] }).root.edge?.vertex ?? assert.fail();
  assert.ok(op.kind === "exec");
  const [root] = op.mounts;
  assert.ok(root?.type === "bind");
  const moved = makeVertex({ op: { ...op, mounts: [{ ...root, output: -1 }] }, inputs, platform: amd64 });
  assert.equal(cacheMapOf(moved).digest, run({}).digest);
});

test("a root mount has no content key; a read-only mount of a part has a selector and a content key", () => {
  const key = run({ mounts: [{ type: "bind", target: "/c", source: context, selector: "sub/", readonly: true }] });
  const [root, mounted] = key.inputs;
  assert.deepEqual(root, { selector: selectorDigest(["/"]), preload: true });
  assert.equal(mounted?.selector, selectorDigest(["/sub"]));
  assert.deepEqual(mounted?.content, [{ ...wholeTree, path: "/sub", followLinks: true }]);
});

test("a writable part of a tree has no content key, and requiring one is an error", () => {
  const mount = { type: "bind", target: "/c", source: context, selector: "sub" } as const;
  assert.equal(run({ mounts: [mount] }).inputs[1]?.content, undefined);
  assert.deepEqual(run({ mounts: [{ ...mount, noOutput: true }] }).inputs[1]?.content?.length, 1);
  assert.deepEqual(run({ mounts: [{ ...mount, selector: "" }] }).inputs[1]?.content, [wholeTree]);
  assert.equal(run({ mounts: [{ ...mount, readonly: true, contentCache: "off" }] }).inputs[1]?.content, undefined);
  assert.throws(() => run({ mounts: [{ ...mount, contentCache: "on" }] }), { code: "invalid-argument" });
});

test("several mounts of one input share its key; the last one decides about content", () => {
  const bind = (target: string, selector: string, readonly = true) =>
    ({ type: "bind", target, source: context, selector, readonly }) as const;
  const key = run({ mounts: [bind("/b", "y"), bind("/a", "x"), bind("/c", "x/deep")] });
  assert.equal(key.inputs[1]?.selector, selectorDigest(["/x", "/y", "/x/deep"]));
  assert.deepEqual(
    key.inputs[1]?.content?.map(({ path }) => path),
    ["/x", "/y"],
  );
  assert.equal(run({ mounts: [bind("/a", "x"), bind("/b", "y", false)] }).inputs[1]?.content, undefined);
});

test("a key contains the normalised platform", () => {
  const on = (architecture: string, variant?: string): Digest =>
    run({ platform: { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) } }).digest;
  assert.equal(on("arm64", "v8"), on("aarch64"));
  assert.equal(on("arm"), on("arm", "v7"));
  assert.notEqual(on("arm", "v6"), on("arm"));
});

test("the key of a copy contains the base name of its source; the selector contains the directory", () => {
  const copy = (src: string): OpKey => keyOf(base.file(fileActions().copy(context, src, "/x")));
  assert.equal(copy("/a/dir").digest, copy("/b/dir/").digest);
  assert.notEqual(copy("/a/dir").digest, copy("/a/other").digest);
  assert.equal(copy("/a/dir").inputs[1]?.selector, selectorDigest(["/a/dir"]));
  assert.deepEqual(copy("/a/dir").inputs[0], { preload: true });
  assert.match(Buffer.from(JSON.stringify(opOf(base.file(fileActions().rm("/"))))).toString(), /"rm"/);
});

test("selectors are joined in descending order; content selectors are ascending, without nested ones", () => {
  const actions = fileActions()
    .copy(context, "/a", "/x", { followSymlink: true })
    .copy(context, "/c", "/x", { followSymlink: true })
    .copy(context, "/a/b", "/x", { followSymlink: true })
    .copy(context, "/b*", "/x", { allowWildcard: true })
    .copy(context, "/e*", "/x");
  const input = keyOf(base.file(actions)).inputs[1];
  assert.equal(input?.selector, selectorDigest(["/e*", "/c", "/b*", "/a/b", "/a"]));
  const shown = input?.content?.map(({ path, wildcard, followLinks }) => `${path} ${wildcard} ${followLinks}`);
  assert.deepEqual(shown, ["/a false true", "/b* true false", "/c false true", "/e* false false"]);
});

test("an owner by name adds the users of its tree to the key, unless the tree is changed", () => {
  const owner = parseOwner("nobody:grp");
  const same = keyOf(base.file(fileActions().copy(context, "/a", "/x", { owner })));
  assert.deepEqual(same.inputs[0], { preload: true });
  const chown = { user: { kind: "name", name: "n", input: 1 }, group: { kind: "name", name: "g", input: 1 } } as const;
  const action = { kind: "mkdir", path: "/", mode: 0o755, makeParents: false, owner: chown, timestamp: -1n } as const;
  const vertex = makeVertex({
    op: { kind: "file", actions: [{ ...action, input: 0, secondaryInput: -1, output: 0 }] },
    inputs: [base, other].flatMap(({ edge }) => edge ?? []),
  });
  const input = cacheMapOf(vertex).inputs[1];
  assert.equal(input?.selector, selectorDigest(["/etc/passwd", "/etc/group"]));
  assert.deepEqual(
    input?.content?.map(({ path }) => path),
    ["/etc/group", "/etc/passwd"],
  );
});

test("a copy from the result of another action reads no input", () => {
  const made = { actions: fileActions().mkfile("/f", 0o644, "x"), on: scratch() };
  const state = base.file(fileActions().copy(made, "/dir/f", "/x"));
  const op = opOf(state);
  assert.ok(op.kind === "file");
  assert.deepEqual(
    op.actions.map(({ input, secondaryInput, output }) => [input, secondaryInput, output]),
    [
      [-1, -1, -1],
      [0, 1, 0],
    ],
  );
  assert.deepEqual(keyOf(state).inputs, [{ preload: true }]);
});

test("times beyond a number's precision are exact", () => {
  const at = (timestamp: bigint): Digest => keyOf(base.file(fileActions().mkdir("/d", 0o755, { timestamp }))).digest;
  assert.notEqual(at(1_700_000_000_000_000_001n), at(1_700_000_000_000_000_000n));
  const json = '{"path":"/d","mode":493,"timestamp":1700000000000000001}';
  const whole = `{"Type":"buildkit.file.v0","Actions":["${Buffer.from(json).toString("base64")}"]}`;
  assert.equal(at(1_700_000_000_000_000_001n), digestOf(whole));
});

test("metadata changes neither the digest nor the key of a vertex", () => {
  const plain = base.run({ args: ["x"] }).root.edge?.vertex ?? assert.fail();
  const said = base.run({ args: ["x"], name: "n", ignoreCache: true, exportCache: false }).root.edge?.vertex;
  assert.equal(said?.digest, plain.digest);
  assert.equal(said?.metadata.ignoreCache, true);
  assert.equal(said?.metadata.description.get("llb.customname"), "n");
});

test("dedupePaths removes duplicates and nested paths", () => {
  assert.deepEqual(dedupePaths(["/b", "/a", "/a/x", "/ab", "/b"]), ["/a", "/ab", "/b"]);
  assert.deepEqual(dedupePaths(["/", "/a"]), ["/"]);
  assert.deepEqual(dedupePaths(["/a"]), ["/a"]);
});

test("equivalent sources have the same key", () => {
  const a: Digest = `sha256:${"a".repeat(64)}`;
  assert.equal(
    imageManifestKey(a, { os: "linux", architecture: "arm64", variant: "v8" }),
    imageManifestKey(a, { os: "Linux", architecture: "aarch64" }),
  );
  assert.notEqual(imageManifestKey(a, amd64, 1), imageManifestKey(a, amd64));
  assert.equal(imageLayersKey([a]), a);
  assert.equal(imageLayersKey([a, a], 1), a);
  assert.equal(imageLayersKey([]), undefined);
  assert.equal(imageConfigKey(Buffer.from("{}")), digestOf("{}"));
  assert.equal(
    blobKey(a, { filename: "f", perm: 0, uid: 0, gid: 0 }),
    digestOf(`{"Digest":"${a}","Filename":"f","Perm":0,"UID":0,"GID":0}`),
  );
});

test("the key of a local source is a session key", () => {
  const key = localKey("context", { sessionId: "s" });
  const json = '{"SessionID":"s","IncludePatterns":null,"ExcludePatterns":null,"FollowPaths":null}';
  assert.equal(key, `session:context:${digestOf(json)}`);
  assert.match(sourceDigest(key), /^random:[0-9a-f]{64}$/);
  assert.notEqual(sourceDigest(localKey("context", { sessionId: "t" })), sourceDigest(key));
});

test("a commit has the same key from every remote, and for every reference unless .git is kept", () => {
  const commit = "c".repeat(40);
  assert.equal(gitKey({ commit, ref: "refs/tags/v1" }), commit);
  assert.equal(gitKey({ commit, ref: "refs/tags/v1", keepGitDir: true }), `${commit}.git#refs/tags/v1`);
  assert.equal(
    gitKey({ commit, subdir: "d", skipSubmodules: true, mtime: "commit", checkoutBundle: true }),
    `${commit}:d(skip-submodules)(mtime=commit)(bundle)`,
  );
  assert.equal(gitKey({ commit, mtime: "checkout" }), commit);
});

test("a source has no key without resolving it", () => {
  assert.throws(() => keyOf(base), { code: "internal" });
});
