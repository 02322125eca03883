import type { Digest } from "../core/index.ts";

/**
 * Which part of a tree a content key covers: one path, one path with a wildcard, or what include and exclude patterns
 * leave below a path. The same words as BuildKit's content hash.
 */
export interface ContentSelector {
  /** Absolute slash path inside the tree, cleaned. */
  readonly path: string;
  /** `path` is a pattern in the sense of Go's `path.Match`. */
  readonly wildcard: boolean;
  /** A symbolic link that is the last element of `path`, or a top-level match, is replaced by its target. */
  readonly followLinks: boolean;
  /** Ignore-file patterns, relative to `path` or to each wildcard match. */
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  /** Each must be a prefix of some included path, else the checksum fails with `not-found`. */
  readonly requiredPaths: readonly string[];
}

/** The whole tree. */
export const wholeTree: ContentSelector = {
  path: "/",
  wildcard: false,
  followLinks: false,
  includePatterns: [],
  excludePatterns: [],
  requiredPaths: [],
};

/** A file name or slash path as bytes, one character (U+0000 to U+00FF) a byte: names need not be UTF-8, and byte order is string order. */
export type ByteString = string;

export type NodeKind = "file" | "directory" | "symlink" | "character-device" | "block-device" | "fifo" | "socket";

/** One entry of a tree, as far as its content checksum depends on it. */
export interface TreeNode {
  readonly kind: NodeKind;
  /** Target of a symbolic link, else empty. */
  readonly linkname: ByteString;
}

/**
 * A directory tree that can be checksummed. Paths are byte strings relative to the root, without a leading slash; `""` is
 * the root. Two implementations: `snapshotTree` (what is on disk is what counts) and a build context (owner cleared,
 * entries filtered, root without a header).
 */
export interface Tree {
  /** The entry at a path whose parents are real directories, or undefined. Never follows a link. */
  lookup(path: ByteString): TreeNode | undefined;
  /** Names in a directory in byte order. */
  children(path: ByteString): readonly ByteString[];
  /** Digest of an entry's header and, for a regular file, its content. For a directory the header alone. */
  digest(path: ByteString, signal?: AbortSignal): Promise<Digest>;
}
