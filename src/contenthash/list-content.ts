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
 * Returns the entries that selectors cover, each once, after `checksum` was called with these selectors. A directory comes before what is
 * in it; names are in byte order.
 */
export function listContent(tree: Tree, selectors: readonly ContentSelector[]): ContentEntry[] {
  const found = new Found(selectors.length === 1 && selectors.every(isPlain));
  if (tree.root !== undefined) for (const selector of selectors) cover(tree, selector, found);
  return found.entries;
}

class Found {
  readonly entries: ContentEntry[] = [];
  readonly #isOnePath: boolean;
  readonly #paths = new Set<ByteString>();

  /** `isOnePath`: all entries are below one path, so that each comes once. */
  constructor(isOnePath: boolean) {
    this.#isOnePath = isOnePath;
  }

  add(path: ByteString, node: TreeNode): void {
    const { digest } = node;
    if (digest === undefined || digest === NO_HEADER) return;
    if (!this.#isOnePath) {
      if (this.#paths.has(path)) return;
      this.#paths.add(path);
    }
    this.entries.push({ path, header: node.header(), digest });
  }

  addBelow(path: ByteString, node: TreeNode | undefined): void {
    if (node === undefined) return;
    this.add(path === "" ? "/" : path, node);
    if (node.kind === "directory") for (const [name, child] of node.entries()) this.addBelow(`${path}/${name}`, child);
  }
}

/** True for a selector of one path with all that is below. */
function isPlain({ wildcard, includePatterns, excludePatterns }: ContentSelector): boolean {
  return !wildcard && includePatterns.length === 0 && excludePatterns.length === 0;
}

function cover(tree: Tree, selector: ContentSelector, found: Found): void {
  const { path, followLinks } = selector;
  if (isPlain(selector)) {
    const start = byteStringOf(path);
    found.addBelow(path === "/" ? "" : start, resolvePath(tree, start, followLinks).node);
    return;
  }
  for (const entry of listSelected(tree, selector).entries) {
    const isFollowed = entry.follow && entry.node.kind === "symlink";
    if (isFollowed) found.addBelow(entry.path, resolvePath(tree, entry.path, true).node);
    else found.add(entry.path, entry.node);
  }
}
