import type { Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { Header, NodeKind } from "./header.ts";

/**
 * The part of a tree that a content key covers: one path, a path with a wildcard, or what include and exclude patterns select
 * below a path. The fields have the names of BuildKit's content hash.
 */
export interface ContentSelector {
  /** The path in the tree: absolute, clean, with slashes. */
  readonly path: string;
  /** `path` is a pattern of Go's `path.Match`. */
  readonly wildcard: boolean;
  /** Follow a symbolic link that is the last element of `path`, or that the wildcard matches directly. */
  readonly followLinks: boolean;
  /** Patterns in the syntax of ignore files, relative to `path` or to each match of the wildcard. */
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  /** Each must be a prefix of an included path, or the checksum fails with `not-found`. Ignored for a plain path. */
  readonly requiredPaths: readonly string[];
}

/** Selects the whole tree. */
export const wholeTree: ContentSelector = {
  path: "/",
  wildcard: false,
  followLinks: false,
  includePatterns: [],
  excludePatterns: [],
  requiredPaths: [],
};

/** An entry of a tree. A node describes one state of the disk; a new scan creates new nodes. */
export interface TreeNode {
  readonly kind: NodeKind;
  /** The target of a symbolic link. Empty for other types. */
  readonly linkname: ByteString;
  /** The digest of the header and, for a regular file, the content. Undefined until the node was hashed. */
  readonly digest: Digest | undefined;
  /** Returns the metadata that `digest` covers. */
  header(): Header;
  /** Computes `digest` synchronously if the entry is small and unchanged. Returns false if `hash` must be used instead. */
  hashSync(): boolean;
  /** Computes `digest`. Throws if the entry cannot be read or changes while it is read. */
  hash(signal?: AbortSignal): Promise<void>;
  /** The entries of a directory, by name in byte order. Empty for other types. */
  entries(): ReadonlyMap<ByteString, TreeNode>;
}

/** A directory tree. Without a root, it is scratch: no filesystem at all. */
export interface Tree {
  readonly root: TreeNode | undefined;
}
