import { VarveError } from "../../core/index.ts";
import { byteStringOf, type ByteString, type Path } from "../../linux/index.ts";
import { quoted } from "../tar/format.ts";
import { existing, namesIn, type TreeFile, xattrNames, xattrOf } from "./tree.ts";

/** The tree that has what a layer adds and changes. Paths are relative to its root, which is "". */
export interface UpperTree {
  /** Whether the root is complete: a name that it lacks was deleted. */
  readonly complete: boolean;
  /** Returns the names in a directory, sorted by their bytes. */
  names(path: ByteString): ByteString[];
  /** Returns a file, or undefined if there is none or it is a mark for a deleted one. */
  file(path: ByteString): TreeFile | undefined;
  /** Returns whether a file is a directory that is complete, as are all directories in it. */
  isOpaque(file: TreeFile): boolean;
}

/** What the upper directory is. */
export type UpperKind =
  /** A complete tree. A file of the lower tree that it lacks was deleted. */
  | { readonly kind: "tree" }
  /**
   * The upper directory of an overlay. A file that it lacks is unchanged, a 0:0 device marks a deletion, and an opaque directory
   * is complete. `prefix` is the prefix of overlayfs's attributes.
   */
  | { readonly kind: "overlay"; readonly prefix: "trusted.overlay." | "user.overlay." };

/**
 * Returns the upper tree in a directory. Its `isOpaque` throws `unsupported` if the overlay was mounted with redirect_dir or
 * metacopy.
 */
export function directoryUpper(directory: Path, kind: UpperKind): UpperTree {
  const root = byteStringOf(directory);
  return {
    complete: kind.kind === "tree",
    names: (path) => namesIn(path === "" ? root : `${root}/${path}`),
    file: (path) => existing(root, path, path),
    isOpaque: (file) => kind.kind === "overlay" && isOpaque(file, kind.prefix),
  };
}

/** Returns whether a file is an opaque directory. Throws `unsupported` if it lacks its own name or content. */
export function isOpaque(file: TreeFile, prefix: string): boolean {
  const names = xattrNames(file);
  if (names.length === 0) return false;
  for (const mark of ["redirect", "metacopy"]) {
    if (!names.includes(prefix + mark)) continue;
    throw new VarveError("unsupported", `Cannot diff ${quoted(file.path)}: the overlay was mounted with ${mark}`, {
      hint: "Mount overlays with redirect_dir=off and metacopy=off.",
    });
  }
  return (
    file.type === "directory" &&
    names.includes(`${prefix}opaque`) &&
    xattrOf(file, `${prefix}opaque`)?.toString() === "y"
  );
}
