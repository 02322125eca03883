export { archiveOf } from "./estargz.ts";
export { MountPoints } from "./mount-points.ts";
export type { BeginOptions, MutableLayer } from "./mutable.ts";
export { Records, type RecordDeps } from "./records.ts";
export * from "./types.ts";
export { savedAnnotations } from "./variants.ts";
export { CacheMounts, type CacheMount, type CacheMountRequest, type CacheSharing } from "./cache-mounts.ts";
export { type PruneRequest, pruneRecords } from "./prune.ts";
export { type RecordUsage, recordUsage } from "./usage.ts";
