import type { Digest } from "../core/index.ts";
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

export interface OpenOptions {
  /** The first byte wanted; past the end of the blob is `invalid-argument`. */
  readonly offset?: number;
  /** At most this many bytes. */
  readonly length?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface IngestOptions {
  readonly expected?: Expected;
  readonly signal?: AbortSignal | undefined;
}

export interface CommitOptions extends Expected {
  readonly labels?: Readonly<Record<string, string>>;
  /** Keeps the blob; taken in the transaction that makes it visible. Without one, the next collection may remove it. */
  readonly lease?: Lease;
}

export interface PutOptions extends IngestOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly lease?: Lease;
  /** Excludes other writers of the same ref; without it any number may write the same bytes at once. */
  readonly ref?: string;
}

export interface LeaseOptions {
  /** ms; 5 minutes unless told. A heartbeat renews it while it is held; it ends at the next collection after its process. */
  readonly ttl?: number;
  readonly labels?: Readonly<Record<string, string>>;
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

export interface Sweepers {
  /**
   * Removes what belongs to snapshots whose rows this collection, or an interrupted one, has removed, and returns its bytes.
   * Without it, snapshots are left alone.
   */
  readonly snapshots?: (names: string[]) => Promise<number>;
  /** Ingests that nobody is writing: those of the last day may be resumed, and stay unless this is `none`. */
  readonly resumable?: "recent" | "none" | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Collected {
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
  readonly snapshots: number;
  /** Bytes of all files that were removed: blobs, snapshots, and what killed processes had left. */
  readonly freed: number;
}

export interface Damage {
  readonly digest: Digest;
  readonly state: "missing" | "wrong-size" | "wrong-digest";
}

export interface Verification {
  readonly blobs: number;
  readonly bytes: number;
  readonly damaged: readonly Damage[];
}

/** Blobs by digest. Any number of processes may use one store at a time. */
export interface ContentStore extends Disposable {
  /** Undefined if the blob is not there. Synchronous. */
  info(digest: Digest): BlobInfo | undefined;
  /** The bytes of a blob; throws `not-found` on the first pull. A reader keeps its blob even if it is removed meanwhile. */
  open(digest: Digest, options?: OpenOptions): Bytes;
  /** The file of a blob, to be read only; throws `not-found`. Keep the blob by a lease while using it. */
  path(digest: Digest): string;
  /** Starts or resumes writing. Throws `busy` while another holder, in whatever process, writes the same ref. */
  ingest(ref: string, options?: IngestOptions): Promise<Ingest>;
  /** Writes a whole blob. If the expected digest is already there, nothing is read. */
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
  /** Reads every blob again and reports those that are not what they should be. Removes nothing. */
  verify(options?: { readonly signal?: AbortSignal }): Promise<Verification>;
}
