import { createHash } from "node:crypto";
import { digestOf, type Digest } from "../core/index.ts";
import { byteStringOf, type ByteString } from "../linux/index.ts";
import { basePath } from "../pattern/index.ts";
import { textOf } from "./bytes.ts";
import { recursiveDigest, walkNodes } from "./directory.ts";
import { hashNodes } from "./hash-nodes.ts";
import { listSelected, type Listed } from "./listing.ts";
import { missingPath } from "./missing.ts";
import { resolvePlace } from "./resolve.ts";
import type { ContentSelector, Tree } from "./types.ts";

export interface ChecksumOptions {
  readonly signal?: AbortSignal | undefined;
}

const EMPTY_DIGEST = digestOf("");

async function plainChecksum(tree: Tree, path: ByteString, follow: boolean, signal?: AbortSignal): Promise<Digest> {
  const { node } = resolvePlace(tree, path, follow);
  if (node === undefined) throw missingPath(textOf(path));
  await hashNodes(walkNodes(node), signal);
  return recursiveDigest(node);
}

async function listedDigest(tree: Tree, listed: Listed, signal?: AbortSignal): Promise<Digest> {
  if (listed.follow && listed.node.kind === "symlink") return await plainChecksum(tree, listed.path, true, signal);
  if (listed.node.digest === undefined) await listed.node.hash(signal);
  return listed.node.digest ?? EMPTY_DIGEST;
}

async function listChecksum(tree: Tree, selector: ContentSelector, signal?: AbortSignal): Promise<Digest> {
  const { prefix, entries } = listSelected(tree, selector);
  const [first] = entries;
  if (first === undefined) return EMPTY_DIGEST;
  await hashNodes(
    entries.map(({ node }) => node),
    signal,
  );
  if (entries.length === 1 && basePath(byteStringOf(selector.path)) === basePath(first.path))
    return await listedDigest(tree, first, signal);
  const hash = createHash("sha256");
  for (const listed of entries) {
    const digest = await listedDigest(tree, listed, signal);
    const key = listed.path.slice(prefix.length).replaceAll("/", "\0");
    hash.update(`${key === "" ? "\0" : key}${digest}`, "latin1");
  }
  return `sha256:${hash.digest("hex")}`;
}

/**
 * The content digest of what one selector covers, as BuildKit's content hash: the node's own for a plain path, that of a
 * list of paths and digests for a wildcard or patterns. Throws `not-found` for a plain path that leads nowhere.
 */
export async function selectorChecksum(
  tree: Tree,
  selector: ContentSelector,
  { signal }: ChecksumOptions = {},
): Promise<Digest> {
  if (tree.root === undefined) {
    if (selector.path === "/") return EMPTY_DIGEST;
    throw missingPath(selector.path);
  }
  const { wildcard, includePatterns, excludePatterns } = selector;
  if (wildcard || includePatterns.length > 0 || excludePatterns.length > 0)
    return await listChecksum(tree, selector, signal);
  return await plainChecksum(tree, byteStringOf(selector.path), selector.followLinks, signal);
}

/** The content key of a tree: the digest of the selectors' digests, joined by NUL in the order given. */
export async function checksum(
  tree: Tree,
  selectors: readonly ContentSelector[],
  options: ChecksumOptions = {},
): Promise<Digest> {
  const digests: Digest[] = [];
  for (const selector of selectors) digests.push(await selectorChecksum(tree, selector, options));
  return digestOf(digests.join("\0"));
}
