import type { Store } from "../engine/index.ts";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../core/index.ts";
import { treeUsage } from "../snapshot/index.ts";

export interface Leftovers {
  /** `all`: also git repositories that are kept to fetch less the next time. */
  readonly repositories: "all" | "checkouts";
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes what killed processes have left in a root besides blobs and snapshots: contexts and git trees they had unpacked, steps
 * they ran, mount points, directories that nobody can find, and locks of those that are gone. What belongs to a process that lives stays. Returns the
 * bytes that were freed.
 */
export async function removeLeftovers(store: Store, { repositories, signal }: Leftovers): Promise<number> {
  const { root, contexts, mounts, contextCopies } = store;
  mounts.sweep();
  await contextCopies.sweep();
  const unpacked = await removeTrees(contexts.abandoned(), signal);
  return unpacked + (await removeRepositories(join(root, "git"), repositories, signal)) + (await removeSteps(root));
}

async function removeTrees(paths: Iterable<string>, signal: AbortSignal | undefined): Promise<number> {
  let freed = 0;
  for (const path of paths) {
    throwIfAborted(signal, "prune");
    freed += await bytesOf(path);
    await rm(path, { recursive: true, force: true });
  }
  return freed;
}

async function removeRepositories(
  folder: string,
  which: Leftovers["repositories"],
  signal: AbortSignal | undefined,
): Promise<number> {
  if (!existsSync(folder)) return 0;
  const { unusedRepositories } = await import("../source/index.ts");
  return await removeTrees(unusedRepositories(folder, which), signal);
}

async function removeSteps(root: string): Promise<number> {
  const run = join(root, "run");
  if (!existsSync(run)) return 0;
  const { removeAbandonedSteps } = await import("../exec/index.ts");
  let freed = 0;
  await removeAbandonedSteps(run, async (path) => {
    freed += await bytesOf(path);
  });
  return freed;
}

async function bytesOf(path: string): Promise<number> {
  return existsSync(path) ? (await treeUsage(path)).bytes : 0;
}
