import * as caches from "../caches/index.ts";
import type { CacheReport, CacheSpec } from "../engine/index.ts";
import type { PruneRequest, RecordUsage } from "../record/index.ts";
import type { PrunedTarget } from "../remotecache/index.ts";
import { type Store, partsOf } from "./store.ts";

/**
 * Lists what the store's own cache holds, newest first. Layers whose size is not known yet are measured.
 *
 * @throws {VarveError} `cancelled` if `signal` is aborted.
 */
export async function listCache(store: Store, signal?: AbortSignal): Promise<caches.CacheListing> {
  return await caches.listCache(partsOf(store), signal);
}

/**
 * Lists what a cache in a registry, a directory or a bucket holds, and which of it the store has. Only documents are fetched, no layers.
 *
 * @throws {VarveError} `invalid-argument` if `from` names no cache, `remote` if there is none, `unauthorized`.
 *
 * @example
 * const { entries } = await listRemoteCache(store, { type: "registry", attrs: { ref: "registry.example/app:cache" } });
 */
export async function listRemoteCache(
  store: Store,
  from: CacheSpec,
  options?: caches.CacheReadOptions,
): Promise<caches.CacheListing> {
  return await caches.listRemoteCache(partsOf(store), from, options);
}

/**
 * Copies the records of a cache in a registry, a directory or a bucket into the store's own cache, where later builds find them. Layers
 * are fetched when a build reads them, or now with `fetch`. After an interruption, the records that were copied stay.
 *
 * @throws {VarveError} as `listRemoteCache`.
 */
export async function importCache(
  store: Store,
  from: CacheSpec,
  options?: caches.ImportCacheOptions,
): Promise<caches.ImportReport> {
  return await caches.importCache(partsOf(store), from, options);
}

/**
 * Exports the store's whole cache to a registry, a directory or a bucket: every key that has a result, at most the 4,096 newest. The
 * default `mode` is `max`. Machines that export to the same target each name a `scope` of their own.
 *
 * @throws {VarveError} `invalid-argument` for attributes that are wrong, `remote`, `unauthorized`, `storage`.
 *
 * @example
 * await exportCache(store, { type: "local", attrs: { dest: "/srv/cache" } });
 */
export async function exportCache(
  store: Store,
  to: CacheSpec,
  options?: caches.ExportCacheOptions,
): Promise<CacheReport> {
  return await caches.exportCache(partsOf(store), to, options);
}

/**
 * Removes old exports from a cache in a registry, a directory or a bucket.
 *
 * @throws {VarveError} `invalid-argument` if `target` names no cache, `remote` if there is none, `unauthorized`.
 */
export async function pruneCacheTarget(
  store: Store,
  target: CacheSpec,
  request?: caches.PruneCacheRequest,
): Promise<PrunedTarget> {
  return await caches.pruneCacheTarget(partsOf(store), target, request);
}

/**
 * Returns what the store's cache takes on disk, record by record.
 *
 * @throws {VarveError} `cancelled` if `signal` is aborted.
 */
export async function diskUsage(store: Store, signal?: AbortSignal): Promise<RecordUsage[]> {
  return await caches.diskUsage(partsOf(store), { signal });
}

/**
 * Removes records that no image and no running build needs, and the layers that only they kept. Images stay. Safe while other
 * processes build in the same root.
 *
 * @throws {VarveError} `invalid-argument` for a filter that is wrong, `cancelled` if `signal` is aborted.
 *
 * @example
 * const { reclaimed } = await prune(store, { keepDuration: 48 * 3600_000, maxUsedSpace: 10e9 });
 */
export async function prune(store: Store, request?: PruneRequest, signal?: AbortSignal): Promise<caches.PruneReport> {
  return await caches.prune(partsOf(store), request, { signal });
}
