import { Limits, VarveError } from "../core/index.ts";
import type { SnapshotKind } from "./snapshotter.ts";

/** A snapshot as far as the order of layers goes. */
export interface Stacked {
  readonly id: number;
  readonly kind: SnapshotKind;
  /** Lowest first. */
  readonly parents: readonly string[];
  /** True for a merge: it changes nothing itself. */
  readonly merged: boolean;
}

/**
 * The committed layers of a snapshot, its own included, top first, each once. A layer that occurs several times counts where
 * it is highest: what a lower occurrence adds, the highest one adds again.
 */
export function layersOf<T extends Stacked>(top: T, find: (name: string) => T): T[] {
  const layers: T[] = [];
  const seen = new Set<number>();
  const stack: T[] = [top];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (seen.has(next.id)) continue;
    seen.add(next.id);
    if (next.kind === "committed" && !next.merged) layers.push(next);
    // The highest parent is visited first, with all that is below it.
    stack.push(...next.parents.map(find));
  }
  return layers;
}

/** Throws `limit-exceeded` if overlayfs cannot stack so many. */
export function checkDepth(count: number, doing: string): void {
  if (count <= Limits.layers) return;
  throw new VarveError("limit-exceeded", `Cannot ${doing}: it has ${count} layers, more than ${Limits.layers}`, {
    details: { layers: count, limit: Limits.layers },
  });
}
