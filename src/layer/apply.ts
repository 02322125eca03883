import { Limits } from "../core/index.ts";
import { type Bytes, limited } from "../io/index.ts";
import type { Path } from "../linux/index.ts";
import { readTar } from "./tar-read.ts";
import { type Unpacked, unpack, type UnpackMode } from "./unpack.ts";

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
  readonly userXattr?: boolean;
  /** Set owners as the archive says, which takes CAP_CHOWN; true if left out. */
  readonly chown?: boolean;
  /** What the layer is called in messages. */
  readonly what?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks a layer's uncompressed archive into a directory. Whatever the archive says, nothing outside the directory is
 * touched: the kernel resolves all paths in it. Deletions concern what is below the layer, wherever they stand in the archive.
 * Times of directories are set last. `trusted.*` attributes and those of overlayfs are left out. The stream is read to its
 * end, at most `Limits.layerUnpacked` bytes. After a failure the directory holds a part of the layer.
 */
export async function applyLayer(tar: Bytes, directory: Path, options: ApplyLayerOptions): Promise<Unpacked> {
  const { what = "the layer", chown = true, signal } = options;
  const entries = readTar(limited(tar, Limits.layerUnpacked, { what }), { what });
  const ownership = chown ? "archive" : "process";
  return await unpack(entries, directory, { mode: modeOf(options), ownership, what, signal });
}

function modeOf({ format, lowerView, userXattr = false }: ApplyLayerOptions): UnpackMode {
  return format === "plain" ? { kind: "plain" } : { kind: "overlay", lower: lowerView, userXattr };
}
