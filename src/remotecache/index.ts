export {
  type CacheConfig,
  type ConfigLayer,
  type ConfigLink,
  type ConfigRecord,
  encodeCacheConfig,
  parseCacheConfig,
} from "./document/config.ts";
export { type CacheContainer, type ContainerForm, type InlineDocument, encodeContainer } from "./document/container.ts";
export { CacheGraph } from "./document/graph.ts";
export type { CacheLink, CacheNode, CacheResult } from "./document/graph-types.ts";
export type { CacheNote } from "./document/notes.ts";
export { type ImageBlob, type InlineOptions, inlineGraph } from "./document/inline.ts";
export { remoteLayer } from "./document/layer.ts";
export { normalizeStepName } from "./document/names.ts";
export { graphOf } from "./document/read-graph.ts";
export type { ConfigScope } from "./document/scopes.ts";
export { type Time, timeFromMilliseconds, timeToMilliseconds } from "./document/time.ts";
export { type WrittenGraph, configOf } from "./document/write-graph.ts";
export { type ReadCacheOptions, readCache } from "./import/read-cache.ts";
export { ImportedCache, type ImportedCacheOptions, importedCache } from "./import/imported-cache.ts";
export type { ImportedResults, LoadHint } from "./import/imported-results.ts";
export { type InspectedCache, inspectCaches } from "./import/inspect-cache.ts";
export { type LayoutEntryName, layoutBlob, layoutOrigin } from "./import/layout-origin.ts";
export type { CacheOrigin } from "./import/origin.ts";
export { registryOrigin } from "./import/registry-origin.ts";
export {
  type Attributes,
  type CacheExport,
  type CacheExportEntry,
  type ExportCompression,
  type InlineExport,
  type LocalExport,
  type CloudExport,
  type RegistryExport,
  containerForm,
  type ScopeFacts,
  defaultScope,
  parseCacheExport,
  parseCacheExports,
  signedExport,
} from "./export/attributes.ts";
export { type ExportedGraph, exportGraph } from "./export/export-graph.ts";
export type { ExportStage, Generation } from "./export/scopes.ts";
export { exportStored } from "./export/stored-keys.ts";
export { inlineCache } from "./export/inline-export.ts";
export { lockLayout } from "./export/layout-lock.ts";
export { type LayoutTargetOptions, layoutTarget } from "./export/layout-target.ts";
export type { PruneTargetOptions, PrunedTarget } from "./export/prune.ts";
export { pruneLayoutTarget } from "./export/prune-layout.ts";
export { type PruneRegistryOptions, pruneRegistryTarget } from "./export/prune-registry.ts";
export { type RegistryTargetOptions, registryTarget } from "./export/registry-target.ts";
export type { LayersOf, ResultOptions } from "./export/result-finder.ts";
export { type BlobReceiver, storeTarget } from "./export/store-target.ts";
export type { CacheTarget, LayerSource, Warn } from "./export/target.ts";
export type { CloudBlobs, CloudCache, CloudTargetOptions, CloudType, OpenCloudCache } from "./objects/cloud-cache.ts";
export { isCloudType, openCloudBlobs, parseCloudCache } from "./objects/cloud-types.ts";
export { type KeyPlaces, readKeyText } from "./signing/keys.ts";
export { type DocumentSigner, type Trust, signerOf, trustOf } from "./signing/trust.ts";
