import { type Digest, throwIfAborted } from "../../core/index.ts";
import type { Asking, ObjectInfo, ObjectStore } from "../../objectstore/index.ts";
import { type ObjectCachePlace, blobKey } from "./object-place.ts";

/** Maximum number of blobs that are listed: what S3 returns in one answer. */
const MAX_LISTED = 1000;
/** A listing is used for so long, because blobs may be removed meanwhile. In milliseconds. */
const VALID = 10_000;

interface Listing {
  readonly blobs: ReadonlyMap<string, ObjectInfo>;
  /** Whether a blob that is not in it does not exist. */
  readonly isWhole: boolean;
}

/**
 * Looks up the blobs of a cache that a writer needs. An export looks up all its layers, most of which are in one listing: it is asked for
 * first, and blobs that it does not have are looked up one by one only if it was not whole.
 */
export class BlobLookup {
  readonly #store: ObjectStore;
  readonly #place: Pick<ObjectCachePlace, "keys">;
  #listing: { readonly listed: Promise<Listing | undefined>; readonly until: number } | undefined;

  constructor(store: ObjectStore, place: Pick<ObjectCachePlace, "keys">) {
    this.#store = store;
    this.#place = place;
  }

  /** Returns undefined for a blob that does not exist. */
  async find(digest: Digest, asking: Asking): Promise<ObjectInfo | undefined> {
    const key = blobKey(this.#place, digest);
    this.#listing ??= { listed: this.#list(asking), until: performance.now() + VALID };
    const listed = await this.#listing.listed;
    if (listed === undefined || performance.now() > this.#listing.until) return await this.#store.head(key, asking);
    const found = listed.blobs.get(key);
    return found !== undefined || listed.isWhole ? found : await this.#store.head(key, asking);
  }

  /** Returns undefined if the store does not list, which keys may forbid. */
  async #list(asking: Asking): Promise<Listing | undefined> {
    const blobs = new Map<string, ObjectInfo>();
    try {
      for await (const blob of this.#store.list(this.#place.keys.blobs, asking)) {
        blobs.set(blob.key, blob);
        if (blobs.size >= MAX_LISTED) return { blobs, isWhole: false };
      }
      return { blobs, isWhole: true };
    } catch {
      throwIfAborted(asking.signal, "export cache");
      return undefined;
    }
  }
}
