import { type BigIntStats, linkSync, lstatSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import type { ByteString, Path } from "../../linux/index.ts";
import { copyNode, metadataOf, setMetadata } from "./entry.ts";
import { removeTree } from "./remove-tree.ts";
import { Pace, entryPath, listNames } from "./walk.ts";

export interface Changes {
  /** The tree before the changes. Undefined for an empty tree. */
  readonly before: Path | undefined;
  /** The tree after the changes. */
  readonly after: Path;
  /** The tree to apply the changes to. */
  readonly target: Path;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Applies the changes from `before` to `after` to the tree `target`. Deleted files are removed if they exist. Files that are new,
 * or differ in type, owner, permissions, size, modification time or device, replace those of the target. Directories are
 * merged.
 */
export async function applyChanges({ before, after, target, signal }: Changes): Promise<void> {
  const run = { pace: new Pace(signal), links: new Map<string, Path>(), signal };
  await applyDirectory(before, after, target, run);
  const stat = lstatSync(after, { bigint: true });
  if (before === undefined || !isSame(lstatSync(before, { bigint: true }), stat)) finish(after, target, stat);
}

interface Run {
  readonly pace: Pace;
  readonly links: Map<string, Path>;
  readonly signal: AbortSignal | undefined;
}

async function applyDirectory(before: Path | undefined, after: Path, target: Path, run: Run): Promise<void> {
  const names = listNames(after);
  const kept = new Set<ByteString>(names);
  if (before !== undefined) {
    for (const name of listNames(before)) if (!kept.has(name)) await removeTree(entryPath(target, name), run);
  }
  for (const name of names) {
    const pause = run.pace.step();
    if (pause !== undefined) await pause;
    const old = before === undefined ? undefined : entryPath(before, name);
    await applyEntry(old, entryPath(after, name), entryPath(target, name), run);
  }
}

async function applyEntry(before: Path | undefined, after: Path, target: Path, run: Run): Promise<void> {
  const stat = lstatSync(after, { bigint: true });
  const old = before === undefined ? undefined : find(before);
  const changed = old === undefined || !isSame(old, stat);
  if (stat.isDirectory()) {
    // A file in the target is replaced by the directory even if only a file deep inside the directory has changed.
    const oldDirectory = old?.isDirectory() === true ? before : undefined;
    if (changed || find(target) !== undefined || hasChanges(oldDirectory, after)) {
      const made = await makeDirectory(after, target, stat);
      await applyDirectory(oldDirectory, after, target, run);
      if (changed || made) finish(after, target, stat);
    }
  } else if (changed) await replace(after, target, stat, run);
}

/** Returns whether anything inside a directory has changed. Needed only if the target has no such directory. */
function hasChanges(before: Path | undefined, after: Path): boolean {
  if (before === undefined) return true;
  const names = listNames(after);
  if (names.join("/") !== listNames(before).join("/")) return true;
  return names.some((name) => {
    const [old, now] = [
      lstatSync(entryPath(before, name), { bigint: true }),
      lstatSync(entryPath(after, name), { bigint: true }),
    ];
    return !isSame(old, now) || (now.isDirectory() && hasChanges(entryPath(before, name), entryPath(after, name)));
  });
}

/** Makes `target` a directory. Returns whether a directory was created. */
async function makeDirectory(after: Path, target: Path, stat: BigIntStats): Promise<boolean> {
  const existing = find(target);
  if (existing?.isDirectory() === true) return false;
  if (existing !== undefined) await removeTree(target);
  await copyNode(after, target, stat);
  return true;
}

async function replace(after: Path, target: Path, stat: BigIntStats, run: Run): Promise<void> {
  if (find(target) !== undefined) await removeTree(target);
  const inode = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1n ? run.links.get(inode) : undefined;
  if (first !== undefined) return linkSync(first, target);
  if (stat.nlink > 1n) run.links.set(inode, target);
  await copyNode(after, target, stat, run.signal);
  finish(after, target, stat);
}

function finish(after: Path, target: Path, stat: BigIntStats): void {
  setMetadata(target, metadataOf(stat), { isLink: stat.isSymbolicLink(), attributesOf: after });
}

function find(path: Path): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Compares the metadata that a copy of a file keeps until the copy is changed. */
function isSame(a: BigIntStats, b: BigIntStats): boolean {
  const directory = a.isDirectory() && b.isDirectory();
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.rdev === b.rdev &&
    a.mtimeNs === b.mtimeNs &&
    (directory || a.size === b.size)
  );
}
