import type { Store } from "../engine/index.ts";
import type { Digest } from "../core/index.ts";
import type { RecordId } from "../record/index.ts";

/** A record of a cache that has a result: a step that a build would not run. */
export interface CacheEntry {
  /** Digest of the record: of its op and output. */
  readonly record: string;
  /** The step it serves, as it stands in a Dockerfile; undefined where nobody has written it down. */
  readonly step: string | undefined;
  /** What each input has to be: a step, else the digest of a record. */
  readonly inputs: readonly string[];
  readonly layers: number;
  /** Bytes of its layers: of blobs as stored, of layers that are no blobs yet as they are on disk. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** `host/repository`, or `layout:` and a path, where layers can be had from. */
  readonly sources: readonly string[];
  /** In the store itself: with its layers, without them (they are fetched when read), or not at all. */
  readonly here: "yes" | "lazy" | "no";
}

/** One export into a document, by whom. */
export interface CacheScope {
  /** Empty: nobody wrote it down. */
  readonly scope: string;
  /** Of its newest result, in milliseconds since 1970. */
  readonly createdAt: number;
  readonly entries: number;
  /** Bytes of its layers, each counted once. */
  readonly size: number;
}

export interface CacheListing {
  /** `local`, or the reference or directory. */
  readonly name: string;
  /** Newest first. */
  readonly entries: readonly CacheEntry[];
  readonly scopes: readonly CacheScope[];
  /** Bytes of all layers, each counted once. */
  readonly size: number;
  /** Bytes of the cache config; absent where there is none. */
  readonly configSize?: number | undefined;
}

/** Newest first; what is of the same time in a fixed order. */
export function sorted(entries: readonly CacheEntry[]): CacheEntry[] {
  return entries.toSorted((a, b) => b.createdAt - a.createdAt || (a.record < b.record ? -1 : 1));
}

/** Whether a record's layers are all on this machine. */
export function presence(id: RecordId, { records, content }: Store): "yes" | "lazy" {
  const isHere = ({
    snapshot,
    blob,
  }: {
    readonly snapshot?: string | undefined;
    readonly blob?: { readonly digest: Digest } | undefined;
  }): boolean => snapshot !== undefined || (blob !== undefined && content.info(blob.digest) !== undefined);
  return records.layers(id).every(isHere) ? "yes" : "lazy";
}
