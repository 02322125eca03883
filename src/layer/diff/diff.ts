import type { Bytes } from "../../io/index.ts";
import { byteStringOf, type Path } from "../../linux/index.ts";
import { changes } from "./changes.ts";
import { type DiffJob, runDiffJob } from "../diff-job.ts";
import { isSmallTree } from "../small-tree.ts";
import { archiveChanges, type ArchiveOptions } from "./tree-archive.ts";
import { treeError } from "./tree-error.ts";
import { directoryUpper } from "./upper.ts";
import { diffInThread } from "../worker/run-in-thread.ts";

export interface DiffTreesOptions {
  /** The tree to compare with. The default is an empty tree. */
  readonly lower?: Path | undefined;
  readonly upper: Path;
  readonly signal?: AbortSignal | undefined;
}

export interface DiffOverlayOptions extends DiffTreesOptions {
  /** A mount of all lower directories of the overlay, not only the topmost one. */
  readonly lower?: Path | undefined;
  /** The upper directory of an overlay that was mounted without redirect_dir and metacopy. */
  readonly upper: Path;
  /** The upper directories of earlier versions of the layer, topmost first, if `upper` was written on top of them. */
  readonly revises?: readonly Path[] | undefined;
  /** The overlay was mounted with `userxattr`. The default is false. */
  readonly userXattr?: boolean | undefined;
}

/**
 * Compares two complete trees. Returns the layer that turns `lower` into `upper`, as an uncompressed archive.
 *
 * @throws {VarveError} `busy` if a file changes while it is read; `unsupported` for lack of privileges; `limit-exceeded` for
 * paths longer than PATH_MAX; `cancelled`
 *
 * @example
 * const tar = diffTrees({ lower: "/tmp/before", upper: "/tmp/after" });
 */
export function diffTrees({ lower, upper, signal }: DiffTreesOptions): Bytes {
  const trees = { lower: lower && byteStringOf(lower), upper: byteStringOf(upper) };
  return diff({ kind: "diff", ...trees, overlay: undefined }, signal);
}

/**
 * Returns the layer in the upper directory of an overlay, as an uncompressed archive. Reads only what changed. The bytes are
 * those that `diffTrees` returns for the mounted overlay.
 *
 * @throws {VarveError} the errors of `diffTrees`; `unsupported` if the overlay was mounted with redirect_dir or metacopy
 */
export function diffOverlay({ lower, upper, revises = [], signal, userXattr = false }: DiffOverlayOptions): Bytes {
  const trees = { lower: lower && byteStringOf(lower), upper: byteStringOf(upper) };
  const overlay = userXattr ? "user.overlay." : "trusted.overlay.";
  return diff({ kind: "diff", ...trees, revises: revises.map(byteStringOf), overlay }, signal);
}

/** Compares small trees in the current thread and large ones in another, because reading trees blocks a thread. */
async function* diff(job: DiffJob, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (isSmallJob(job)) yield* runDiffJob(job, signal);
  else yield* diffInThread(job, signal);
}

function isSmallJob({ lower, upper, revises = [], overlay }: DiffJob): boolean {
  try {
    return (
      [upper, ...revises].every(isSmallTree) && (lower === undefined || overlay !== undefined || isSmallTree(lower))
    );
  } catch (error) {
    throw treeError(error, "write a layer");
  }
}

export interface PackOptions extends ArchiveOptions {
  /** Extended attributes to keep: "capability", as in layers, or "user", which adds `user.*`. Default "capability". */
  readonly xattrs?: "capability" | "user" | undefined;
}

/**
 * Returns a whole tree as an uncompressed archive: sorted, with hard links, without sockets and without the root itself. Runs in
 * the current thread.
 * @throws {VarveError} the errors of `diffTrees`
 */
export function packTree(directory: Path, { xattrs = "capability", ...options }: PackOptions = {}): Bytes {
  const keepXattr = (name: string): boolean => name === "security.capability" || name.startsWith("user.");
  const tree = directoryUpper(directory, { kind: "tree" });
  return archiveChanges(changes(undefined, tree), tree, xattrs === "user" ? { keepXattr, ...options } : options);
}
