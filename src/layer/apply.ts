import { type Digest, throwIfAborted } from "../core/index.ts";
import { type Bytes, peek } from "../io/index.ts";
import { byteStringOf, type Path } from "../linux/index.ts";
import { type ApplyJob, runApplyJob } from "./apply-job.ts";
import { SMALL_BYTES } from "./small-tree.ts";
import { treeError } from "./diff/tree-error.ts";
import type { Unpacked } from "./unpack/unpack.ts";
import { applyInThread } from "./worker/run-in-thread.ts";

/** Like `SMALL_BYTES`, for bytes that may be compressed. */
const SMALL_BLOB = 1_048_576;

export interface ApplyLayerOptions {
  /**
   * What the directory is. "plain": it contains the whole tree below the layer, and whiteouts delete files from it. "overlay":
   * it is the empty upper directory of an overlay, and whiteouts become overlayfs's whiteout devices and opaque directories.
   */
  readonly format: "overlay" | "plain";
  /**
   * For "overlay": the mount point of the tree below. Without it, a hard link to a file of a lower layer is an error
   * (`corrupt`), missing parent directories get mode 0755, and symbolic links to directories of lower layers are not followed.
   */
  readonly lowerView?: Path | undefined;
  /** For "overlay": the overlay will be mounted with `userxattr`. The default is false. */
  readonly userXattr?: boolean | undefined;
  /** Set the owners that the archive contains. This needs CAP_CHOWN. The default is true. */
  readonly chown?: boolean | undefined;
  /**
   * Expected digest of the archive. If given, the bytes are a blob, which is decompressed if necessary; another digest is
   * `corrupt`. If not given, the bytes are the uncompressed archive.
   */
  readonly diffId?: Digest | undefined;
  /** Name of the layer in error messages. */
  readonly what?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks a layer into a directory. The kernel resolves all paths inside the directory, so an archive cannot change anything
 * outside it. Whiteouts apply to the tree below the layer, wherever they are in the archive. `trusted.*` attributes and
 * overlayfs's own attributes are skipped. After a failure, the directory contains a part of the layer.
 *
 * @returns the size of the unpacked files, and the devices that could not be created
 * @throws {VarveError} `corrupt` for a damaged archive or a wrong digest; `limit-exceeded` past `Limits.layerUnpacked` bytes;
 * `unsupported` for entries or compressions that Varve cannot read, or for lack of privileges; `cancelled`
 *
 * @example
 * await applyLayer(createReadStream("layer.tar.gz"), "/tmp/tree", { format: "plain", diffId: "sha256:…" });
 */
export async function applyLayer(layer: Bytes, directory: Path, options: ApplyLayerOptions): Promise<Unpacked> {
  const { format, lowerView, userXattr = false, chown = true, diffId, what = "the layer", signal } = options;
  const below = lowerView === undefined ? undefined : byteStringOf(lowerView);
  const job: ApplyJob = {
    kind: "apply",
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
    // In a whole tree even a small layer may take long, because it may delete any number of files.
    const isFast = head.length < small && format === "overlay";
    return await (isFast ? runApplyJob(bytes, job, signal) : applyInThread(bytes, job, signal));
  } catch (error) {
    throw treeError(error, `unpack ${what}`);
  }
}
