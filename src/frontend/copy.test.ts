import assert from "node:assert/strict";
import { test } from "node:test";
import { build, vertexNamed } from "../../testing/dockerfile-host.ts";
import type { CopyAction, SourceOp, Vertex } from "../llb/index.ts";

function lastOf(vertex: Vertex | undefined): CopyAction {
  assert.ok(vertex?.op.kind === "file");
  const action = vertex.op.actions.at(-1);
  assert.ok(action?.kind === "copy");
  return action;
}

async function copy(text: string): Promise<CopyAction> {
  return lastOf((await build(`FROM base\n${text}`)).edge?.vertex);
}

async function sourceOf(text: string): Promise<SourceOp> {
  const built = await build(`FROM scratch\n${text}`);
  return built.vertices.find(({ op }) => op.kind === "source")?.op as SourceOp;
}

test("destinations", async () => {
  const cases: [string, string][] = [
    ["COPY a .", "/"],
    ["WORKDIR /w\nCOPY a .", "/w/"],
    ["WORKDIR /w\nCOPY a ./", "/w/"],
    ["WORKDIR /w\nCOPY a b", "/w/b"],
    ["WORKDIR /w\nCOPY a b/", "/w/b/"],
    ["WORKDIR /w\nCOPY a /c/../d", "/d"],
    ["WORKDIR /w\nCOPY a /c/.", "/c/."],
    ["WORKDIR /w\nENV D=dir\nCOPY a $D/x", "/w/dir/x"],
  ];
  for (const [text, dest] of cases) assert.equal((await copy(text)).dest, dest, text);
});

test("sources are within the context, whatever they say", async () => {
  const cases: [string, string][] = [
    ["COPY ../../etc/passwd /x", "/etc/passwd"],
    ["COPY ./a/../b /x", "/b"],
    ["COPY . /x", "/"],
    ['COPY ["with space", "/x"]', "/with space"],
  ];
  for (const [text, src] of cases) assert.equal((await copy(text)).src, src, text);
});

test("owners and modes", async () => {
  assert.deepEqual((await copy("COPY --chown=1000 a /b")).owner, { user: { kind: "id", id: 1000 } });
  assert.deepEqual((await copy("COPY --chown=u:7 a /b")).owner, {
    user: { kind: "name", name: "u", input: 0 },
    group: { kind: "id", id: 7 },
  });
  assert.equal((await copy("COPY --chmod=755 a /b")).mode, 0o755);
  const symbolic = await copy("ENV M=u=rwX,go=rX\nCOPY --chmod=$M a /b");
  assert.deepEqual([symbolic.mode, symbolic.modeStr], [0, "u=rwX,go=rX"]);
});

test("ADD unpacks archives of the context, not downloads, and the flag decides", async () => {
  assert.equal((await copy("ADD a.tar /b")).attemptUnpack, true);
  assert.equal((await copy("ADD --unpack=false a.tar /b")).attemptUnpack, false);
  assert.equal((await copy("ADD http://h/a.tar /b")).attemptUnpack, false);
  assert.equal((await copy("ADD --unpack http://h/a.tar /b")).attemptUnpack, true);
  assert.equal((await copy("COPY a.tar /b")).attemptUnpack, false);
});

test("--parents", async () => {
  const plain = await copy("COPY --parents a/b.txt ./c /d/");
  assert.deepEqual([plain.src, plain.includePatterns, plain.requiredPaths], ["/", ["c"], ["/c"]]);
  const pivot = await copy("COPY --parents a/./b/*.txt /d/");
  assert.deepEqual([pivot.src, pivot.includePatterns, pivot.requiredPaths], ["/a", ["b/*.txt"], []]);
});

test("heredocs are expanded unless quoted", async () => {
  const built = await build("FROM base\nENV N=x\nCOPY <<a <<\"b\" /d/\n$N '$N' \\$N\na\n$N\nb\n");
  const data = built.vertices.flatMap(({ op }) =>
    op.kind === "file" && op.actions[0]?.kind === "mkfile" ? [String(op.actions[0].data)] : [],
  );
  assert.deepEqual(data.toSorted(), ["$N\n", "x 'x' $N\n"]);
  assert.equal(built.image.history.at(-1)?.created_by, "COPY <<a <<b /d/ # buildkit");
});

test("ADD git", async () => {
  const ref = await sourceOf("ADD --keep-git-dir https://github.com/a/b.git#v1:sub/dir /x");
  assert.equal(ref.identifier, "git://github.com/a/b.git#v1:sub/dir");
  assert.equal(ref.attrs.get("git.keepgitdir"), "true");
  const query = await sourceOf("ADD https://h/b.git?branch=main&submodules=false&checksum=abc /x");
  assert.equal(query.identifier, "git://h/b.git#refs/heads/main");
  assert.deepEqual([query.attrs.get("git.skipsubmodules"), query.attrs.get("git.checksum")], ["true", "abc"]);
  assert.equal((await sourceOf("ADD git@h:a/b.git#r /x")).attrs.get("git.fullurl"), "git@h:a/b.git");
  await assert.rejects(build("FROM scratch\nADD https://h/b.git?nope=1 /x"), /unexpected query "nope"/);
  await assert.rejects(build("FROM scratch\nADD https://h/b.git?ref=a#b /x"), /ref conflicts/);
  await assert.rejects(build("FROM scratch\nADD --checksum=b https://h/b.git?checksum=a /x"), /checksum mismatch/);
});

test("ADD http", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const op = await sourceOf(`ADD --checksum=${digest} https://h/p/f%20g.tgz?q=1 /x`);
  assert.equal(op.identifier, "https://h/p/f%20g.tgz?q=1");
  assert.deepEqual([op.attrs.get("http.filename"), op.attrs.get("http.checksum")], ["f g.tgz", digest]);
  assert.equal((await sourceOf("ADD https://h /x")).attrs.get("http.filename"), "__unnamed__");
});

test("--link lays a copy on whatever is below, and keeps what follows the same", async () => {
  const built = await build("FROM base\nWORKDIR /w\nENV A=1\nCOPY --link --chown=u a b\nRUN x");
  const copied = vertexNamed(built, "3/4] COPY --link --chown=u a b");
  assert.deepEqual(lastOf(copied).owner, { user: { kind: "name", name: "u", input: -1 } });
  assert.equal(lastOf(copied).dest, "/w/b");
  const merged = vertexNamed(built, "LINK COPY --link --chown=u a b");
  assert.equal(merged.op.kind, "merge");
  assert.equal(merged.inputs.length, 2);
  const run = built.edge?.vertex;
  assert.ok(run?.op.kind === "exec" && run.op.meta.env.includes("A=1") && run.op.meta.cwd === "/w");
  const chmod = await build("FROM base\nCOPY --link --chmod=600 a b");
  assert.equal(chmod.edge?.vertex.op.kind, "file");
  const onScratch = await build("FROM scratch\nENV A=1\nCOPY --link a b\nCOPY c d");
  assert.equal(
    onScratch.vertices.some(({ op }) => op.kind === "merge"),
    false,
  );
});
