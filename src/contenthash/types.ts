import type { Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";

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
  /** Each must be a prefix of some included path, else the checksum fails with `not-found`. Heeded together with patterns or a wildcard. */
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

export type NodeKind = "file" | "directory" | "symlink" | "character-device" | "block-device" | "fifo" | "socket";

/** One entry of a tree that can be checksummed. A node does not change: a new state of the disk is a new tree. */
export interface TreeNode {
  readonly kind: NodeKind;
  /** Target of a symbolic link, else empty. */
  readonly linkname: ByteString;
  /** Digest of the header and, for a regular file, the content; of a directory the header alone. Undefined until `hash` has run. */
  readonly digest: Digest | undefined;
  /** Finds `digest` at once if the entry is small and unchanged; else returns false, and `hash` has to. */
  hashNow(): boolean;
  /** Finds `digest`. Throws if the entry is no longer what it was. */
  hash(signal?: AbortSignal): Promise<void>;
  /** What a directory holds, by name in byte order; nothing for anything else. */
  entries(): ReadonlyMap<ByteString, TreeNode>;
}

/** A directory tree. Undefined root: scratch, no filesystem at all. */
export interface Tree {
  readonly root: TreeNode | undefined;
}
