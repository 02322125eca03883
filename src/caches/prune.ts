import { type Store, resultTable } from "../engine/index.ts";
import { pruneCache } from "../cache/index.ts";
import { type PruneRequest, type RecordUsage, pruneRecords, recordUsage } from "../record/index.ts";

import { removeLeftovers } from "./leftovers.ts";

export interface PruneReport {
  /** The records that were removed. */
  readonly records: readonly RecordUsage[];
  /** Bytes of disk space that were freed: records, blobs that nothing else kept, and leftovers of killed processes. */
  readonly reclaimed: number;
}

/** Returns the disk usage of a store's cache, record by record. */
export async function diskUsage(store: Store, signal?: AbortSignal): Promise<RecordUsage[]> {
  return await recordUsage(usageDeps(store), signal);
}

/**
 * Removes unused records, then everything that only they kept and the leftovers of killed processes. With `all`, also removes
 * interrupted downloads that could be resumed, and git repositories. Safe while other processes build in the same root.
 */
export async function prune(store: Store, request: PruneRequest = {}, signal?: AbortSignal): Promise<PruneReport> {
  const { state, records, content, snapshotter } = store;
  content.expireLeases();
  const removed = await pruneRecords(request, { ...usageDeps(store), root: store.root }, signal);
  if (removed.length > 0) pruneCache(state, resultTable(records));
  const { freed } = await content.collect({
    quarantine: request.all === true ? "all" : "old",
    snapshots: snapshotter,
    resumable: request.all === true ? "none" : "recent",
    signal,
  });
  return {
    records: removed,
    reclaimed:
      freed + (await removeLeftovers(store, { repositories: request.all === true ? "all" : "checkouts", signal })),
  };
}

function usageDeps({ state, records, content, snapshotter }: Store): Parameters<typeof recordUsage>[0] {
  return { state, table: records.table, content, snapshotter };
}
