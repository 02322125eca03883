import type { DamageState, Digest } from "../core/index.ts";
import type { Bytes, Expected } from "../io/index.ts";

/**
 * The words of this room. A *blob* is bytes under their digest, whole and verified. An *ingest* is a blob being written,
 * known by its *ref*. A *label* is a key and a value on a blob. An *edge* says that one thing keeps another alive. A
 * *lease* is a root with an end; *collecting* removes what no root reaches.
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
  /** The first byte wanted; past the end of the blob is `invalid-argument`. */
  readonly offset?: number | undefined;
  /** At most this many bytes. */
  readonly length?: number | undefined;
}

/** A blob that was read and found right, open until disposed of. Later damage to its file does not show. */
export interface VerifiedBlob extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /** Leads to this blob's file, in this process only. */
  readonly path: string;
  /** A part of it, which need not be verified again. */
  open(offset: number, length: number): Bytes;
}

export interface IngestOptions {
  readonly expected?: Expected | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CommitOptions extends Expected {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Keeps the blob; taken in the transaction that makes it visible. Without one, the next collection may remove it. */
  readonly lease?: Lease | undefined;
}

export interface PutOptions extends IngestOptions {
  /** What to do about a blob that is there already: take it as it is (default), or read it first and replace a damaged one. */
  readonly present?: "trust" | "verify" | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly lease?: Lease | undefined;
  /** Excludes other writers of the same ref; without it any number may write the same bytes at once. */
  readonly ref?: string | undefined;
}

export interface LeaseOptions {
  /** ms; 5 minutes unless told. A heartbeat renews it while it is held; it ends at the next collection after its process. */
  readonly ttl?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export type LeasedKind = "blob" | "snapshot" | "record";

/** Keeps what was added to it, and all that this reaches, until disposed of or expired. */
export interface Lease extends AsyncDisposable {
  readonly id: string;
  /** Synchronous, and part of the caller's transaction if there is one. Throws `not-found` if the lease has expired. */
  add(kind: LeasedKind, id: string): void;
}

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that can be read while they are still being written. */
export interface Followed {
  /**
   * All of the blob from its first byte on, with what interrupted ingests left of it, as it is written: not verified before
   * the end, so that whatever is made of it must not count until the stream has ended. It ends once the blob is committed,
   * and throws what the commit threw, or `not-found` if the writer gave up. Any number may follow, each at its own pace.
   */
  follow(options?: FollowOptions): Bytes;
}

/**
 * A blob being written. Obtained from `ContentStore.ingest`, ended by `commit` or `abort`. Disposed of without either,
 * what was written stays for the next ingest of the ref. Writes follow one another: await each.
 */
export interface Ingest extends Followed, AsyncDisposable {
  /** Bytes written so far, by this ingest and interrupted ones before it. */
  readonly offset: number;
  /** Appends. Throws `corrupt` past the expected size and `storage` on a full disk; both remove all that was written. */
  write(chunk: Uint8Array): Promise<void>;
  /** Drops what is past `offset`. */
  truncate(offset: number): Promise<void>;
  /**
   * Makes the blob durable and visible. A digest that is already present is success. If the digest or the size is not
   * the expected one, throws `corrupt` and removes what was written.
   */
  commit(options?: CommitOptions): Promise<BlobInfo>;
  /** Removes what was written. */
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
  /** Which damaged files go: those that are older than a week (default), or all. */
  readonly quarantine?: "old" | "all" | undefined;
  /** Without it, snapshots are left alone. */
  readonly snapshots?: CollectedSnapshots | undefined;
  /** Ingests that nobody is writing: those of the last day may be resumed, and stay unless this is `none`. */
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

/** A damaged file that was set aside. */
export interface QuarantinedBlob {
  /** What it should have been. */
  readonly digest: Digest;
  /** Of the file as it is. */
  readonly bytes: number;
  /** ms since the epoch. */
  readonly since: number;
}

/** How far a verification has come. */
export interface VerifyProgress {
  readonly blobs: number;
  readonly bytes: number;
  /** Of the store when the verification began. */
  readonly total: { readonly blobs: number; readonly bytes: number };
  /** What was wrong with the blob that was just read. */
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
 * Bytes that are read are verified. A blob that turns out to be damaged is lost at once: its file is set aside, it is not there
 * for anybody, and `damagedBlobOf` tells the error, which is of code `storage`. Writing it again brings it back.
 */
export interface ContentStore extends Disposable {
  /** Undefined if the blob is not there, or its file is no file of its size. Synchronous. */
  info(digest: Digest): BlobInfo | undefined;
  /**
   * The bytes of a blob, or a part of them; throws `not-found` on the first pull. All of the blob is read and hashed even for a
   * part, and the last bytes come only if the digest is right. A reader keeps its blob even if it is removed meanwhile. Whoever
   * makes something of bytes before the end, and finds them wrong, asks `check` whether the blob is damaged.
   */
  open(digest: Digest, options?: OpenOptions): Bytes;
  /** Reads all of a blob, so that parts of it can be read in any order; throws as `open` does. */
  openVerified(digest: Digest, options?: ReadOptions): Promise<VerifiedBlob>;
  /** Reads all of a blob; undefined if it is not there or is damaged. */
  check(digest: Digest, options?: ReadOptions): Promise<BlobInfo | undefined>;
  /** The labels of a blob that is there, or that was lost while something needs it. */
  labels(digest: Digest): ReadonlyMap<string, string>;
  /** The file of a blob, whose bytes nobody has verified; throws `not-found`. Keep the blob by a lease while using it. */
  path(digest: Digest): string;
  /** Starts or resumes writing. Throws `busy` while another holder, in whatever process, writes the same ref. */
  ingest(ref: string, options?: IngestOptions): Promise<Ingest>;
  /** Writes a whole blob. If the expected digest is already there, `bytes` is not read; an array mends a damaged blob. */
  put(bytes: Bytes | Uint8Array, options?: PutOptions): Promise<BlobInfo>;
  /** Sets labels, or removes those whose value is null; throws `not-found`. */
  label(digest: Digest, changes: Readonly<Record<string, string | null>>): void;
  /** From now on `from` keeps `to`, whether or not they are there yet. Throws `not-found` if `from` is not. */
  link(from: Digest, to: readonly Digest[]): void;
  /** Every blob, in order of digest; those that come or go meanwhile may or may not be among them. */
  walk(): Iterable<BlobInfo>;
  /** Removes a blob whatever keeps it; false if it was not there. */
  delete(digest: Digest): Promise<boolean>;
  lease(options?: LeaseOptions): Promise<Lease>;
  /** Removes leases that have expired or whose process is gone. A collection does so, too. */
  expireLeases(): void;
  /** Removes expired leases, what no root reaches, and what crashes have left behind. */
  collect(sweepers?: Sweepers): Promise<Collected>;
  /** Reads every blob and reports those that are damaged, which are lost from then on. */
  verify(options?: VerifyOptions): Promise<Verification>;
  /** The damaged files that were set aside and not removed yet, in no order. */
  quarantined(): Promise<QuarantinedBlob[]>;
}
