import type { Descriptor, Digest, LayerCompression } from "../core/index.ts";
import type { Followed, Lease } from "../content/index.ts";
import type { OnWait } from "../io/index.ts";

/** Names a record: 25 characters of base 36, or the empty string for scratch, the filesystem with no layers. */
export type RecordId = string;

export const SCRATCH: RecordId = "";

/** What created a record. The names are BuildKit's. `pruneRecords` treats some of them differently. */
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
 * A record as stored in the database: one filesystem state.
 *
 * The kinds are:
 * - `layer`: one layer on top of its parent, or on scratch if it has no parent. A layer has two forms, a snapshot and a blob.
 *   At least one of them exists; the other is created on demand.
 * - `merge`: the layers of its parents stacked, lowest parent first.
 * - `mutable`: a directory that persists and changes: a cache mount, or the copy of a client's directory.
 */
export interface RecordRow {
  readonly id: RecordId;
  readonly kind: "layer" | "merge" | "mutable";
  readonly parents: readonly RecordId[];
  readonly type: RecordType;
  readonly description: string;
  /** Milliseconds since 1970. For a pulled layer, the time in the image's history. */
  readonly createdAt: number;
  readonly lastUsedAt: number | undefined;
  readonly usageCount: number;
  /** Name of the committed snapshot. For a mutable record, the key of the active snapshot. */
  readonly snapshot: string | undefined;
  /** Disk usage of the snapshot without its parents, in bytes. Undefined until `recordUsage` has measured it. */
  readonly snapshotBytes: number | undefined;
  readonly blob: BlobForm | undefined;
  readonly chainId: Digest | undefined;
}

/** A layer in its blob form. The blob may not be in the content store yet; `sources` then says where to fetch it. */
export interface BlobForm {
  readonly diffId: Digest;
  readonly digest: Digest;
  /** Size of the blob in bytes, as compressed. */
  readonly size: number;
  readonly mediaType: string;
  /** Repositories (`host/repository`) that the blob can be fetched from, best first. */
  readonly sources: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Where the blob is published, if its image says that it may not be distributed. Nothing is fetched from there. */
  readonly urls?: readonly string[] | undefined;
}

/** A layer of an image that has been resolved, but not necessarily downloaded. */
export interface RemoteLayer extends BlobForm {
  /** The type of its record, if it has none yet. Default: `regular`. */
  readonly type?: RecordType | undefined;
  readonly createdAt?: number | undefined;
  readonly description?: string | undefined;
}

/** A layer of a record with everything that a manifest says about it. */
export interface LayerBlob {
  readonly record: RecordId;
  readonly diffId: Digest;
  /**
   * Its annotations include `containerd.io/uncompressed` and, unless the layer was converted, `buildkit/createdat`. Cache
   * manifests contain these two annotations; image manifests do not.
   */
  readonly descriptor: Descriptor;
  readonly sources: readonly string[];
  /** See `BlobForm`. Empty for a layer that was converted. */
  readonly urls: readonly string[];
  readonly createdAt: number;
  readonly description: string;
}

/** The digest of a layer's uncompressed archive, and the blob that contains the archive. */
export interface DiffPair {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly size: number;
}

export interface BlobOptions {
  /** Compression for layers that have no blob yet. The default is gzip. */
  readonly compression?: LayerCompression | undefined;
  readonly level?: number | undefined;
  /** Also convert layers whose blob has another compression. The default is false. */
  readonly force?: boolean | undefined;
}

/**
 * What every call on records takes besides its arguments. It is called a hold because the lease holds the results: the
 * collector does not remove them until the lease is released.
 */
export interface Hold {
  /** The call adds every record, blob and snapshot that it returns or uses to this lease. */
  readonly lease: Lease;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the call waits for another machine, such as a registry that does not answer. */
  readonly onWait?: OnWait | undefined;
  /** Fetches blobs, for example with the credentials of a client. Default: the function that `Records` was opened with. */
  readonly fetchBlob?: FetchBlob | undefined;
}

/**
 * Fetches a blob from one of its sources into the content store, verifies it, and adds it to the lease. Calls `onIngest` as
 * soon as an ingest is open, so that callers can read the bytes while they arrive. Calls it again for each new attempt, such
 * as after a mirror served wrong bytes.
 */
export type FetchBlob = (blob: BlobForm, hold: Hold, onIngest: (ingest: Followed) => void) => Promise<void>;
