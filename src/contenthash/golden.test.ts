import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { digestOf, type Digest } from "../core/index.ts";
import { lsetxattr } from "../linux/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import {
  checksum,
  scanContext,
  scratchTree,
  selectorChecksum,
  snapshotTree,
  wholeTree,
  type ContentSelector,
} from "./index.ts";

const at = (path: string, more: Partial<ContentSelector> = {}): ContentSelector => ({ ...wholeTree, path, ...more });
const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Digests seen in caches made by BuildKit. */
const seen: Readonly<Record<string, Digest>> = {
  hi: "sha256:24c9567cfc17c5ccb6e4d178b04b9bb870ef90f3fb94f6b08fbc5b2a456769eb",
  link: "sha256:653b232d38441e60f35673ca781dca8fd169229d6500fa11cd461a7e10e02789",
  fifo: "sha256:ed66acfbb9d93c08ed7faab2b6c0e2201a312df9abcbd94a761a1ea7f345dad5",
  empty: "sha256:700591407496206b27e3739e92128dd4d3a119e929d3b3677835a1ab6627aa3d",
  setuid: "sha256:ca4b69153d97314c5a2e2e0c8db2d1b11ecc934b9428d85bdcd4a72a39e02f6c",
  http: "sha256:233f29bb5411e42feca0b31ed74faa03f303c49fb9e3d15e736e482cabf8144c",
};

function write(path: string, text: string, mode = 0o644): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

test("every kind of entry has the digest that BuildKit was seen to give it", async (t) => {
  await using dir = await temporaryDirectory();
  write(join(dir.path, "hi"), "hi\n");
  write(join(dir.path, "empty"), "");
  write(join(dir.path, "http"), "123\n", 0o600);
  write(join(dir.path, "setuid"), "x\n", 0o4755);
  symlinkSync("a.txt", join(dir.path, "link"));
  execFileSync("mkfifo", ["-m", "0644", join(dir.path, "fifo")]);
  try {
    lsetxattr(join(dir.path, "setuid"), "user.foo", Buffer.from("bar"));
  } catch {
    t.diagnostic("the filesystem has no user attributes: that vector is left out");
  }
  const tree = await scanContext(dir.path);
  for (const [name, node] of tree.root.entries()) {
    assert.equal(node.hashSync(), true);
    assert.equal(node.digest, seen[name], name);
  }
});

test("a directory is its header, then names and digests of what it holds", async () => {
  await using dir = await temporaryDirectory();
  mkdirSync(join(dir.path, "dir/sub"), { recursive: true });
  write(join(dir.path, "dir/a"), "a\n");
  write(join(dir.path, "dir/sub/b"), "b\n");
  chmodSync(join(dir.path, "dir"), 0o755);
  chmodSync(join(dir.path, "dir/sub"), 0o755);
  const tree = await scanContext(dir.path);
  const sub = await selectorChecksum(tree, at("/dir/sub"));
  assert.equal(sub, "sha256:df28fcc1f1843131dc715ec30a65dca25c1569cb83d5cc0eaed9e92b6d81d927");
  assert.equal(
    await selectorChecksum(tree, at("/dir")),
    "sha256:2d978efa57309f1810f0e9428e1fb860d51aea80e28204159a2b263923f2bac1",
  );
  const content = await checksum(tree, [at("/dir", { followLinks: true })]);
  assert.equal(content, "sha256:e447f4417fdd1da6a055a65743ed9627997fbe7d664d9c17a03c33c6721c7bf1");
  assert.equal(digestOf(`${content}@-1`), "sha256:958123d2e096aea62d8d77f3d4b60260e76f5a45146b8272795edcd87330c792");
  assert.equal(
    tree.root.entries().get("dir")?.digest,
    "sha256:1a2805521573cb10d73bcd51d16bfa84c8f461d68599740e35484b90b2ab1bab",
  );
});

test("the root of a context has the header digest of nothing, that of a snapshot its own", async () => {
  await using dir = await temporaryDirectory();
  chmodSync(dir.path, 0o755);
  write(join(dir.path, "a"), "a\n");
  const context = await scanContext(dir.path);
  const file = await selectorChecksum(context, at("/a"));
  assert.equal(await selectorChecksum(context, wholeTree), digestOf(`\0${EMPTY}\0a${file}`));
  const snapshot = snapshotTree(dir.path);
  const own = await selectorChecksum(snapshot, wholeTree);
  assert.equal(own, digestOf(`\0${snapshot.root?.digest}\0a${await selectorChecksum(snapshot, at("/a"))}`));
  assert.notEqual(snapshot.root?.digest, EMPTY);
});

test("scratch has an empty root and nothing else", async () => {
  assert.equal(await selectorChecksum(scratchTree, wholeTree), EMPTY);
  await assert.rejects(selectorChecksum(scratchTree, at("/a")), { code: "not-found" });
});

test("several selectors are joined by NUL in the order given", async () => {
  await using dir = await temporaryDirectory();
  write(join(dir.path, "a"), "a\n");
  write(join(dir.path, "b"), "b\n");
  const tree = await scanContext(dir.path);
  const [a, b] = [await selectorChecksum(tree, at("/a")), await selectorChecksum(tree, at("/b"))];
  assert.equal(await checksum(tree, [at("/a"), at("/b")]), digestOf(`${a}\0${b}`));
  assert.equal(await checksum(tree, [at("/a")]), digestOf(a));
});
