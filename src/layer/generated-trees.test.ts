/** Checks that the generated trees contain everything that a layer can contain. */
import assert from "node:assert/strict";
import { type BigIntStats, lstatSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { byteStringOf, lgetxattr, llistxattr, type Path, pathOfByteString } from "../linux/index.ts";
import { needsRoot, OverlayStack } from "../../testing/overlays.ts";
import { perform, treeOps, treePaths } from "../../testing/trees.ts";

type Tree = ReadonlyMap<string, BigIntStats>;

const at = (root: string, path: string): Path => pathOfByteString(`${byteStringOf(root)}/${path}`);

function treeOf(root: string): Tree {
  return new Map(treePaths(root).map((path) => [path, lstatSync(at(root, path), { bigint: true })]));
}

function typeOf(stats: BigIntStats): string {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  return stats.isBlockDevice() ? "block device" : "character device";
}

/** What is special about one entry. */
function* ofEntry(root: string, path: string, stats: BigIntStats): Generator<string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  yield typeOf(stats);
  for (const attribute of llistxattr(at(root, path))) yield attribute;
  if (stats.isFile() && stats.size === 0n) yield "empty file";
  if (stats.isFile() && stats.blocks * 512n < stats.size) yield "sparse file";
  for (const [bit, what] of [0o4000n, 0o2000n, 0o1000n].map((bit, at) => [bit, ["set-uid", "set-gid", "sticky"][at]]))
    if ((stats.mode & (bit as bigint)) !== 0n && !stats.isSymbolicLink()) yield String(what);
  if (/[\x80-\xff]/.test(name)) yield "name not ASCII";
  if (!Buffer.from(Buffer.from(name, "latin1").toString(), "utf8").equals(Buffer.from(name, "latin1")))
    yield "name not UTF-8";
  if (name.includes("\n")) yield "name with a new line";
  if (name.length > 100) yield "name past 100";
  if (path.length > 255) yield "path past 255";
  yield stats.mtimeNs % 1_000_000_000n === 0n ? "whole seconds" : "nanoseconds";
  if (stats.mtimeNs < 0n) yield "time before 1970";
  if (stats.mtimeNs >= 2n ** 33n * 1_000_000_000n) yield "time past 2^33";
  if (stats.uid > 0o7777777n) yield "owner past 2^21";
}

/** What is special about a change. */
function* ofChange(lower: Tree, upper: Tree, merged: Tree, upperRoot: string): Generator<string> {
  const links = new Map<bigint, Set<string>>();
  for (const [path, stats] of merged) {
    const was = lower.get(path);
    if (was !== undefined && typeOf(was) !== typeOf(stats)) yield `${typeOf(was)} to ${typeOf(stats)}`;
    if (!stats.isDirectory() && stats.nlink > 1n)
      links.set(stats.ino, (links.get(stats.ino) ?? new Set()).add(was === undefined ? "new" : "old"));
  }
  for (const kinds of links.values()) yield `hard links: ${[...kinds].sort().join(" and ")}`;
  for (const [path, stats] of upper) {
    if (stats.isCharacterDevice() && stats.rdev === 0n) yield "whiteout";
    if (stats.isDirectory() && lgetxattr(at(upperRoot, path), "trusted.overlay.opaque") !== undefined) yield "opaque";
  }
}

const SWAPS = ["file", "directory", "symlink"].flatMap((a) =>
  ["file", "directory", "symlink"].filter((b) => a !== b).map((b) => `${a} to ${b}`),
);
const ALL = [
  ["file", "directory", "symlink", "fifo", "character device", "block device", "empty file", "sparse file"],
  ["set-uid", "set-gid", "sticky", "user.test", "security.capability"],
  ["name not ASCII", "name not UTF-8", "name with a new line", "name past 100", "path past 255"],
  ["whole seconds", "nanoseconds", "time before 1970", "time past 2^33", "owner past 2^21"],
  ["hard links: new", "hard links: old", "hard links: new and old", "whiteout", "opaque"],
  SWAPS,
].flat();

test("generated pairs of trees have everything", async (t) => {
  if (!needsRoot(t)) return;
  const seen = new Set<string>();
  const pairs = fc.sample(fc.tuple(treeOps(40), treeOps(40)), { numRuns: 100, seed: 1 });
  for (const [first, second] of pairs) {
    await using stack = await OverlayStack.open();
    for (const op of first) perform(stack.view, op);
    const lower = treeOf(stack.view);
    const { upper, view } = stack.push();
    for (const op of second) perform(view, op);
    const merged = treeOf(view);
    for (const [path, stats] of merged) for (const what of ofEntry(view, path, stats)) seen.add(what);
    for (const what of ofChange(lower, treeOf(upper), merged, upper)) seen.add(what);
  }
  assert.deepEqual(
    ALL.filter((what) => !seen.has(what)),
    [],
  );
});
