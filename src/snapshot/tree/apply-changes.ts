import { type BigIntStats, linkSync, lstatSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import type { ByteString, Path } from "../../linux/index.ts";
import { copyNode, metadataOf, setMetadata } from "./entry.ts";
import { removeTree } from "./remove-tree.ts";
import { Pace, entryPath, listNames } from "./walk.ts";

export interface Changes {
  /** The tree as it was; absent if there was nothing. */
  readonly before: Path | undefined;
  /** The tree as it became. */
  readonly after: Path;
  /** The tree on which the same is to be done. */
  readonly target: Path;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does to `target` what turned `before` into `after`: what is gone is removed if it is there, what is new or differs (type,
 * owner, permissions, size, time of change of content, device) replaces what is there; directories are merged.
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
    const was = before === undefined ? undefined : entryPath(before, name);
    await applyEntry(was, entryPath(after, name), entryPath(target, name), run);
  }
}

async function applyEntry(before: Path | undefined, after: Path, target: Path, run: Run): Promise<void> {
  const stat = lstatSync(after, { bigint: true });
  const was = before === undefined ? undefined : find(before);
  const changed = was === undefined || !isSame(was, stat);
  if (stat.isDirectory()) {
    // Something that is no directory makes way, even where only a file deep below has changed.
    const merged = was?.isDirectory() === true ? before : undefined;
    if (changed || find(target) !== undefined || hasChanges(merged, after)) {
      const made = await makeDirectory(after, target, stat, was !== undefined && merged === undefined);
      await applyDirectory(merged, after, target, run);
      if (changed || made) finish(after, target, stat);
    }
  } else if (changed) await replace(after, target, stat, run);
}

/** True unless both trees are the same below; looked at only where the target has no such directory. */
function hasChanges(before: Path | undefined, after: Path): boolean {
  if (before === undefined) return true;
  const names = listNames(after);
  if (names.join("/") !== listNames(before).join("/")) return true;
  return names.some((name) => {
    const [was, is] = [
      lstatSync(entryPath(before, name), { bigint: true }),
      lstatSync(entryPath(after, name), { bigint: true }),
    ];
    return !isSame(was, is) || (is.isDirectory() && hasChanges(entryPath(before, name), entryPath(after, name)));
  });
}

/** Makes sure that `target` is a directory, empty if `fresh`. True if it was made now. */
async function makeDirectory(after: Path, target: Path, stat: BigIntStats, fresh: boolean): Promise<boolean> {
  const there = find(target);
  if (there?.isDirectory() === true && !fresh) return false;
  if (there !== undefined) await removeTree(target);
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

/** A file copied into the next snapshot keeps all of these until somebody changes it. */
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
