import { digestOf, VarveError, type Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { TreeNode } from "./types.ts";

/** Digests of whole directories, kept as long as their nodes. */
const known = new WeakMap<TreeNode, Digest>();

function ownDigest(node: TreeNode): Digest {
  if (node.digest === undefined)
    throw new VarveError("internal", "Cannot checksum a directory: an entry has not been hashed");
  return node.digest;
}

/**
 * The digest of an entry with all below it; every node has to have been hashed. A directory's is made of its own header's
 * digest and of names and digests of its entries in byte order.
 */
export function recursiveDigest(node: TreeNode): Digest {
  if (node.kind !== "directory") return ownDigest(node);
  const kept = known.get(node);
  if (kept !== undefined) return kept;
  const parts = [`\0${ownDigest(node)}`];
  for (const [name, child] of node.entries()) addChild(parts, `\0${name}`, child);
  const digest = digestOf(Buffer.from(parts.join(""), "latin1"));
  known.set(node, digest);
  return digest;
}

/**
 * Adds one child. BuildKit passes over what lies below a child directory by seeking to the key that ends in byte 0xff, so
 * entries of that directory whose names begin with 0xff come up once more, as if they were children too.
 */
function addChild(parts: string[], key: ByteString, child: TreeNode): void {
  parts.push(key, recursiveDigest(child));
  if (child.kind !== "directory") return;
  for (const [name, below] of child.entries()) if (name >= "\xff") addChild(parts, `${key}\0${name}`, below);
}

/** A node and everything below it, parents first. */
export function walkNodes(node: TreeNode, nodes: TreeNode[] = []): TreeNode[] {
  nodes.push(node);
  for (const child of node.entries().values()) walkNodes(child, nodes);
  return nodes;
}
