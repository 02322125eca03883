import { type Digest, throwIfAborted } from "../core/index.ts";
import { type Bytes, peek } from "../io/index.ts";
import { byteStringOf, type Path } from "../linux/index.ts";
import { type Application, applyHere } from "./apply-here.ts";
import { SMALL_BYTES } from "./small-tree.ts";
import { treeError } from "./diff/tree-error.ts";
import type { Unpacked } from "./unpack/unpack.ts";
import { applyInThread } from "./worker/run-in-thread.ts";

/** As `SMALL_BYTES`, of bytes that may be compressed. */
const SMALL_BLOB = 1_048_576;

export interface ApplyLayerOptions {
  /**
   * "plain": the directory holds the whole tree below the layer, and deletions remove from it. "overlay": it is an overlay's
   * empty upper directory, and deletions become whiteout devices and opaque directories.
   */
  readonly format: "overlay" | "plain";
  /**
   * For "overlay": where what is below is mounted. Without it a hard link to a file of another layer is `corrupt`, parent
   * directories that the layer does not list get mode 0755, and links that stand for directories below are not followed.
   */
  readonly lowerView?: Path | undefined;
  /** For "overlay": the overlay will be mounted with `userxattr`. */
  readonly userXattr?: boolean | undefined;
  /** Set owners as the archive says, which takes CAP_CHOWN; true if left out. */
  readonly chown?: boolean | undefined;
  /**
   * The bytes are a layer's blob, compressed or not, whose archive has this digest: `corrupt` if it has not. Undefined: they are
   * the archive itself.
   */
  readonly diffId?: Digest | undefined;
  /** What the layer is called in messages. */
  readonly what?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks a layer, its archive or its blob, into a directory. Whatever the archive says, nothing outside the directory is
 * touched: the kernel resolves all paths in it. Deletions concern what is below the layer, wherever they stand in the archive.
 * Times of directories are set last. `trusted.*` attributes and those of overlayfs are left out. The stream is read to its
 * end, at most `Limits.layerUnpacked` bytes. After a failure the directory holds a part of the layer.
 */
export async function applyLayer(layer: Bytes, directory: Path, options: ApplyLayerOptions): Promise<Unpacked> {
  const { format, lowerView, userXattr = false, chown = true, diffId, what = "the layer", signal } = options;
  const below = lowerView === undefined ? undefined : byteStringOf(lowerView);
  const to: Application = {
    directory: byteStringOf(directory),
    format,
    lowerView: below,
    userXattr,
    chown,
    diffId,
    what,
  };
  try {
    throwIfAborted(signal, `unpack ${what}`);
    const small = diffId === undefined ? SMALL_BYTES : SMALL_BLOB;
    const { head, bytes } = await peek(layer, small);
    // Into a whole tree even a small layer may be long in coming: it may delete any number of files.
    const isShort = head.length < small && format === "overlay";
    return await (isShort ? applyHere(bytes, to, signal) : applyInThread(bytes, { kind: "apply", ...to }, signal));
  } catch (error) {
    throw treeError(error, `unpack ${what}`);
  }
}
