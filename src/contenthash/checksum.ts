import { createHash } from "node:crypto";
import { digestOf, type Digest } from "../core/index.ts";
import { byteStringOf, type ByteString } from "../linux/index.ts";
import { basePath } from "../pattern/index.ts";
import { utf8Of } from "./bytes.ts";
import { recursiveDigest, walkNodes } from "./directory.ts";
import { hashNodes } from "./hash-nodes.ts";
import { listSelected, type SelectedEntry } from "./listing.ts";
import { pathNotFound } from "./path-not-found.ts";
import { resolvePath } from "./resolve.ts";
import type { ContentSelector, Tree } from "./types.ts";

export interface ChecksumOptions {
  readonly signal?: AbortSignal | undefined;
}

const EMPTY_DIGEST = digestOf("");

async function plainChecksum(tree: Tree, path: ByteString, follow: boolean, signal?: AbortSignal): Promise<Digest> {
  const { node } = resolvePath(tree, path, follow);
  if (node === undefined) throw pathNotFound(utf8Of(path));
  await hashNodes(walkNodes(node), signal);
  return recursiveDigest(node);
}

async function listedDigest(tree: Tree, listed: SelectedEntry, signal?: AbortSignal): Promise<Digest> {
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
 * Returns the content digest of what one selector covers, which is BuildKit's content hash. For a plain path it is the digest of
 * the entry; for a wildcard or patterns, the digest of a list of paths and their digests.
 * @throws {VarveError} `not-found` for a plain path or a required path that does not exist; `invalid-build` for a file that cannot
 * be read; `busy` for a file that changes while it is read; `cancelled`
 */
export async function selectorChecksum(
  tree: Tree,
  selector: ContentSelector,
  { signal }: ChecksumOptions = {},
): Promise<Digest> {
  if (tree.root === undefined) {
    if (selector.path === "/") return EMPTY_DIGEST;
    throw pathNotFound(selector.path);
  }
  const { wildcard, includePatterns, excludePatterns } = selector;
  if (wildcard || includePatterns.length > 0 || excludePatterns.length > 0)
    return await listChecksum(tree, selector, signal);
  return await plainChecksum(tree, byteStringOf(selector.path), selector.followLinks, signal);
}

/**
 * Returns the content key of a tree: the digest of the selectors' digests, joined by NUL in the given order.
 * @throws {VarveError} the errors of `selectorChecksum`
 *
 * @example
 * await checksum(snapshotTree("/mnt/tree"), [{ ...wholeTree, path: "/etc" }]); // "sha256:…"
 */
export async function checksum(
  tree: Tree,
  selectors: readonly ContentSelector[],
  options: ChecksumOptions = {},
): Promise<Digest> {
  const digests: Digest[] = [];
  for (const selector of selectors) digests.push(await selectorChecksum(tree, selector, options));
  return digestOf(digests.join("\0"));
}
