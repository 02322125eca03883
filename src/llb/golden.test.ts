import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { digestOf, type Digest } from "../core/index.ts";
import {
  cacheMapOf,
  diff,
  fileActions,
  imageLayersKey,
  imageManifestKey,
  httpKey,
  local,
  merge,
  scratch,
  sourceDigest,
  type CopyOptions,
  type FileActions,
  type RunOptions,
  type State,
} from "./index.ts";
import { selectorDigest } from "./keys/selectors.ts";

interface Vectors {
  readonly ops: readonly {
    readonly name: string;
    readonly opDigest: Digest;
    readonly output: number;
    readonly record: Digest;
    readonly fixture: string;
  }[];
  readonly selectors: readonly { readonly paths: readonly string[]; readonly selector: Digest }[];
  readonly sources: readonly { readonly name: string; readonly opDigest: Digest; readonly record: Digest }[];
}

const fixtures = new URL("../../testing/fixtures/keys/", import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, fixtures), "utf8"));
const vectors = read("vectors.json") as Vectors;

const amd64 = { os: "linux", architecture: "amd64" };
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const context = local("context", { sessionId: "s" });
const other = local("other", { sessionId: "s" });
/** Some filesystem to work on; a key does not depend on it. */
const base = scratch().file(fileActions().mkdir("/", 0o755)).with({ platform: amd64 }).addEnv("PATH", PATH);
const withA = base.addEnv("A", "1");

/** What a Dockerfile's COPY says. */
const dockerfileCopy: CopyOptions = {
  followSymlink: true,
  dirCopyContents: true,
  createDestPath: true,
  allowWildcard: true,
  allowEmptyWildcard: true,
};
const copy = (src: string, dest: string, more: CopyOptions = {}, on: FileActions = fileActions()): FileActions =>
  on.copy(context, src, dest, { ...dockerfileCopy, ...more });
const exec = (options: RunOptions, on: State = withA): State => on.run(options).root;
const busybox = (...args: string[]): string[] => ["/bin/busybox", ...args];

const graphs: ReadonlyMap<string, State> = new Map([
  ["FROM scratch; COPY hello.txt /hello.txt", scratch().file(copy("/hello.txt", "/hello.txt"))],
  ["COPY dir/ /dd/ (on non-scratch)", base.file(copy("/dir/", "/dd/"))],
  ["COPY --link dir/ /d/", scratch().file(copy("dir", "/d/"))],
  ["COPY --exclude=*.md t/ /e/", base.file(copy("/t", "/e/", { excludePatterns: ["*.md"] }))],
  ["COPY t/*.txt /w/", base.file(copy("/t/*.txt", "/w/"))],
  [
    "COPY --chown=12:34 --chmod=0600 a b /m/ (2 sources)",
    base.file(
      copy(
        "/b.md",
        "/m/",
        { owner: { user: 12, group: 34 }, mode: 0o600 },
        copy("/a.txt", "/m/", { owner: { user: 12, group: 34 }, mode: 0o600 }),
      ),
    ),
  ],
  ["COPY --chmod=u+x", base.file(copy("/a.txt", "/cm", { mode: "u+x" }))],
  ["ADD http", base.file(fileActions().copy(other, "/f.bin", "/h/", { createDestPath: true }))],
  [
    "COPY --link --parents t/./sub/c.txt /p/",
    scratch().file(copy("/t", "/p/", { includePatterns: ["sub/c.txt"], requiredPaths: ["/t/sub/c.txt"] })),
  ],
  ["heredoc mkfile", scratch().file(fileActions().mkfile("/EOT", 0o644, "hello <x>\n"))],
  [
    "COPY --chown=0:5 heredoc",
    base.file(fileActions().copy(other, "/EOT", "/inline", { createDestPath: true, owner: { user: 0, group: 5 } })),
  ],
  ["WORKDIR /wd", base.file(fileActions().mkdir("/wd", 0o755, { makeParents: true }))],
  [
    "COPY a b c /m/ (3 sources: indexes present)",
    base.file(copy("/c", "/m/", {}, copy("/b", "/m/", {}, copy("/a", "/m/")))),
  ],
  ["COPY --chown=nobody:grp", base.file(copy("/b", "/n", { owner: { user: "nobody", group: "grp" } }))],
  ["merge 2", merge([base, context])],
  ["RUN exec form", exec({ args: busybox("mkdir", "-p", "/x") }, base)],
  ["RUN with html-escaped chars", exec({ args: busybox("sh", "-c", "echo '<a&b>' > /x/f") })],
  [
    "RUN bind+network none",
    exec({
      args: busybox("ls", "/bx"),
      network: "none",
      mounts: [{ type: "bind", target: "/bx", source: other, selector: "/x", readonly: true }],
    }),
  ],
  [
    "RUN bind+cache+tmpfs",
    exec({
      args: busybox("sh", "-c", "cat /ctx/Dockerfile > /y"),
      mounts: [
        { type: "tmpfs", target: "/t" },
        { type: "bind", target: "/ctx", source: context, readonly: true },
        { type: "cache", target: "/cc", id: "//cc", sharing: "shared" },
      ],
    }),
  ],
]);

