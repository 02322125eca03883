import { type BigIntStats, linkSync, lstatSync } from "node:fs";
import type { Path } from "../../linux/index.ts";
import { copyNode, metadataOf, setMetadata } from "./entry.ts";
import { Pace, entryPath, listNames } from "./walk.ts";

/**
 * Copies the tree `source` into `target`, an existing, empty directory: content, owners, permissions, times to the nanosecond,
 * extended attributes, devices and hard links. Nothing else may change `target` at the same time.
 */
export async function copyTree(
  source: Path,
  target: Path,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const run: Run = { pace: new Pace(signal), links: new Map(), signal };
  await copyInto(source, target, run);
  finish(source, target, lstatSync(source, { bigint: true }));
}

interface Run {
  readonly pace: Pace;
  /** For each inode with several names, the path of its first copy. */
  readonly links: Map<string, Path>;
  readonly signal: AbortSignal | undefined;
}

async function copyInto(source: Path, target: Path, run: Run): Promise<void> {
  for (const name of listNames(source)) {
    const pause = run.pace.step();
    if (pause !== undefined) await pause;
    await copyOne(entryPath(source, name), entryPath(target, name), run);
  }
}

async function copyOne(source: Path, target: Path, run: Run): Promise<void> {
  const stat = lstatSync(source, { bigint: true });
  if (linkKnown(stat, target, run)) return;
  const copying = copyNode(source, target, stat, run.signal);
  if (copying !== undefined) await copying;
  if (stat.isDirectory()) await copyInto(source, target, run);
  finish(source, target, stat);
}

/** Creates a hard link if the file was copied under another name. Returns whether it did. */
function linkKnown(stat: BigIntStats, target: Path, run: Run): boolean {
  if (stat.isDirectory() || stat.nlink === 1n) return false;
  const inode = `${stat.dev}:${stat.ino}`;
  const first = run.links.get(inode);
  if (first === undefined) run.links.set(inode, target);
  else linkSync(first, target);
  return first !== undefined;
}

function finish(source: Path, target: Path, stat: BigIntStats): void {
  setMetadata(target, metadataOf(stat), { isLink: stat.isSymbolicLink(), attributesOf: source });
}
