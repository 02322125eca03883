import type { Store } from "../engine/index.ts";
import type { Digest } from "../core/index.ts";
import type { RecordId } from "../record/index.ts";

/** A record of a cache that has a result. A build that needs its step does not run it. */
export interface CacheEntry {
  /** Digest of the record, which covers its op and output. */
  readonly record: string;
  /** The step, as in the Dockerfile; undefined if the cache does not have it. */
  readonly step: string | undefined;
  /** For each input, its step if known, else the digest of its record. */
  readonly inputs: readonly string[];
  readonly layers: number;
  /** Bytes of its layers: the size of the blob, or the disk usage of a layer without a blob. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** `host/repository`, or `layout:` and a path, that layers can be fetched from. */
  readonly sources: readonly string[];
  /** Whether the store has the record: with its layers, `lazy` (layers are fetched when read), or not. */
  readonly here: "yes" | "lazy" | "no";
}

/** The exports of one scope in a cache document. */
export interface CacheScope {
  /** Empty if the cache does not have it. */
  readonly scope: string;
  /** True if the build had not made all its results: it failed, was killed, or runs. */
  readonly partial: boolean;
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

/** Sorts entries, newest first; entries of the same time by record. */
export function sorted(entries: readonly CacheEntry[]): CacheEntry[] {
  return entries.toSorted((a, b) => b.createdAt - a.createdAt || (a.record < b.record ? -1 : 1));
}

/** Returns `yes` if all layers of a record are in the store, else `lazy`. */
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