const recordOf = (digest: string, output: number): Digest => digestOf(`${digest}@${output}`);

test("every op in BuildKit's recorded caches has the same key here", async (t) => {
  assert.equal(vectors.ops.length, graphs.size);
  for (const vector of vectors.ops) {
    await t.test(vector.name, () => {
      const vertex = graphs.get(vector.name)?.edge?.vertex;
      assert.ok(vertex);
      const { digest } = cacheMapOf(vertex);
      assert.equal(digest, vector.opDigest);
      assert.equal(recordOf(digest, vector.output), vector.record);
      const config = read(`cacheconfig/${vector.fixture}`) as { records: readonly { digest: Digest }[] };
      assert.ok(config.records.some((record) => record.digest === vector.record));
    });
  }
});

test("selectors equal BuildKit's recorded ones", () => {
  assert.ok(vectors.selectors.length > 0);
  for (const { paths, selector } of vectors.selectors) assert.equal(selectorDigest(paths), selector);
});

test("sources have BuildKit's recorded keys", () => {
  const [manifest, layers, file] = vectors.sources;
  assert.ok(manifest !== undefined && layers !== undefined && file !== undefined);
  const resolved = "sha256:b315d25bfebd81a7ba7ba403cc707e08e13d99a660874a069b20cfc5cde22708";
  const diffIds: Digest[] = [
    "sha256:2c797dda050e2a7d6f376e79d5ab08f0c2fae0fc1666a968519847e98e40c496",
    "sha256:11804ca23809c3e498ed6395fd079f7f5cc842c04397fdbd23530d68ce6e7d77",
  ];
  const keys = [
    imageManifestKey(resolved, amd64),
    imageLayersKey(diffIds) ?? "",
    httpKey({
      filename: "f.bin",
      perm: 0,
      uid: 0,
      gid: 0,
      checksum: "sha256:181210f8f9c779c26da1d9b2075bde0127302ee0e3fca38c9a83f5b1dd8e5d3b",
      lastModified: "Thu, 02 Jan 2020 03:04:05 GMT",
    }),
  ];
  for (const [index, vector] of [manifest, layers, file].entries()) {
    const digest = sourceDigest(keys[index] ?? "");
    assert.equal(digest, vector.opDigest);
    assert.equal(recordOf(digest, 0), vector.record);
  }
});

test("a diff op numbers its inputs without scratch", () => {
  const vertex = diff(base, scratch()).edge?.vertex;
  assert.ok(vertex);
  assert.equal(
    cacheMapOf(vertex).digest,
    digestOf('{"Type":"buildkit.diff.v0","Diff":{"lower":{},"upper":{"input":-1}}}'),
  );
  assert.equal(cacheMapOf(vertex).inputs.length, 1);
});
