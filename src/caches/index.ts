export type { CacheEntry, CacheListing, CacheScope } from "./entry.ts";
export type { ExportCacheOptions } from "./export.ts";
export type { ImportCacheOptions, ImportReport } from "./import.ts";
export { exportCache, importCache, listCache, listRemoteCache, pruneCacheTarget } from "./operations.ts";
export { type PruneReport, diskUsage, prune } from "./prune.ts";
export type { PruneCacheRequest } from "./prune-target.ts";
export type { CacheReadOptions } from "./target.ts";
