export { type PlanBuildOptions, plan, servePlan } from "./plan/plan.ts";
export type * from "./plan/types.ts";
export { layersName } from "./explain/layers-name.ts";
export { type ServedBuild, build, serveBuild } from "./build.ts";
export type { BuildClient, ClientCaches } from "./client/client.ts";
export type * from "./container/types.ts";
export { failedProcess } from "./container/failed-process.ts";
export { EagerExports } from "./cache/eager-exports.ts";
export {
  exportCaches,
  exportFailed,
  layersOf,
  noteFinder,
  nameOf,
  openRegistry,
  prepareExports,
  readCacheExports,
  targetOf,
} from "./cache/exports.ts";
export { type LookedUpImage, RequestTrace, type TracedResult, tracedHost } from "./attest/request-trace.ts";
export { openProvenance, openSbomMaker, openScanner, recordOfRequest } from "./attest/open-provenance.ts";
export type { ProvenanceMaker } from "./attest/provenance.ts";
export { type LoadedBuild, type OpenedBuild, compileAll, openBuild, parseBuild } from "./compile.ts";
export { type ForeignFrontend, answersItself, foreignFrontend } from "./foreign/choice.ts";
export { runFrontendProcess } from "./foreign/container.ts";
export type * from "./foreign/port.ts";
export type { PlaceOf } from "./failure.ts";
export { absolutePaths } from "./options/absolute-paths.ts";
export { dockerfileEdge } from "./context/dockerfile-edge.ts";
export { argumentOptions } from "./options/build-arguments.ts";
export { grantEntitlements } from "./options/entitlements.ts";
export { withReasonLogs } from "./progress/reason-logs.ts";
export { type Activity, Progress } from "./progress/progress.ts";
export { Session } from "./session.ts";
export type { SessionOptions } from "./options/session-options.ts";
export { checkImports, originsOf } from "./cache/imports.ts";
export { resultTable } from "./cache/results.ts";
export { DESCRIPTIONS, type Description, type DescriptionKind, serveDescription } from "./describe/describe.ts";
export { type OpFailure, opFailureOf } from "./ops/op-failure.ts";
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
export { blobsFor } from "./outputs.ts";
export { type AttestSettings, type BuildTargets, exportTargets } from "./targets.ts";
export type { ImageMeta, SourceMeta, SourceMetaRequest } from "./ops/source-meta.ts";
