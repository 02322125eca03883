import type { CollectedSnapshots } from "../content/index.ts";

/** How to mount the tree of a snapshot: one directory, or directories stacked by overlayfs. Plain data. */
export type MountSpec =
  | { readonly kind: "bind"; readonly source: string; readonly readonly: boolean }
  | {
      readonly kind: "overlay";
      /** Lower directories, topmost first. At least one with `upper`, at least two without. */
      readonly lower: readonly string[];
      /** Directory for changes. Undefined for a read-only tree. */
      readonly upper?: string | undefined;
      readonly work?: string | undefined;
      /** Mount without syncs. The tree is lost if the machine crashes. */
      readonly volatile?: boolean | undefined;
      /** See `OverlayOptions.userXattr` of `linux/`. */
      readonly userXattr?: boolean | undefined;
    };

export type SnapshotKind =
  /** A writable tree. It has a key. */
  | "active"
  /** A read-only view of a committed snapshot. It has a key. */
  | "view"
  /** A tree that never changes again. It has a name. */
  | "committed";

export interface SnapshotInfo {
  /** The name of a committed snapshot, the key of any other. */
  readonly name: string;
  /** The parents, lowest first: none on scratch, several for a merge, otherwise one. */
  readonly parents: readonly string[];
  readonly kind: SnapshotKind;
  /** How many earlier versions of its layer are below the snapshot: its parent, the parent of that, and so on. Usually 0. */
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** The disk usage of a snapshot without its parents. Files with several names (hard links) count once. */
export interface SnapshotUsage {
  /** Size of the allocated blocks in bytes. */
  readonly bytes: number;
  readonly inodes: number;
}

/** The part of a lease that snapshots need. `add` is called in the transaction that inserts the row of a snapshot. */
export interface SnapshotLease {
  add(kind: "snapshot", id: string): void;
}

export interface SnapshotOptions {
  readonly lease?: SnapshotLease | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PrepareOptions extends SnapshotOptions {
  /**
   * Whether the tree must survive a crash of the machine before it is committed, as a cache mount must. With the default,
   * false, overlays are mounted without syncs, which is faster.
   */
  readonly durable?: boolean | undefined;
  /**
   * Whether the snapshot is a new version of the parent's layer, and not a layer on top of it. Its own directory has only what differs
   * from the parent. The default is false.
   */
  readonly revises?: boolean | undefined;
}

/**
 * Stores directory trees on top of each other.
 *
 * The life of a tree: `prepare(key)` creates an active snapshot on top of a committed one. The caller mounts it and changes it.
 * `commit(name, key)` turns it into a committed snapshot, which never changes again and may be a parent; the key does not exist
 * any more. Or `remove(key)` discards it. Keys and names share one namespace. Active snapshots and views have keys; committed
 * snapshots have names.
 *
 * Several processes may call all methods at the same time. A test suite, `testing/contracts/snapshotter.ts`, checks this
 * contract.
 *
 * @throws {VarveError} `not-found`; `already-exists`; `busy` for a snapshot that is mounted or has children; `invalid-argument`
 * for a parent that is not committed, and for the commit of a snapshot that is not active; `storage`; `cancelled`
 */
export interface Snapshotter extends CollectedSnapshots {
  /** Whether a merge stacks the parents when it is mounted. Then the parents must keep their whiteouts, which hide files. */
  readonly stacksMerges: boolean;
  /** Whether the directories of `upperDir` have overlayfs's attributes as `user.overlay.*`, and not as `trusted.overlay.*`. */
  readonly userXattr: boolean;
  /** Creates an active snapshot: a writable tree that starts as the parent's tree, or as an empty directory (mode 0755). */
  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<MountSpec>;
  /** Creates a view: a key that keeps the parent alive and under which the parent's tree can be mounted read-only. */
  view(key: string, parent: string | undefined, options?: SnapshotOptions): Promise<MountSpec>;
  /**
   * Commits an active snapshot, which must not be mounted. Its tree is on disk after `flush`, or about a second later. If the machine
   * crashes before that, the snapshot does not exist any more when the snapshots are opened again, nor what is on top of it.
   */
  commit(name: string, key: string, options?: SnapshotOptions): Promise<void>;
  /** Waits until all snapshots that were committed before the call are on disk. @throws {VarveError} `storage` */
  flush(): Promise<void>;
  /** Creates a committed snapshot with the layers of all parents, lowest parent first. */
  merge(name: string, parents: readonly string[], options?: SnapshotOptions): Promise<void>;
  /**
   * Creates a committed snapshot with the layer of one snapshot on top of another one. `layer` is a committed snapshot that is neither a
   * merge nor a new version; its files are shared. A layer that a caller moves must fit: it changes nothing that the two lower trees do not
   * have in common. @throws {VarveError} `unsupported` if snapshots are not stacked, or for another kind of layer
   */
  move(name: string, layer: string, parent: string | undefined, options?: SnapshotOptions): void;
  /** Returns how to mount a snapshot. Committed snapshots and views are read-only. */
  mounts(keyOrName: string): Promise<MountSpec>;
  /** Returns a snapshot, or undefined if it does not exist. */
  stat(keyOrName: string): SnapshotInfo | undefined;
  /** Returns the disk usage of a snapshot. The usage of a committed snapshot is measured once and stored. */
  usage(keyOrName: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<SnapshotUsage>;
  /** Removes a snapshot that is not the parent of another one. */
  remove(keyOrName: string): Promise<void>;
  /** Returns all snapshots, parents before children. */
  walk(): Iterable<SnapshotInfo>;
  /**
   * Returns the directory with only the changes of this snapshot, in overlayfs's format: a 0:0 device is a deleted file, and a
   * directory with the attribute `overlay.opaque` = "y" (see `userXattr`) hides the one below. Undefined for merges and views, and for drivers that
   * have no such directory.
   */
  upperDir(keyOrName: string): string | undefined;
  /**
   * Returns the directories with the changes of this snapshot's layer, topmost first: that of `upperDir` and, if the snapshot revises
   * its parent, those of the parent's layer. Together they show the layer. Undefined where `upperDir` is.
   */
  upperDirs(keyOrName: string): readonly string[] | undefined;
}
