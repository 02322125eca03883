import type { PathFilter } from "../pattern/index.ts";

/** A tree to copy from. It is never changed. */
export interface SourceTree {
  readonly path: string;
  /** The entries that are visible; all if absent. An excluded directory is visible if something below it is. */
  readonly filter?: PathFilter | undefined;
  /** Overrides the owner of every entry: entries of a build context belong to root. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Overrides the permission bits of every entry. It gets the mode with the type of the entry. */
  readonly modes?: ((mode: number) => number) | undefined;
}
