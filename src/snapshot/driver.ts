import type { MountSpec, SnapshotKind } from "./snapshotter.ts";

/** A snapshot with the layers it stands on. */
export interface Stack {
  readonly kind: SnapshotKind;
  readonly volatile: boolean;
  /** Its own directory; undefined for a view or a merge that needs none. */
  readonly own: string | undefined;
  /** The directories of the layers below it, top first; of the parent alone if the driver's parents are whole trees. */
  readonly below: readonly string[];
}

/** What one snapshot changed, as the directories of the tree it started from (if any) and of itself. */
export interface Step {
  readonly before: string | undefined;
  readonly after: string;
}

/** How a driver keeps trees in directories. It knows no names and no rows. */
export interface Driver {
  readonly name: "overlay" | "copy";
  /** Whether a snapshot of this kind has a directory. */
  owns(kind: "active" | "view" | "merge"): boolean;
  /** Fills the new, empty directory `own` of an active snapshot on top of `below`. */
  create(own: string, below: readonly string[], signal: AbortSignal | undefined): Promise<void>;
  /** Fills the new, empty directory `own` with the steps done one after the other. Only if it owns merges. */
  merge(own: string, steps: readonly Step[], signal: AbortSignal | undefined): Promise<void>;
  /** How to see it. `empty` is a directory with nothing in it. */
  spec(stack: Stack, empty: string): MountSpec;
  /** Throws `busy` if this process has the snapshot mounted to change it. */
  checkIdle(own: string, doing: string): void;
  /** Throws `busy` if the directory is mounted, else makes it fit to be a parent and puts it on disk. */
  seal(own: string, doing: string): Promise<void>;
  /** The directory with the snapshot's own changes in overlayfs's format, if there is one. */
  upper(own: string): string | undefined;
  /** The directory whose content is the snapshot's own. */
  tree(own: string): string;
}
