import { statfs } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../../core/index.ts";
import { parseFilters } from "./filter.ts";
import { type RecordUsage, type UsageDeps, recordUsage } from "./usage.ts";

/** What `pruneRecords` removes. The fields are those of BuildKit's prune request. Sizes are in bytes; 0 means no limit. */
export interface PruneRequest {
  /** Filters in containerd's syntax. Only records that match one of them are removed. The default is all records. */
  readonly filters?: readonly string[] | undefined;
  /** Also remove internal and frontend records, and records that images share. The default is false. */
  readonly all?: boolean | undefined;
  /** Keep records that were used within this many milliseconds. */
  readonly keepDuration?: number | undefined;
  /** Keep at least this much of the cache. */
  readonly reservedSpace?: number | undefined;
  /** Remove records until the cache is smaller than this. */
  readonly maxUsedSpace?: number | undefined;
  /** Remove records until this much of the disk is free. */
  readonly minFreeSpace?: number | undefined;
}

/**
 * Removes unused records, children before parents, and returns them. Without a size in the request, removes all records that
 * match. With a size, removes the least recently and least often used records one by one until the size is reached. The next
 * collection (`content.collect()`) removes their files.
 * @throws {VarveError} `invalid-argument` for a malformed filter; `cancelled`
 *
 * @example
 * const removed = await pruneRecords({ maxUsedSpace: 10e9 }, { state, table, content, snapshotter, root });
 * await content.collect();
 */
export async function pruneRecords(
  request: PruneRequest,
  deps: UsageDeps & { readonly root: string; readonly onRemoved?: ((usage: RecordUsage) => void) | undefined },
  signal?: AbortSignal,
): Promise<RecordUsage[]> {
  const usages = new Map((await recordUsage(deps, signal)).map((usage) => [usage.id, usage]));
  let total = [...usages.values()].filter((usage) => !usage.shared).reduce((sum, usage) => sum + usage.size, 0);
  const keep = await spaceTarget(request, total, deps.root);
  const matches = parseFilters(request.filters ?? []);
  const removed: RecordUsage[] = [];
  for (;;) {
    throwIfAborted(signal, "prune");
    if (keep !== 0 && total < keep) return removed;
    const victims = candidates(usages, request).filter(matches);
    const batch = keep === 0 ? victims : victims.length === 0 ? [] : [leastUseful(victims)];
    const gone = batch.filter((usage) => deps.table.remove(usage.id));
    for (const usage of batch) usages.delete(usage.id);
    removed.push(...gone);
    for (const usage of gone) deps.onRemoved?.(usage);
    // Others run between two removals, among them who is told of them.
    await setImmediate();
    total -= gone.filter((usage) => !usage.shared).reduce((sum, usage) => sum + usage.size, 0);
    if (batch.length === 0) return removed;
  }
}

/** Returns the size to which the cache is pruned, in bytes. 0 means that all matching records are removed. */
async function spaceTarget(
  { reservedSpace = 0, maxUsedSpace = 0, minFreeSpace = 0 }: PruneRequest,
  total: number,
  root: string,
): Promise<number> {
  if (reservedSpace === 0 && maxUsedSpace === 0 && minFreeSpace === 0) return 0;
  let keep = maxUsedSpace;
  if (minFreeSpace !== 0) {
    const { bfree, bsize } = await statfs(root);
    const excess = minFreeSpace - bfree * bsize;
    if (excess > 0) keep = keep === 0 ? total - excess : Math.min(keep, total - excess);
    // Enough space is free and there is no other limit: remove nothing.
    else if (keep === 0) keep = total + 1;
  }
  return Math.max(keep, reservedSpace, 0);
}

/** Returns the records without children that the request allows to remove, filters aside. */
function candidates(
  usages: ReadonlyMap<string, RecordUsage>,
  { all = false, keepDuration = 0 }: PruneRequest,
): RecordUsage[] {
  const parents = new Set([...usages.values()].flatMap((usage) => usage.parents));
  const cutOff = Date.now() - keepDuration;
  return [...usages.values()].filter((usage) => {
    if (usage.inUse || parents.has(usage.id)) return false;
    if (!all && (usage.shared || usage.recordType === "internal" || usage.recordType === "frontend")) return false;
    return keepDuration === 0 || usage.lastUsedAt === undefined || usage.lastUsedAt <= cutOff;
  });
}

/** Returns the record with the smallest sum of its ranks by time of last use and by number of uses. */
function leastUseful(victims: readonly RecordUsage[]): RecordUsage {
  const time = (usage: RecordUsage): number => usage.lastUsedAt ?? -Infinity;
  const byTime = ranks(victims, time);
  const byCount = ranks(victims, (usage) => usage.usageCount);
  const most = (rank: ReadonlyMap<RecordUsage, number>): number => Math.max(1, ...rank.values());
  const score = (usage: RecordUsage): number =>
    (byTime.get(usage) ?? 0) / most(byTime) + (byCount.get(usage) ?? 0) / most(byCount);
  return victims.reduce((least, usage) => (score(usage) < score(least) ? usage : least));
}

/** Ranks records by a value, from 1 for the smallest. Equal values have equal ranks. */
function ranks(usages: readonly RecordUsage[], valueOf: (usage: RecordUsage) => number): Map<RecordUsage, number> {
  const values = [...new Set(usages.map(valueOf))].toSorted((a, b) => a - b);
  return new Map(usages.map((usage) => [usage, values.indexOf(valueOf(usage)) + 1]));
}
