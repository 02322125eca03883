import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../core/index.ts";
import { treeUsage } from "../snapshot/index.ts";
import type { Store } from "./store.ts";

/**
 * Removes what killed processes have left in a root besides blobs and snapshots: contexts they had unpacked, steps they ran, mount
 * points, and locks of cache mounts that are gone. What belongs to a process that lives stays. Returns the bytes that were freed.
 */
export async function removeLeftovers(
  { root, contexts, mounts, cacheMounts }: Store,
  signal?: AbortSignal,
): Promise<number> {
  let freed = 0;
  for (const path of contexts.abandoned()) {
    throwIfAborted(signal, "prune");
    freed += await bytesOf(path);
    await rm(path, { recursive: true, force: true });
  }
  mounts.sweep();
  cacheMounts.sweepLocks();
  const run = join(root, "run");
  if (!existsSync(run)) return freed;
  const { removeAbandonedSteps } = await import("../exec/index.ts");
  await removeAbandonedSteps(run, async (path) => {
    freed += await bytesOf(path);
  });
  return freed;
}

async function bytesOf(path: string): Promise<number> {
  return existsSync(path) ? (await treeUsage(path)).bytes : 0;
}
