import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "../../io/index.ts";
import { type Stat, type Tree, isDirectory, mergedTrees, treeOfFiles, treesInDirectories } from "../index.ts";
import { GoMode } from "../mode.ts";
import { emptyStat } from "../wire/stat.ts";

function files(contents: Readonly<Record<string, string>>): Tree {
  const all = Object.entries(contents);
  return treeOfFiles(all.map(([name, text]) => ({ name, content: Buffer.from(text), mode: 0o600, modTime: 7n })));
}

async function list(tree: Tree): Promise<Stat[]> {
  return await Array.fromAsync(tree.entries());
}

async function textOf(tree: Tree, path: string): Promise<string | undefined> {
  const bytes = tree.open(path);
  return bytes === undefined ? undefined : (await collect(bytes, 100, { what: path })).toString();
}

test("trees are in directories, in order, and links stay in their tree", async () => {
  const links: Tree = {
    entries: () => [
      { ...emptyStat, path: "a", mode: 0o644 },
      { ...emptyStat, path: "b", mode: 0o644, linkname: "a" },
      { ...emptyStat, path: "c", mode: GoMode.symlink, linkname: "/etc/../x" },
      { ...emptyStat, path: "d", mode: GoMode.symlink, linkname: "../x" },
    ],
    open: () => undefined,
  };
  const tree = treesInDirectories([
    { name: "z", tree: links, modTime: 5n },
    { name: "a-b", tree: files({ f: "1", e: "2" }) },
  ]);
  const entries = await list(tree);
  assert.deepEqual(
    entries.map(({ path, linkname }) => [path, linkname]),
    [
      ["a-b", ""],
      ["a-b/e", ""],
      ["a-b/f", ""],
      ["z", ""],
      ["z/a", ""],
      ["z/b", "z/a"],
      ["z/c", "/z/x"],
      ["z/d", "../x"],
    ],
  );
  const [first] = entries;
  assert.ok(first !== undefined && isDirectory(first));
  assert.equal(first.mode, GoMode.directory + 0o755);
  assert.equal(entries[3]?.modTime, 5n);
  assert.equal(await textOf(tree, "a-b/f"), "1");
  assert.equal(await textOf(tree, "a-b/x"), undefined);
  assert.equal(await textOf(tree, "other/f"), undefined);
  const same = { name: "a", tree: links };
  assert.throws(() => treesInDirectories([same, same]), { code: "invalid-argument" });
});

test("of merged trees, the last one counts", async () => {
  const tree = mergedTrees([files({ a: "1", c: "1" }), files({ a: "2", b: "2" }), files({ b: "3" })]);
  const entries = await list(tree);
  assert.deepEqual(
    entries.map(({ path, mode, size, modTime }) => [path, mode, size, modTime]),
    ["a", "b", "c"].map((path) => [path, 0o600, 1n, 7n]),
  );
  assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map((path) => textOf(tree, path))), [
    "2",
    "3",
    "1",
    undefined,
  ]);
});
