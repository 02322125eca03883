import type { DamageState, Digest } from "../core/index.ts";
import type { Bytes, Expected } from "../io/index.ts";

/**
 * Terms of this module. A *blob* is bytes under their digest, whole and verified. An *ingest* is a blob being written,
 * identified by its *ref*. A *label* is a key and a value on a blob. An *edge* says that one thing keeps another. A *lease* is a root that
 * expires. A *collection* removes everything that no root reaches.
 */
export interface BlobInfo {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly labels: ReadonlyMap<string, string>;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface OpenOptions extends ReadOptions {
  /** Position of the first byte; beyond the end of the blob it throws `invalid-argument`. */
  readonly offset?: number | undefined;
  /** At most this many bytes. */
  readonly length?: number | undefined;
  /**
   * False: the bytes are not hashed, and those before `offset` are not read. For receivers that verify the digest themselves. If one
   * refuses the bytes, verify the blob, so that damage is found. Default true.
   */
  readonly verify?: boolean | undefined;
}

/** A verified blob, open until disposed of. Later damage to its file is not detected. */
export interface VerifiedBlob extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /** A path to this blob's file, valid in this process only. */
  readonly path: string;
  /** Yields a part of the blob without verifying it again. */
  open(offset: number, length: number): Bytes;
}

