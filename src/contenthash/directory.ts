import { digestOf, VarveError, type Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { TreeNode } from "./types.ts";

/** The digests of whole directories. They live as long as their nodes. */
const directoryDigests = new WeakMap<TreeNode, Digest>();

function ownDigest(node: TreeNode): Digest {
  if (node.digest === undefined)
    throw new VarveError("internal", "Cannot checksum a directory: an entry has not been hashed");
  return node.digest;
}

/**
 * Returns the digest of an entry with everything below it. The digest of a directory covers the digest of its header, and the
 * names and digests of its entries in byte order. All nodes must have been hashed before.
 */
export function recursiveDigest(node: TreeNode): Digest {
  if (node.kind !== "directory") return ownDigest(node);
  const known = directoryDigests.get(node);
  if (known !== undefined) return known;
  const parts = [`\0${ownDigest(node)}`];
  for (const [name, child] of node.entries()) addChild(parts, `\0${name}`, child);
  const digest = digestOf(Buffer.from(parts.join(""), "latin1"));
  directoryDigests.set(node, digest);
  return digest;
}

/**
 * Adds one child. BuildKit skips the entries of a child directory by seeking to the key that ends in byte 0xff. Entries whose
 * names begin with 0xff come after that key, so BuildKit adds them again, as if they were children too.
 */
function addChild(parts: string[], key: ByteString, child: TreeNode): void {
  parts.push(key, recursiveDigest(child));
  if (child.kind !== "directory") return;
  for (const [name, below] of child.entries()) if (name >= "\xff") addChild(parts, `${key}\0${name}`, below);
}

/** Returns a node and all nodes below it, parents first. */
export function walkNodes(node: TreeNode, nodes: TreeNode[] = []): TreeNode[] {
  nodes.push(node);
  for (const child of node.entries().values()) walkNodes(child, nodes);
  return nodes;
}
