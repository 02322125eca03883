import type { MountSpec, SnapshotKind } from "./snapshotter.ts";

/** A snapshot and the layers below it. */
export type Stack =
  /** `own` is the directory of the snapshot. */
  | { readonly kind: "active"; readonly volatile: boolean; readonly own: string; readonly below: readonly string[] }
  | {
      readonly kind: Exclude<SnapshotKind, "active">;
      /** The directory of the snapshot. Undefined for a view, and for a merge that needs none. */
      readonly own: string | undefined;
      /** The directories of the layers below it, top first. For drivers that keep whole trees, only that of the parent. */
      readonly below: readonly string[];
    };

/** What one snapshot changed: the directories of its parent, if it has one, and of itself. */
export interface Step {
  readonly before: string | undefined;
  readonly after: string;
}

/**
 * `overlay` and `overlay-user` differ in the names of overlayfs's attributes, `trusted.overlay.*` and `user.overlay.*`: neither reads
 * the directories of the other one. In user namespaces, only `overlay-user` works.
 */
export type DriverName = "overlay" | "overlay-user" | "copy";

/** How trees are stored in directories. A driver knows nothing of names and of the database. */
export interface Driver {
  readonly name: DriverName;
  /** Returns whether a snapshot of this kind has a directory. */
  owns(kind: "active" | "view" | "merge"): boolean;
  /** Fills the new, empty directory `own` of an active snapshot on top of `below`. */
  create(own: string, below: readonly string[], signal: AbortSignal | undefined): Promise<void>;
  /** Applies `steps` one after the other to the new, empty directory `own`. Called only if merges have a directory. */
  merge(own: string, steps: readonly Step[], signal: AbortSignal | undefined): Promise<void>;
  /** Returns how to mount a snapshot. `empty` is an empty directory. */
  spec(stack: Stack, empty: string): MountSpec;
  /** Throws `busy` if the snapshot is mounted writable by this process. */
  checkIdle(own: string, doing: string): void;
  /** Checks that an active snapshot can become a parent. Throws `busy` if it is mounted. */
  seal(own: string, doing: string): void;
  /** Removes what a committed snapshot does not need any more. */
  settle(own: string): Promise<void>;
  /** Returns the directory with the snapshot's own changes in overlayfs's format, if there is one. */
  upper(own: string): string | undefined;
  /** Returns the directory with the snapshot's own files. */
  tree(own: string): string;
}
