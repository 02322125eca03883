export { build } from "./build.ts";
export type { CacheEntry, CacheListing, CacheScope } from "./caches/entry.ts";
export type { ExportCacheOptions } from "./caches/export.ts";
export type { ImportCacheOptions, ImportReport } from "./caches/import.ts";
export { exportCache, importCache, listCache, listRemoteCache, pruneCacheTarget } from "./caches/operations.ts";
export type { CacheReadOptions } from "./caches/place.ts";
export type { PruneCacheRequest } from "./caches/prune-target.ts";
export { DESCRIPTIONS, type Description, type DescriptionKind, describeDockerfile } from "./describe.ts";
export { type DoctorReport, doctorFacts } from "./doctor.ts";
export type { Fact } from "./doctor/fact.ts";
export { isolateMounts } from "./isolate.ts";
export {
  type HistoryLine,
  type ImageSummary,
  type SaveOptions,
  type StoredImage,
  imageHistory,
  inspectImage,
  listImages,
  loadImages,
  pullImage,
  pushImage,
  removeImage,
  requireImage,
  saveImages,
  saveImagesTo,
  tagImage,
} from "./images.ts";
export { mending, restoreImages } from "./mend.ts";
export type * from "./events.ts";
export type * from "./options.ts";
export { type PruneReport, diskUsage, prune, pruneUntagged } from "./prune.ts";
export { type Store, type StoreOptions, defaultRoot, openStore } from "./store.ts";
export type { Removal } from "../classic/index.ts";
export { type LostBlobReport, type StoreVerification, verifyStore } from "./verify-store.ts";
export { parseDockerfile } from "../dockerfile/index.ts";
export type { RegistryConfig } from "../registry/index.ts";
export { type TransferStatus, transferStatuses } from "./transfers.ts";