export interface IngestOptions {
  readonly expected?: Expected | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CommitOptions extends Expected {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Keeps the blob from the transaction on that makes it visible. Without a lease, the next collection may remove the blob. */
  readonly lease?: Lease | undefined;
}

export interface PutOptions extends IngestOptions {
  /** If the blob exists: trust it (default), or verify it first and replace it if it is damaged. */
  readonly present?: "trust" | "verify" | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly lease?: Lease | undefined;
  /** Excludes other writers of the same ref. Without a ref, any number of writers may write the same bytes. */
  readonly ref?: string | undefined;
}

export interface LeaseOptions {
  /** ms; default 5 minutes. A heartbeat renews it. After its process has ended, the next collection removes the lease. */
  readonly ttl?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export type LeasedKind = "blob" | "snapshot" | "record";

/** Keeps what was added to it, and everything reachable from there, until it is disposed of or expires. */
export interface Lease extends AsyncDisposable {
  readonly id: string;
  /**
   * Adds an edge from the lease. Synchronous, and part of the caller's transaction if there is one.
   *
   * @throws {VarveError} `not-found` if the lease has expired.
   */
  add(kind: LeasedKind, id: string): void;
}

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that can be read while they are still being written. */
export interface Followed {
  /**
   * Yields the whole blob while it is written, bytes of interrupted ingests included. The bytes are not verified before the end of the
   * stream, so that nothing derived from them may be used before. The stream ends after the commit. It throws the commit's error, or
   * `not-found` if the writer aborted. Any number of followers may read, each at its own pace.
   */
  follow(options?: FollowOptions): Bytes;
}

/**
 * A blob being written. Obtained from `ContentStore.ingest`, ended by `commit` or `abort`. If it is disposed of without
 * either, its bytes stay for the next ingest of the ref. Await each write before the next one.
 */
export interface Ingest extends Followed, AsyncDisposable {
  /** Bytes written so far, by this ingest and interrupted ones before it. */
  readonly offset: number;
  /**
   * Appends.
   *
   * @throws {VarveError} `corrupt` past the expected size, `storage` on a full disk; both discard all bytes.
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Truncates the bytes to `offset`. */
  truncate(offset: number): Promise<void>;
  /**
   * Makes the blob durable and visible. Succeeds if the blob exists already.
   *
   * @throws {VarveError} `corrupt` if digest or size differ from the expected ones; discards the bytes.
   */
  commit(options?: CommitOptions): Promise<BlobInfo>;
  /** Discards the bytes. */
  abort(): Promise<void>;
}

/** What a collection does with snapshots, which are kept by another module. */
export interface CollectedSnapshots {
  /**
   * Removes the rows of snapshots that nothing reaches, with the edges that leave them, and returns their names. Called in the
   * transaction of the collection.
   */
  removeUnreached(isReached: (name: string) => boolean): string[];
  /** Removes the files of snapshots without a row: of this collection, or of an interrupted one. Returns their bytes. */
  sweep(names?: readonly string[]): Promise<number>;
}

export interface Sweepers {
  /** Which damaged files to remove: those older than a week (default), or all. */
  readonly quarantine?: "old" | "all" | undefined;
  /** Without it, snapshots are left alone. */
  readonly snapshots?: CollectedSnapshots | undefined;
  /** Interrupted ingests of the last day are kept for resuming, unless this is `none`. */
  readonly resumable?: "recent" | "none" | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Collected {
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
  readonly snapshots: number;
  /** Bytes of all files that were removed: blobs, snapshots, what killed processes had left, and damaged files. */
  readonly freed: number;
}

export interface Damage {
  readonly digest: Digest;
  /** Bytes it should have. */
  readonly size: number;
  readonly state: DamageState;
}

/** A damaged file in quarantine. */
export interface QuarantinedBlob {
  /** The blob that it should have been. */
  readonly digest: Digest;
  /** Of the file as it is. */
  readonly bytes: number;
  /** ms since the epoch. */
  readonly since: number;
}

/** Progress of a verification. */
export interface VerifyProgress {
  readonly blobs: number;
  readonly bytes: number;
  /** Of the store when the verification began. */
  readonly total: { readonly blobs: number; readonly bytes: number };
  /** The damage of the blob that was read last, if any. */
  readonly damage: Damage | undefined;
}

export interface VerifyOptions extends ReadOptions {
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

export interface Verification {
  readonly blobs: number;
  readonly bytes: number;
  readonly damaged: readonly Damage[];
}

/**
 * Blobs by digest. Any number of processes may use one store at a time.
 *
 * Reading verifies. A damaged blob is lost at once: its file is moved to quarantine, the blob is absent for all readers, and the read throws
 * `storage`; `damagedBlobOf` recognises the error. Writing the blob again restores it.
 */
export interface ContentStore extends Disposable {
  /** Returns undefined if the blob is absent, or its file is missing or of the wrong size. Synchronous. */
  info(digest: Digest): BlobInfo | undefined;
  /**
   * Yields the bytes of a blob or a part of it. The whole blob is read and hashed even for a part; the last bytes are yielded only if the
   * digest is right. A blob that is removed meanwhile is still read to its end. A reader that finds the bytes wrong before the end calls
   * `check` to learn whether the blob is damaged.
   *
   * @throws {VarveError} `not-found` on the first pull if the blob is absent; `storage` if it is damaged.
   */
  open(digest: Digest, options?: OpenOptions): Bytes;
  /** Verifies a blob, so that parts of it can be read in any order; throws as `open`. */
  openVerified(digest: Digest, options?: ReadOptions): Promise<VerifiedBlob>;
  /** Verifies a blob; returns undefined if it is absent or damaged. */
  check(digest: Digest, options?: ReadOptions): Promise<BlobInfo | undefined>;
  /** Returns the labels of a blob, also of a lost one that something needs. */
  labels(digest: Digest): ReadonlyMap<string, string>;
  /** Returns the path of a blob, without verifying its bytes; throws `not-found`. Keep the blob by a lease meanwhile. */
  path(digest: Digest): string;
  /**
   * Starts or resumes writing.
   *
   * @throws {VarveError} `busy` while another writer, in any process, has the same ref.
   */
  ingest(ref: string, options?: IngestOptions): Promise<Ingest>;
  /** Writes a whole blob. If the expected digest exists, `bytes` is not read; an array repairs a damaged blob. */
  put(bytes: Bytes | Uint8Array, options?: PutOptions): Promise<BlobInfo>;
  /** Sets labels, or removes those whose value is null; throws `not-found`. */
  label(digest: Digest, changes: Readonly<Record<string, string | null>>): void;
  /** Adds edges: `from` keeps each of `to`, which need not exist yet. Throws `not-found` if `from` does not exist. */
  link(from: Digest, to: readonly Digest[]): void;
  /** Yields every blob in order of digest. Blobs that are added or removed meanwhile may be missing. */
  walk(): Iterable<BlobInfo>;
  /** Removes a blob even if something keeps it; returns false if it was absent. */
  delete(digest: Digest): Promise<boolean>;
  lease(options?: LeaseOptions): Promise<Lease>;
  /** Removes leases that have expired or whose process has ended. A collection does so too. */
  expireLeases(): void;
  /** Removes expired leases, everything that no root reaches, and what crashed processes left. */
  collect(sweepers?: Sweepers): Promise<Collected>;
  /** Verifies every blob. Damaged blobs are reported and become lost. */
  verify(options?: VerifyOptions): Promise<Verification>;
  /** Returns the damaged files in quarantine, in no order. */
  quarantined(): Promise<QuarantinedBlob[]>;
}
