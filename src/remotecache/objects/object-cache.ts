import type { Digest } from "../../core/index.ts";
import type { ObjectStore } from "../../objectstore/index.ts";
import type { CloudBlobs, OpenCloudCache } from "./cloud-cache.ts";
import { objectOrigin } from "./object-origin.ts";
import type { ObjectCachePlace } from "./object-place.ts";
import { objectTarget } from "./object-target.ts";
import { pruneObjects } from "./prune-objects.ts";

/** Returns a cache in an object store. Disposing of it closes the store. */
export function objectCache(store: ObjectStore, place: ObjectCachePlace): OpenCloudCache {
  return {
    ...objectBlobs(store, place.keys.blobs),
    origins: (onWait) => place.reads.map((name) => objectOrigin(store, place, { name, onWait })),
    target: (options) => objectTarget({ ...options, store, place }),
    prepare: async (asking) => await store.prepare(asking),
    prune: async (options) => await pruneObjects(store, place, options),
  };
}

/** Returns the blobs of a cache in an object store, whose keys are `prefix` and the digest. */
export function objectBlobs(store: ObjectStore, prefix: string): CloudBlobs {
  return {
    name: store.name,
    blob: async (digest: Digest, asking) => await store.get(`${prefix}${digest}`, asking),
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}
