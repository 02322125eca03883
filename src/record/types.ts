import type { Descriptor, Digest, LayerCompression } from "../core/index.ts";
import type { Followed, Lease } from "../content/index.ts";
import type { OnWait } from "../io/index.ts";

/** Names a record: 25 characters of base 36, or the empty string for scratch, the filesystem with no layers. */
export type RecordId = string;

export const SCRATCH: RecordId = "";

/** What made a record, in BuildKit's words; collection treats the kinds differently. */
export const RECORD_TYPES = [
  "regular",
  "internal",
  "frontend",
  "source.local",
  "source.git.checkout",
  "exec.cachemount",
] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/**
 * One immutable filesystem state, as the database holds it.
 *
 * A `layer` is its parent (if any) and one layer on it; a `merge` is its parents' layers stacked, lowest first; a `mutable`
 * is a directory that lives on between steps (a cache mount). A layer has two faces, a snapshot and a blob; at least one is
 * there, and the other is made when someone asks.
 */
export interface RecordRow {
  readonly id: RecordId;
  readonly kind: "layer" | "merge" | "mutable";
  readonly parents: readonly RecordId[];
  readonly type: RecordType;
  readonly description: string;
  /** Milliseconds since 1970. May lie in the past for a layer that was pulled. */
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
  readonly usageCount: number;
  /** Committed snapshot; for a mutable record its active key. */
  readonly snapshot: string | undefined;
  /** Bytes of the snapshot alone, once it was measured. */
  readonly snapshotBytes: number | undefined;
  readonly blob: BlobFace | undefined;
  readonly chainId: Digest | undefined;
}

/** A layer as a blob. The bytes may not be on this machine yet: then `sources` says where they are. */
export interface BlobFace {
  readonly diffId: Digest;
  readonly digest: Digest;
  /** Bytes, as stored. */
  readonly size: number;
  readonly mediaType: string;
  /** `host/repository`, where the blob can be fetched from, best first. */
  readonly sources: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** A layer of an image that was resolved and not necessarily downloaded. */
export interface RemoteLayer extends BlobFace {
  readonly createdAt?: number | undefined;
  readonly description?: string | undefined;
}

/** A layer of a record, ready to be named in a manifest. */
export interface LayerBlob {
  readonly record: RecordId;
  readonly diffId: Digest;
  /**
   * Annotations hold `containerd.io/uncompressed` and, unless the layer was converted, `buildkit/createdat`; an image
   * manifest leaves them out.
   */
  readonly descriptor: Descriptor;
  readonly sources: readonly string[];
  readonly createdAt: number;
  readonly description: string;
}

/** A layer as the digest of its archive and the blob that holds it. */
export interface DiffPair {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly size: number;
}

export interface BlobOptions {
  /** How layers that have no blob yet are compressed. Default gzip. */
  readonly compression?: LayerCompression | undefined;
  readonly level?: number | undefined;
  /** Also convert layers whose blob is compressed otherwise. */
  readonly force?: boolean | undefined;
}

/**
 * What every operation on records is given: the lease that keeps what it touches, the caller's signal, and whom to tell of the machines
 * that are waited for.
 */
export interface Hold {
  readonly lease: Lease;
  readonly signal?: AbortSignal | undefined;
  readonly onWait?: OnWait | undefined;
}

/**
 * Brings a blob into the content store from one of its sources, verified, and has the lease keep it. Says, as soon as it can,
 * which ingest the bytes come to, so that they can be followed there; more than one, if wrong bytes came first.
 */
export type FetchBlob = (blob: BlobFace, hold: Hold, onIngest: (ingest: Followed) => void) => Promise<void>;
