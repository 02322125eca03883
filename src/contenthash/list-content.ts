import { digestOf, type Digest } from "../core/index.ts";
import { byteStringOf, type ByteString } from "../linux/index.ts";
import type { Header } from "./header.ts";
import { listSelected } from "./listing.ts";
import { resolvePath } from "./resolve.ts";
import type { ContentSelector, Tree, TreeNode } from "./types.ts";

/** An entry that a content key covers. */
export interface ContentEntry {
  /** The path in the tree, absolute: `/src/app.ts`. */
  readonly path: ByteString;
  readonly header: Header;
  /** The digest of the header and, for a regular file, the content. */
  readonly digest: Digest;
}

/** The digest of the root of a build context, which has no header. */
const NO_HEADER = digestOf("");

/**
 * Yields the entries that selectors cover, each once, after `checksum` was called with these selectors. A directory comes before what is
 * in it; names are in byte order.
 */
export function* listContent(tree: Tree, selectors: readonly ContentSelector[]): Generator<ContentEntry> {
  const seen = new Set<ByteString>();
  for (const selector of selectors)
    for (const [path, node] of covered(tree, selector)) {
      if (seen.has(path) || node.digest === undefined || node.digest === NO_HEADER) continue;
      seen.add(path);
      yield { path, header: node.header(), digest: node.digest };
    }
}

type Located = readonly [path: ByteString, node: TreeNode];

function* covered(tree: Tree, selector: ContentSelector): Generator<Located> {
  const { path, wildcard, followLinks, includePatterns, excludePatterns } = selector;
  if (tree.root === undefined) return;
  if (!wildcard && includePatterns.length === 0 && excludePatterns.length === 0) {
    yield* below(path === "/" ? "" : byteStringOf(path), resolvePath(tree, byteStringOf(path), followLinks).node);
    return;
  }
  for (const entry of listSelected(tree, selector).entries) {
    const isFollowed = entry.follow && entry.node.kind === "symlink";
    if (isFollowed) yield* below(entry.path, resolvePath(tree, entry.path, true).node);
    else yield [entry.path, entry.node];
  }
}

function* below(path: ByteString, node: TreeNode | undefined): Generator<Located> {
  if (node === undefined) return;
  yield [path === "" ? "/" : path, node];
  for (const [name, child] of node.entries()) yield* below(`${path}/${name}`, child);
}
