import { lstatSync } from "node:fs";
import type { Path } from "../../linux/index.ts";
import type { SnapshotUsage } from "../snapshotter.ts";
import { Pace, entryPath, listNames } from "./walk.ts";

const BLOCK = 512;

/** Returns the disk usage of a tree, including its root. Files with several names (hard links) count once. */
export async function treeUsage(
  path: Path,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<SnapshotUsage> {
  const pace = new Pace(signal);
  const linked = new Set<string>();
  const usage = { bytes: 0, inodes: 0 };
  const visit = async (entry: Path): Promise<void> => {
    const pause = pace.step();
    if (pause !== undefined) await pause;
    const stat = lstatSync(entry);
    if (stat.isDirectory()) for (const name of listNames(entry)) await visit(entryPath(entry, name));
    else if (stat.nlink > 1) {
      const inode = `${stat.dev}:${stat.ino}`;
      if (linked.has(inode)) return;
      linked.add(inode);
    }
    usage.bytes += stat.blocks * BLOCK;
    usage.inodes += 1;
  };
  await visit(path);
  return usage;
}
