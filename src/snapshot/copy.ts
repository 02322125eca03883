import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Driver } from "./driver.ts";
import { applyChanges, copyTree } from "./tree/index.ts";

const tree = (own: string): string => join(own, "fs");

/**
 * Keeps each snapshot as a whole tree, which starts as a copy of its parent's. Copies share blocks if the filesystem supports
 * it.
 */
export const copyDriver: Driver = {
  name: "copy",
  owns: (kind) => kind !== "view",
  upper: () => undefined,
  tree,
  checkIdle: () => undefined,

  async create(own, below, signal) {
    await makeRoot(own);
    const parent = below[0];
    if (parent !== undefined) await copyTree(tree(parent), tree(own), { signal });
  },

  /** Applies to the new tree what each snapshot changed in its parent's tree. */
  async merge(own, steps, signal) {
    await makeRoot(own);
    for (const { before, after } of steps) {
      const from = before === undefined ? undefined : tree(before);
      await applyChanges({ before: from, after: tree(after), target: tree(own), signal });
    }
  },

  spec({ kind, own, below }, empty) {
    const source = own ?? below[0];
    return { kind: "bind", source: source === undefined ? empty : tree(source), readonly: kind !== "active" };
  },

  seal: () => undefined,
  settle: () => Promise.resolve(),
};

async function makeRoot(own: string): Promise<void> {
  await mkdir(tree(own), { mode: 0o755 });
  await chmod(tree(own), 0o755);
}
