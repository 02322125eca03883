import { setImmediate as yieldToLoop } from "node:timers/promises";
import { throwIfAborted } from "../core/index.ts";
import type { TreeNode } from "./types.ts";

/** Files read at a time from a disk that is slow to answer. */
const LANES = 16;
/** How long others may have to wait, in ms. */
const SLICE = 10;
/** A small file that takes longer than this, in ms, was not in memory; after a few of them reads are made side by side. */
const SLOW = 2;
const MAX_SLOW = 4;

/** Hashes small files one after the other as long as that is fast, which it is if they are in memory. Returns the rest. */
async function hashFast(nodes: readonly TreeNode[], signal: AbortSignal | undefined): Promise<TreeNode[]> {
  const rest: TreeNode[] = [];
  let slow = 0;
  let before = performance.now();
  let yielded = before;
  for (const node of nodes) {
    if (slow >= MAX_SLOW || !node.hashNow()) {
      rest.push(node);
      continue;
    }
    const now = performance.now();
    if (now - before > SLOW) slow += 1;
    before = now;
    if (now - yielded < SLICE) continue;
    throwIfAborted(signal, "checksum files");
    await yieldToLoop();
    before = yielded = performance.now();
  }
  return rest;
}

/** Finds the digest of every node that has none yet. The first failure stops the others. */
export async function hashNodes(nodes: Iterable<TreeNode>, signal: AbortSignal | undefined): Promise<void> {
  const pending = new Set<TreeNode>();
  for (const node of nodes) if (node.digest === undefined) pending.add(node);
  if (pending.size === 0) return;
  throwIfAborted(signal, "checksum files");
  const rest = await hashFast([...pending], signal);
  const queue = rest.values();
  let failed = false;
  const lane = async (): Promise<void> => {
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
  const results = await Promise.allSettled(Array.from({ length: Math.min(LANES, rest.length) }, lane));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
