import type { PathFilter } from "../pattern/index.ts";

/** A tree that is copied from, and never changed. */
export interface SourceTree {
  readonly path: string;
  /** What of the tree is there; all of it if absent. A directory that it leaves out is there if something below it is. */
  readonly filter?: PathFilter | undefined;
  /** The owner of everything in it, whatever the disk says: a build context belongs to root. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}
