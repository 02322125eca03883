/** Operations on caches without a build. Each loads its implementation when it is called. */
import type { CacheReport, CacheSpec, Store } from "../engine/index.ts";
import type { PrunedTarget } from "../remotecache/index.ts";
import type { CacheListing } from "./entry.ts";
import type { ExportCacheOptions } from "./export.ts";
import type { ImportCacheOptions, ImportReport } from "./import.ts";
import type { CacheReadOptions } from "./target.ts";
import type { PruneCacheRequest } from "./prune-target.ts";

/** Lists the store's own cache, newest record first. Measures layers whose size is not known yet. */
export async function listCache(store: Store, signal?: AbortSignal): Promise<CacheListing> {
  return (await import("./list.ts")).listLocal(store, signal);
}

/**
 * Lists a cache in a registry, a directory or a bucket, and which of its records the store has. Fetches documents, but no layers.
 *
 * @throws {VarveError} `invalid-argument` if `from` names no cache, `remote` if there is none, and what registries throw.
 */
export async function listRemoteCache(
  store: Store,
  from: CacheSpec,
  options: CacheReadOptions = {},
): Promise<CacheListing> {
  return (await import("./list-remote.ts")).listRemote(store, from, options);
}

/**
 * Copies the records of a cache into the store's own cache, where later builds find them. A record that has a result in the
 * store keeps it. After an interruption, the records that were copied stay.
 *
 * @throws {VarveError} as `listRemoteCache`.
 */
export async function importCache(
  store: Store,
  from: CacheSpec,
  options: ImportCacheOptions = {},
): Promise<ImportReport> {
  return (await import("./import.ts")).importIntoStore(store, from, options);
}

/**
 * Exports the store's whole cache: every key that has a result, at most the 4,096 newest. The default `mode` is `max`. Machines
 * that export to the same target each name a `scope` of their own.
 *
 * @throws {VarveError} `invalid-argument` for attributes that are wrong, and what the target throws.
 */
export async function exportCache(store: Store, to: CacheSpec, options: ExportCacheOptions = {}): Promise<CacheReport> {
  return (await import("./export.ts")).exportStore(store, to, options);
}

/**
 * Removes old exports from a cache in a registry, a directory or a bucket.
 *
 * @throws {VarveError} `invalid-argument` if `target` names no cache, `remote` if there is none.
 */
export async function pruneCacheTarget(
  store: Store,
  target: CacheSpec,
  request: PruneCacheRequest = {},
): Promise<PrunedTarget> {
  return (await import("./prune-target.ts")).pruneTarget(store, target, request);
}
