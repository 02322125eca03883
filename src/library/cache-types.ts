/** The types of operations on caches. */
export type {
  CacheEntry,
  CacheListing,
  CacheReadOptions,
  CacheScope,
  ExportCacheOptions,
  ImportCacheOptions,
  ImportReport,
  PruneCacheRequest,
  PruneReport,
} from "../caches/index.ts";
