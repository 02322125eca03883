import type { Digest } from "../../core/index.ts";
import type { ObjectStore } from "../../objectstore/index.ts";

/** Keys of the objects of a cache. */
export interface ObjectKeys {
  /** The key of a document is this and its name. */
  readonly documents: string;
  /** The key of a blob is this and its digest. */
  readonly blobs: string;
}

/** A cache in an object store, without the secrets that open the store. */
export interface ObjectCachePlace {
  /** The source of its layers, as records name it: a URL without secrets, from which `openObjectSource` opens the store again. */
  readonly source: string;
  /** For people: `s3://bucket/prefix`. */
  readonly name: string;
  readonly keys: ObjectKeys;
  /** The names of its documents. All are written. */
  readonly names: readonly string[];
  /** Blobs that were written longer ago are touched, in milliseconds. */
  readonly touchAfter: number;
  /** Maximum number of blobs that are sent at the same time. */
  readonly parallelism: number;
}

/** A cache in an object store. */
export interface ObjectCache extends ObjectCachePlace {
  /** Differs for other attributes, such as other keys. It contains no secrets. */
  readonly id: string;
  /** Opens the store. The caller disposes of it. */
  readonly open: () => Promise<ObjectStore>;
}

/** Returns the key of a document. */
export function documentKey({ keys }: ObjectCachePlace, name: string): string {
  return `${keys.documents}${name}`;
}

/** Returns the key of a blob. */
export function blobKey({ keys }: Pick<ObjectCachePlace, "keys">, digest: Digest): string {
  return `${keys.blobs}${digest}`;
}
