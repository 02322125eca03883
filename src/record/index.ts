export { archiveOf } from "./blobs/estargz.ts";
export { MountPoints } from "./snapshots/mount-points.ts";
export type { BeginOptions, MutableLayer } from "./snapshots/mutable.ts";
export { Records, type RecordDeps } from "./records.ts";
export * from "./types.ts";
export { savedAnnotations } from "./blobs/variants.ts";
export { CacheMounts, type CacheMount, type CacheMountRequest, type CacheSharing } from "./snapshots/cache-mounts.ts";
export { type PruneRequest, pruneRecords } from "./prune/prune.ts";
export { type RecordUsage, recordUsage } from "./prune/usage.ts";
