/** What is done with caches besides builds. What it takes is loaded when it is first asked for. */
import type { CacheReport, CacheSpec, Store } from "../engine/index.ts";
import type { PrunedTarget } from "../remotecache/index.ts";
import type { CacheListing } from "./entry.ts";
import type { ExportCacheOptions } from "./export.ts";
import type { ImportCacheOptions, ImportReport } from "./import.ts";
import type { CacheReadOptions } from "./target.ts";
import type { PruneCacheRequest } from "./prune-target.ts";

/** What the store's own cache holds. Sizes of layers that were never measured are measured now. */
export async function listCache(store: Store, signal?: AbortSignal): Promise<CacheListing> {
  return (await import("./list.ts")).listLocal(store, signal);
}

/**
 * What a cache elsewhere holds, and what of it the store has. Nothing is fetched but documents. Throws `invalid-argument` for
 * a cache that names no place, `remote` where there is none, and what registries throw.
 */
export async function listRemoteCache(
  store: Store,
  from: CacheSpec,
  options: CacheReadOptions = {},
): Promise<CacheListing> {
  return (await import("./list-remote.ts")).listRemote(store, from, options);
}

/**
 * Takes the records of a cache into the store's own, so that builds find them there from now on. A record that has a result
 * in the store keeps it. What was taken before an interruption stays, and is of use. Throws as `listRemoteCache`.
 */
export async function importCache(
  store: Store,
  from: CacheSpec,
  options: ImportCacheOptions = {},
): Promise<ImportReport> {
  return (await import("./import.ts")).importIntoStore(store, from, options);
}

/**
 * Exports the store's whole cache: every key that has a result, the 4,096 newest if there are more. `mode` is `max` unless
 * said. Several machines that write to one target name a `scope` each. Throws `invalid-argument` for attributes that are
 * wrong, and what the target throws.
 */
export async function exportCache(store: Store, to: CacheSpec, options: ExportCacheOptions = {}): Promise<CacheReport> {
  return (await import("./export.ts")).exportStore(store, to, options);
}

/** Makes a cache in a registry or a directory smaller. Throws `remote` if there is none. */
export async function pruneCacheTarget(
  store: Store,
  target: CacheSpec,
  request: PruneCacheRequest = {},
): Promise<PrunedTarget> {
  return (await import("./prune-target.ts")).pruneTarget(store, target, request);
}
