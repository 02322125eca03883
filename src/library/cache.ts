/** The entry point `varve/cache`: what is done with caches without a build. */
export * from "./vocabulary.ts";
export { type Store, openStore } from "./store.ts";
export { diskUsage, exportCache, importCache, listCache, listRemoteCache, prune, pruneCacheTarget } from "./caches.ts";
export { defaultRoot } from "../core/index.ts";
export type { DeviceSettings } from "../cdi/index.ts";
export { type CacheReport, type CacheSpec, type StepOptions, type StoreOptions } from "../engine/index.ts";
export type { StepIsolation } from "../isolation/index.ts";
export type { NetworkSettings } from "../network/index.ts";
export type {
  Credential,
  CredentialDelegate,
  CredentialSource,
  DelegatedToken,
  DelegatedTokenRequest,
  OnTransfer,
  PlainCredential,
  RegistryConfig,
  RegistryHostConfig,
  RegistryOptions,
  RetryPolicy,
  Timeouts,
  TransferEvent,
  TransferState,
} from "../registry/index.ts";
export type { PruneRequest, RECORD_TYPES, RecordId, RecordType, RecordUsage } from "../record/index.ts";
export type * from "./cache-types.ts";
export type { PrunedTarget } from "../remotecache/index.ts";
