import type { Digest } from "../../core/index.ts";

/** Keys of the objects of a cache. */
export interface ObjectKeys {
  /** The key of a document is this and its name. */
  readonly documents: string;
  /** The key of a blob is this and its digest. */
  readonly blobs: string;
}

/** Where a cache is in an object store. */
export interface ObjectCachePlace {
  /** The source of its layers, as records name it. It contains no secrets. */
  readonly source: string;
  /** For people: `s3://bucket/prefix`. */
  readonly name: string;
  readonly keys: ObjectKeys;
  /** The names of its documents. All are written. */
  readonly names: readonly string[];
  /** The names of the documents that are read. */
  readonly reads: readonly string[];
  /** Blobs that were written longer ago are touched, in milliseconds. */
  readonly touchAfter: number;
  /** Maximum number of blobs that are sent at the same time. */
  readonly parallelism: number;
}

/** Returns the key of a document. */
export function documentKey({ keys }: ObjectCachePlace, name: string): string {
  return `${keys.documents}${name}`;
}

/** Returns the key of a blob. */
export function blobKey({ keys }: Pick<ObjectCachePlace, "keys">, digest: Digest): string {
  return `${keys.blobs}${digest}`;
}
