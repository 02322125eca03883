import assert from "node:assert/strict";
import { appendFileSync, linkSync, lstatSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { mountedFilesystem, sharesBlocks } from "../../testing/filesystems.ts";
import { needsRoot } from "../../testing/overlays.ts";
import { temporaryDirectory } from "../io/index.ts";
import { openState } from "../state/index.ts";
import { mountSnapshot, openSnapshotter, type Snapshotter } from "./index.ts";
import { copyTree } from "./tree/index.ts";

const SIZE = 1_500_000;

/** A tree with a small and a large file, one of two names, and one with holes. */
function makeTree(root: string): void {
  mkdirSync(join(root, "d"), { recursive: true });
  writeFileSync(join(root, "small"), Buffer.alloc(40_000, "small"));
  writeFileSync(join(root, "large"), Buffer.alloc(SIZE, "large"));
  linkSync(join(root, "large"), join(root, "d/large"));
  writeFileSync(join(root, "holes"), Buffer.alloc(100_000, "holes"));
  truncateSync(join(root, "holes"), SIZE);
}

const inode = (path: string): number => lstatSync(path).ino;

for (const type of ["btrfs", "xfs", "ext4"] as const) {
  test(`a copied tree on ${type} ${type === "ext4" ? "has blocks of its own" : "shares its blocks"}`, async (t) => {
    const root = await mountedFilesystem(t, type);
    if (root === undefined) return;
    const [from, to] = [join(root, "from"), join(root, "to")];
    makeTree(from);
    mkdirSync(to);
    await copyTree(from, to);
    for (const name of ["small", "large", "holes"]) {
      assert.equal(sharesBlocks(join(to, name)), type !== "ext4", name);
      assert.ok(readFileSync(join(to, name)).equals(readFileSync(join(from, name))), name);
      assert.notEqual(inode(join(to, name)), inode(join(from, name)), name);
    }
    assert.ok(lstatSync(join(to, "holes")).blocks * 512 < SIZE / 2);
    assert.equal(inode(join(to, "large")), inode(join(to, "d/large")));
    appendFileSync(join(to, "large"), "more");
    writeFileSync(join(to, "small"), "changed");
    assert.equal(lstatSync(join(from, "large")).size, SIZE);
    assert.equal(readFileSync(join(from, "small")).length, 40_000);
  });
}

/** What a committed snapshot's file has. */
async function seen<T>(snapshots: Snapshotter, name: string, look: (tree: string) => T): Promise<T> {
  await using tree = await mountSnapshot(await snapshots.mounts(name));
  return look(tree.path);
}

async function layer(snapshots: Snapshotter, name: string, parent: string | undefined, change: (tree: string) => void) {
  const lease = { add: () => undefined };
  const spec = await snapshots.prepare(`${name}-key`, parent, { lease });
  {
    await using tree = await mountSnapshot(spec);
    change(tree.path);
  }
  await snapshots.commit(name, `${name}-key`, { lease });
}

async function snapshotterOf(t: TestContext, driver: "overlay" | "copy"): Promise<Snapshotter> {
  const directory = await temporaryDirectory("varve-shared-");
  t.after(() => directory[Symbol.asyncDispose]());
  const state = openState(join(directory.path, "state.db"));
  t.after(() => state.close());
  return openSnapshotter({ root: join(directory.path, "snapshots"), state, driver });
}

for (const driver of ["copy", "overlay"] as const) {
  test(`${driver}: no file is one file in two snapshots, whatever links there are`, async (t) => {
    if (!needsRoot(t)) return;
    const snapshots = await snapshotterOf(t, driver);
    await layer(snapshots, "base", undefined, makeTree);
    for (const [name, text] of [
      ["one", "1"],
      ["two", "22"],
    ] as const) {
      await layer(snapshots, name, "base", (tree) => {
        appendFileSync(join(tree, "large"), text);
        linkSync(join(tree, "small"), join(tree, "another"));
        linkSync(join(tree, "another"), join(tree, "d/third"));
      });
    }
    const large = (tree: string): [number, number] => [lstatSync(join(tree, "large")).size, inode(join(tree, "large"))];
    const [base, one, two] = [
      await seen(snapshots, "base", large),
      await seen(snapshots, "one", large),
      await seen(snapshots, "two", large),
    ];
    assert.deepEqual([base[0], one[0], two[0]], [SIZE, SIZE + 1, SIZE + 2]);
    assert.equal(new Set([base[1], one[1], two[1]]).size, 3);
    for (const name of ["one", "two"]) {
      const inodes = await seen(snapshots, name, (tree) =>
        ["small", "another", "d/third"].map((path) => inode(join(tree, path))),
      );
      assert.equal(new Set(inodes).size, 1, "names of one file stay together");
    }
    assert.equal(await seen(snapshots, "base", (tree) => lstatSync(join(tree, "small")).nlink), 1);
  });
}
