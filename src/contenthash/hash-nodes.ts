import { setImmediate as yieldToLoop } from "node:timers/promises";
import { throwIfAborted } from "../core/index.ts";
import type { TreeNode } from "./types.ts";

/** Number of files that are read in parallel from a slow disk. */
const CONCURRENCY = 16;
/** Milliseconds of work between two pauses that let other tasks run. */
const SLICE = 10;
/** A small file that takes longer than this was not in the page cache, or the process had no processor. Milliseconds. */
const SLOW = 2;
/** A small file that takes longer than this was not in a cache, also where the kernel counts no reads. Milliseconds. */
const VERY_SLOW = 50;
/** After this many slow files, the others are read in parallel. */
const MAX_SLOW = 4;

/** Hashes small files one after the other, as long as they are in the page cache. Returns the nodes that are left. */
async function hashSmallNodes(nodes: readonly TreeNode[], signal: AbortSignal | undefined): Promise<TreeNode[]> {
  const rest: TreeNode[] = [];
  let slow = 0;
  let before = performance.now();
  let yielded = before;
  let reads = process.resourceUsage().fsRead;
  for (const node of nodes) {
    if (slow >= MAX_SLOW || !node.hashSync()) {
      rest.push(node);
      continue;
    }
    const now = performance.now();
    if (now - before > SLOW) {
      const { fsRead } = process.resourceUsage();
      if (fsRead > reads || now - before > VERY_SLOW) slow += 1;
      reads = fsRead;
    }
    before = now;
    if (now - yielded < SLICE) continue;
    throwIfAborted(signal, "checksum files");
    await yieldToLoop();
    before = yielded = performance.now();
  }
  return rest;
}

/** Computes the digest of every node that has none. Stops at the first error. */
export async function hashNodes(nodes: Iterable<TreeNode>, signal: AbortSignal | undefined): Promise<void> {
  const pending = new Set<TreeNode>();
  for (const node of nodes) if (node.digest === undefined) pending.add(node);
  if (pending.size === 0) return;
  throwIfAborted(signal, "checksum files");
  const rest = await hashSmallNodes([...pending], signal);
  const queue = rest.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    try {
      for (const node of queue) {
        if (failed) return;
        throwIfAborted(signal, "checksum files");
        await node.hash(signal);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(CONCURRENCY, rest.length) }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
