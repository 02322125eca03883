import type { ByteString } from "../../linux/index.ts";
import type { OpenDirectory } from "./confined-tree.ts";

/**
 * Applies the whiteouts of a layer to the directory that it is unpacked into. Whiteouts apply to the tree below the layer, and
 * never to files of the layer itself, whatever the order of entries. All paths have their symbolic links resolved.
 */
export interface Whiteouts {
  /** Handles a whiteout: deletes an entry of `parent`. */
  remove(parent: OpenDirectory, name: ByteString): void;
  /** Handles an opaque whiteout: deletes all entries of `directory`. */
  clear(directory: OpenDirectory): void;
  /** Records that the layer itself contains a path, and hence the directories above it. */
  markUnpacked(path: ByteString): void;
  /** Records that a path was copied from the tree below, as the target of a hard link or as a symbolic link to a directory. */
  markCopiedUp(path: ByteString): void;
  /** Returns whether a whiteout seen so far hides a path of the tree below. */
  hides(path: ByteString): boolean;
  /** Returns whether a file of the directory came with the layer. */
  owns(path: ByteString): boolean;
  /** Completes the work after the last entry. Iterate over the result to its end; each step is short. */
  finish(): Iterable<void>;
}

export const OPAQUE = ".wh..wh..opq";

/** Returns whether `path` is one of `paths` or below one of them. */
export function isUnder(path: ByteString, paths: ReadonlySet<ByteString>): boolean {
  if (paths.size === 0) return false;
  for (let at: ByteString = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
    if (paths.has(at)) return true;
    if (at === "") return false;
  }
}

/** For archives that are not layers: they have no whiteouts. */
export const noWhiteouts: Whiteouts = {
  remove: () => undefined,
  clear: () => undefined,
  markUnpacked: () => undefined,
  markCopiedUp: () => undefined,
  hides: () => false,
  owns: () => true,
  finish: () => [],
};
