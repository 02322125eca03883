export { type ServedBuild, build, serveBuild } from "./build.ts";
export type { BuildClient, ClientCaches } from "./client/client.ts";
export {
  exportCaches,
  exportFailed,
  layersOf,
  nameOf,
  openRegistry,
  readCacheExports,
  targetOf,
} from "./cache/exports.ts";
export { compileAll, loadBuild } from "./compile.ts";
export { absolutePaths } from "./options/absolute-paths.ts";
export { argumentOptions } from "./options/build-arguments.ts";
export { grantEntitlements } from "./options/entitlements.ts";
export { type Activity, Progress } from "./progress/progress.ts";
export { Session, type SessionOptions } from "./session.ts";
export { checkImports, originOf } from "./cache/imports.ts";
export { resultTable } from "./cache/results.ts";
export {
  DESCRIPTIONS,
  type Description,
  type DescriptionKind,
  describeDockerfile,
  serveDescription,
} from "./describe/describe.ts";
export { type Result, recordResult } from "./ops/result.ts";
export type * from "./options/compile-settings.ts";
export type * from "./options/options.ts";
export type * from "./progress/events.ts";
export { type TransferStatus, transferStatuses } from "./progress/transfers.ts";
export { isolateMounts } from "./store/isolate.ts";
export { type StoredImage, retryIfDamaged, withRestoredBlobs, restoreImages } from "./store/restore.ts";
export type { StepOptions } from "./store/shared-work.ts";
export { type Store, type StoreOptions, openStore, rootOf } from "./store/store.ts";
export type { BuildOutput, ExportReport } from "./outputs.ts";
export { type BuildTargets, exportTargets } from "./targets.ts";
export type { ImageMeta, SourceMeta, SourceMetaRequest } from "./ops/source-meta.ts";
