import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { digestOf, type Digest } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { checksum, scanContext, selectorChecksum, wholeTree, type ContentSelector, type Tree } from "./index.ts";

const config = JSON.parse(
  readFileSync(new URL("../../testing/fixtures/keys/cacheconfig/d-copyforms.json", import.meta.url), "utf8"),
) as { records: readonly { digest: Digest; inputs?: unknown }[] };
const roots = new Set(config.records.filter(({ inputs }) => inputs === undefined).map(({ digest }) => digest));

const at = (path: string, more: Partial<ContentSelector> = {}): ContentSelector => ({
  ...wholeTree,
  path,
  followLinks: true,
  ...more,
});

/** The context whose copies made the recorded cache. */
async function recordedContext(t: TestContext): Promise<{ path: string; tree: Tree }> {
  const { path } = await temporaryDirectory();
  t.after(() => {
    rmSync(path, { recursive: true });
  });
  mkdirSync(join(path, "t/sub"), { recursive: true });
  chmodSync(join(path, "t"), 0o755);
  chmodSync(join(path, "t/sub"), 0o755);
  for (const [name, text] of Object.entries({ "a.txt": "A\n", "b.md": "B\n", "sub/c.txt": "C\n" }))
    writeFileSync(join(path, "t", name), text, { mode: 0o644 });
  symlinkSync("a.txt", join(path, "t/lnk"));
  return { path, tree: await scanContext(path) };
}

test("every way of selecting has the content key that BuildKit was seen to use", async (t) => {
  const { tree } = await recordedContext(t);
  const ways: Readonly<Record<string, readonly ContentSelector[]>> = {
    "a directory": [at("/t")],
    "a link, followed": [at("/t/lnk")],
    "a file": [at("/t/a.txt")],
    "a wildcard with one match": [at("/t/*.txt", { wildcard: true })],
    "a directory without some files": [at("/t", { excludePatterns: ["*.md"] })],
    "one file with the directories above it": [
      at("/t", { includePatterns: ["sub/c.txt"], requiredPaths: ["/t/sub/c.txt"] }),
    ],
    "two files": [at("/t/a.txt"), at("/t/b.md")],
  };
  for (const [name, selectors] of Object.entries(ways))
    assert.ok(roots.has(digestOf(`${await checksum(tree, selectors)}@-1`)), name);
});

test("a followed link counts as its target, an unfollowed one as itself", async (t) => {
  const { tree } = await recordedContext(t);
  assert.equal(await selectorChecksum(tree, at("/t/lnk")), await selectorChecksum(tree, at("/t/a.txt")));
  const unfollowed = await selectorChecksum(tree, at("/t/lnk", { followLinks: false }));
  assert.equal(unfollowed, "sha256:653b232d38441e60f35673ca781dca8fd169229d6500fa11cd461a7e10e02789");
});

test("nothing selected is the digest of nothing, but a plain path must exist", async (t) => {
  const { tree } = await recordedContext(t);
  assert.equal(await selectorChecksum(tree, at("/t/*.zip", { wildcard: true })), digestOf(""));
  assert.equal(await selectorChecksum(tree, at("/nowhere/*", { wildcard: true })), digestOf(""));
  assert.equal(await selectorChecksum(tree, at("/t", { excludePatterns: ["**", "."] })), digestOf(""));
  await assert.rejects(selectorChecksum(tree, at("/t/missing")), { code: "not-found" });
});

test("a wildcard that is its own match has the file's digest, another has that of a list", async (t) => {
  const { path, tree } = await recordedContext(t);
  const file = await selectorChecksum(tree, at("/t/a.txt"));
  assert.equal(await selectorChecksum(tree, at("/t/*.txt", { wildcard: true })), digestOf(`\0a.txt${file}`));
  assert.equal(await selectorChecksum(tree, at("/*/a.txt", { wildcard: true })), file);
  assert.equal(await selectorChecksum(tree, at("/t/a.txt", { includePatterns: ["**"] })), file);
  assert.ok(path);
});

test("a matched directory is listed with all below it", async (t) => {
  const { tree } = await recordedContext(t);
  const sub = tree.root?.entries().get("t")?.entries().get("sub");
  const file = await selectorChecksum(tree, at("/t/sub/c.txt"));
  await sub?.hash();
  const list = await selectorChecksum(tree, at("/t/s*", { wildcard: true }));
  assert.equal(list, digestOf(`\0sub${sub?.digest}\0sub\0c.txt${file}`));
});

test("a top-level match that is a link is replaced by its target, one below is not", async (t) => {
  const { tree } = await recordedContext(t);
  const file = await selectorChecksum(tree, at("/t/a.txt"));
  assert.equal(await selectorChecksum(tree, at("/t/l*", { wildcard: true })), digestOf(`\0lnk${file}`));
  const plain = await selectorChecksum(tree, at("/t/l*", { wildcard: true, followLinks: false }));
  assert.equal(plain, digestOf(`\0lnk${tree.root?.entries().get("t")?.entries().get("lnk")?.digest}`));
});

test("the root's own header is not listed", async (t) => {
  const { path } = await recordedContext(t);
  rmSync(join(path, "t"), { recursive: true });
  writeFileSync(join(path, "x"), "x");
  writeFileSync(join(path, "y"), "y");
  const tree = await scanContext(path);
  const x = await selectorChecksum(tree, at("/x"));
  assert.equal(await selectorChecksum(tree, at("/", { excludePatterns: ["y"] })), digestOf(`\0x${x}`));
});

test("a required path that is not among the included ones is an error", async (t) => {
  const { tree } = await recordedContext(t);
  const selector = at("/t", { includePatterns: ["sub/d.txt"], requiredPaths: ["/t/sub/d.txt"] });
  await assert.rejects(selectorChecksum(tree, selector), { code: "not-found" });
});

test("the fixed part of a wildcard is found through links, and named as it was written", async (t) => {
  const { path } = await recordedContext(t);
  symlinkSync("t", join(path, "alias"));
  const tree = await scanContext(path);
  const wildcard = { wildcard: true };
  assert.equal(
    await selectorChecksum(tree, at("/alias/*.txt", wildcard)),
    await selectorChecksum(tree, at("/t/*.txt", wildcard)),
  );
  assert.equal(
    await selectorChecksum(tree, at("/alias/sub", { excludePatterns: ["x"] })),
    await selectorChecksum(tree, at("/t/sub", { excludePatterns: ["x"] })),
  );
});
