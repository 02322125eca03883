import { Limits, VarveError } from "../core/index.ts";
import type { SnapshotKind } from "./snapshotter.ts";

/** The fields of a snapshot that determine the order of its layers. */
export interface Stacked {
  readonly id: number;
  readonly kind: SnapshotKind;
  /** Lowest first. */
  readonly parents: readonly string[];
  /** The snapshot is a merge, which has no files of its own. */
  readonly merged: boolean;
  /** The snapshot has the layer of its last parent, without what is below that, on top of its first parent. */
  readonly moved: boolean;
}

/**
 * Returns the committed layers of a snapshot, including its own, topmost first. A layer that occurs several times is listed only
 * at its highest position. This does not change the tree: the highest occurrence adds again what the lower ones add.
 */
export function layersOf<T extends Stacked>(top: T, find: (name: string) => T): T[] {
  const layers: T[] = [];
  const visited = new Set<number>();
  const stack: T[] = [top];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (visited.has(next.id)) continue;
    visited.add(next.id);
    const parents = next.parents.map(find);
    const layer = next.moved ? parents.pop() : next;
    if (layer?.kind === "committed" && !layer.merged && (layer === next || !visited.has(layer.id))) layers.push(layer);
    if (layer !== undefined) visited.add(layer.id);
    // The highest parent is last on the stack, so it is visited first, with everything below it.
    stack.push(...parents);
  }
  return layers;
}

/** Throws `limit-exceeded` if overlayfs cannot stack this many layers. */
export function checkDepth(count: number, doing: string): void {
  if (count <= Limits.layers) return;
  throw new VarveError("limit-exceeded", `Cannot ${doing}: it has ${count} layers, more than ${Limits.layers}`, {
    details: { layers: count, limit: Limits.layers },
  });
}
