import type { CollectedSnapshots } from "../content/index.ts";
/**
 * How to see a snapshot's tree: a directory as it is, or directories stacked by overlayfs. Plain data, so that it can be
 * handed to whoever mounts.
 */
export type MountSpec =
  | { readonly kind: "bind"; readonly source: string; readonly readonly: boolean }
  | {
      readonly kind: "overlay";
      /** Directories below, top first; at least one with `upper`, at least two without. */
      readonly lower: readonly string[];
      /** Takes the changes; absent for a tree that is only read. */
      readonly upper?: string | undefined;
      readonly work?: string | undefined;
      /** Leave out syncs while mounted; the tree is thrown away after a crash of the machine. */
      readonly volatile?: boolean | undefined;
    };

export type SnapshotKind =
  /** Being changed. Its name is a key. */
  | "active"
  /** A tree that is only read. Its name is a key. */
  | "view"
  /** Never changes again. Its name is a name. */
  | "committed";

export interface SnapshotInfo {
  readonly name: string;
  /** Empty on scratch, several for a merge (lowest first), otherwise one. */
  readonly parents: readonly string[];
  readonly kind: SnapshotKind;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What a snapshot itself takes on disk, its parents not counted. A hard link is counted once. */
export interface SnapshotUsage {
  /** Allocated blocks, in bytes. */
  readonly bytes: number;
  readonly inodes: number;
}

/** The part of a lease that keeps a snapshot from the collector; called in the transaction that makes the snapshot's row. */
export interface SnapshotLease {
  add(kind: "snapshot", id: string): void;
}

export interface SnapshotOptions {
  readonly lease?: SnapshotLease | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PrepareOptions extends SnapshotOptions {
  /**
   * Whether the tree must outlive a crash of the machine before it is committed (a cache mount, say). False, the default,
   * makes work in it faster where the driver can.
   */
  readonly durable?: boolean | undefined;
}

/**
 * Keeps trees, each on top of others.
 *
 * The life of a tree: `prepare(key)` makes an active snapshot on top of a committed one, something is done in its mount, and
 * `commit(name, key)` turns it into a committed one: the key is gone, the name never changes again and may be a parent. Or
 * `remove(key)` throws it away. Keys and names share one space; a key is always of an active snapshot or a view.
 *
 * Every method may be called by several processes at once. Errors are `VarveError`s: `not-found`, `already-exists`, `busy`
 * (it has children, or is mounted), `invalid-argument` (a parent that is not committed, a commit of something that is not
 * active), `storage`, `cancelled`.
 */
export interface Snapshotter extends CollectedSnapshots {
  /** True if `merge` lays trees on each other when they are mounted: then a merged tree needs to keep its whiteouts. */
  readonly stacksMerges: boolean;
  /** Makes an active snapshot: a writable tree that starts as the parent's, or empty (one directory, 0755 root). */
  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<MountSpec>;
  /** Makes a view: a key under which the parent's tree can be read and is kept. */
  view(key: string, parent: string | undefined, options?: SnapshotOptions): Promise<MountSpec>;
  /** Makes an active snapshot, which must not be mounted, a committed one. When it returns, the tree is on disk. */
  commit(name: string, key: string, options?: SnapshotOptions): Promise<void>;
  /** Makes a committed snapshot whose layers are those of the parents, one parent upon the other, lowest first. */
  merge(name: string, parents: readonly string[], options?: SnapshotOptions): Promise<void>;
  /** How to see an existing snapshot; a committed one only to read. */
  mounts(keyOrName: string): Promise<MountSpec>;
  stat(keyOrName: string): SnapshotInfo | undefined;
  usage(keyOrName: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<SnapshotUsage>;
  /** Removes a snapshot that is nobody's parent. */
  remove(keyOrName: string): Promise<void>;
  /** Every snapshot, parents before children. */
  walk(): Iterable<SnapshotInfo>;
  /**
   * The directory with just the changes of this snapshot in overlayfs's format: 0:0 devices for what is gone,
   * `trusted.overlay.opaque` = "y" on directories that hide those below. Undefined if there is no such directory: other
   * drivers, merges, views.
   */
  upperDir(keyOrName: string): string | undefined;
}
