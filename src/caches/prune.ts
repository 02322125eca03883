import { type Store, resultTable } from "../engine/index.ts";
import { pruneCache } from "../cache/index.ts";
import { isDigest } from "../core/index.ts";
import { ImageRelations } from "../image/index.ts";
import { type PruneRequest, type RecordUsage, parseFilters, pruneRecords, recordUsage } from "../record/index.ts";

import { removeLeftovers } from "./leftovers.ts";

export interface PruneReport {
  /** The records that were removed. */
  readonly records: readonly RecordUsage[];
  /** Bytes of disk space that were freed: records, blobs that nothing else kept, and leftovers of killed processes. */
  readonly reclaimed: number;
}

export interface UsageQuery {
  /** Filters in containerd's syntax. Only records that match one of them are returned. The default is all records. */
  readonly filters?: readonly string[] | undefined;
  /** Only records that were not used within this many milliseconds. 0 means all. */
  readonly ageLimit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PruneOptions {
  /** Called for each record after it was removed. */
  readonly onRemoved?: ((usage: RecordUsage) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the disk usage of a store's cache, record by record.
 *
 * @throws {VarveError} `invalid-argument` for a malformed filter.
 */
export async function diskUsage(store: Store, query: UsageQuery = {}): Promise<RecordUsage[]> {
  const { filters = [], ageLimit = 0, signal } = query;
  const matches = parseFilters(filters);
  const latest = ageLimit === 0 ? Infinity : Date.now() - ageLimit;
  const usages = await recordUsage(usageDeps(store), signal);
  return usages.filter((usage) => matches(usage) && (usage.lastUsedAt ?? -Infinity) <= latest);
}

/**
 * Removes unused records, then everything that only they kept and the leftovers of killed processes. With `all`, also removes
 * interrupted downloads that could be resumed, and git repositories. Safe while other processes build in the same root.
 */
export async function prune(
  store: Store,
  request: PruneRequest = {},
  options: PruneOptions = {},
): Promise<PruneReport> {
  return await pruneAll(store, [request], options);
}

/** As `prune`, for several requests one after the other. */
export async function pruneAll(
  store: Store,
  requests: readonly PruneRequest[],
  { onRemoved, signal }: PruneOptions = {},
): Promise<PruneReport> {
  const { state, records, content, snapshotter, root } = store;
  content.expireLeases();
  const removed: RecordUsage[] = [];
  for (const request of requests)
    removed.push(...(await pruneRecords(request, { ...usageDeps(store), root, onRemoved }, signal)));
  if (removed.length > 0) {
    pruneCache(state, resultTable(records));
    const { ExplainTable } = await import("../explain/index.ts");
    const images = new ImageRelations(state);
    const exists = (result: string): boolean =>
      isDigest(result) ? images.get(result) !== undefined : records.get(result) !== undefined;
    new ExplainTable(state).prune(exists);
  }
  // A policy may remove internal records, but does not throw away what the next build can continue with.
  const [only] = requests;
  const isAll = requests.length === 1 && only?.all === true;
  const { freed } = await content.collect({
    quarantine: isAll ? "all" : "old",
    snapshots: snapshotter,
    resumable: isAll ? "none" : "recent",
    signal,
  });
  const leftovers = await removeLeftovers(store, { repositories: isAll ? "all" : "checkouts", signal });
  return { records: removed, reclaimed: freed + leftovers };
}

function usageDeps({ state, records, content, snapshotter }: Store): Parameters<typeof recordUsage>[0] {
  return { state, table: records.table, content, snapshotter };
}
