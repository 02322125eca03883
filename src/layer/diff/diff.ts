import type { Bytes } from "../../io/index.ts";
import { byteStringOf, type Path } from "../../linux/index.ts";
import { changes } from "./changes.ts";
import { type Difference, diffHere } from "../diff-here.ts";
import { isSmallTree } from "../small-tree.ts";
import { archiveChanges, type ArchiveOptions } from "./tree-archive.ts";
import { treeError } from "./tree-error.ts";
import { diffInThread } from "../worker/run-in-thread.ts";

export interface DiffTreesOptions {
  /** The tree below; absent for scratch. */
  readonly lower?: Path | undefined;
  readonly upper: Path;
  readonly signal?: AbortSignal | undefined;
}

export interface DiffOverlayOptions extends DiffTreesOptions {
  /** Must be a view of the overlay's lower directories, not just the topmost of them. */
  readonly lower?: Path | undefined;
  /** An overlay's upper directory, mounted without redirect_dir and metacopy (`unsupported` otherwise). */
  readonly upper: Path;
  /** The overlay was mounted with `userxattr`. */
  readonly userXattr?: boolean | undefined;
}

/** The layer that turns one whole tree into another: an uncompressed archive. */
export function diffTrees({ lower, upper, signal }: DiffTreesOptions): Bytes {
  return diff({ lower: lower && byteStringOf(lower), upper: byteStringOf(upper), overlay: undefined }, signal);
}

/**
 * The layer in an overlay's upper directory. Reads only what changed, and gives the bytes that `diffTrees` gives for the
 * mounted overlay.
 */
export function diffOverlay({ lower, upper, signal, userXattr = false }: DiffOverlayOptions): Bytes {
  const overlay = userXattr ? "user.overlay." : "trusted.overlay.";
  return diff({ lower: lower && byteStringOf(lower), upper: byteStringOf(upper), overlay }, signal);
}

/** Here if there is little to look at, else in a thread: walking trees blocks. */
async function* diff(difference: Difference, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (isLittle(difference)) yield* diffHere(difference, signal);
  else yield* diffInThread({ kind: "diff", ...difference }, signal);
}

function isLittle({ lower, upper, overlay }: Difference): boolean {
  try {
    return isSmallTree(upper) && (lower === undefined || overlay !== undefined || isSmallTree(lower));
  } catch (error) {
    throw treeError(error, "write a layer");
  }
}

export interface PackOptions extends ArchiveOptions {
  /** Extended attributes to keep: "capability" as in layers, "user" also `user.*`. "capability" if left out. */
  readonly xattrs?: "capability" | "user" | undefined;
}

/** A whole tree as an archive: sorted, hard links kept, sockets and the root itself left out. */
export function packTree(directory: Path, { xattrs = "capability", ...options }: PackOptions = {}): Bytes {
  const keepXattr = (name: string): boolean => name === "security.capability" || name.startsWith("user.");
  const all = changes(undefined, byteStringOf(directory), { kind: "tree" });
  return archiveChanges(all, directory, xattrs === "user" ? { keepXattr, ...options } : options);
}
