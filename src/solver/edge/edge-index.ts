import type { EdgeNode, EdgesByKey } from "./nodes.ts";

/** The active edges by the record digests of their keys. It finds edges whose cache keys turn out to be equal. */
export class EdgeIndex<R> implements EdgesByKey<R> {
  readonly #edges = new Map<string, Set<EdgeNode<R>>>();

  /** Adds an edge under every key it has. */
  add(edge: EdgeNode<R>): void {
    for (const { record } of edge.keys) {
      const set = this.#edges.get(record) ?? new Set();
      this.#edges.set(record, set.add(edge));
    }
  }

  remove(edge: EdgeNode<R>): void {
    for (const { record } of edge.keys) {
      const set = this.#edges.get(record);
      set?.delete(edge);
      if (set?.size === 0) this.#edges.delete(record);
    }
  }

  /**
   * Returns another edge with the same key that `edge` can be merged into. An edge that ignores the cache is not merged into
   * one that uses it, and neither edge may depend on the other.
   */
  findMergeTarget(edge: EdgeNode<R>): EdgeNode<R> | undefined {
    for (const { record } of edge.keys)
      for (const other of this.#edges.get(record) ?? []) {
        const isCandidate = other !== edge && other.state.kind !== "merged" && other.state.kind !== "failed";
        if (
          isCandidate &&
          (other.isIgnored || !edge.isIgnored) &&
          sameInputs(edge, other) &&
          areIndependent(edge, other)
        )
          return other;
      }
    return undefined;
  }
}

function sameInputs<R>(a: EdgeNode<R>, b: EdgeNode<R>): boolean {
  return a.inputs.every((input, index) => {
    const other = b.inputs[index];
    return other !== undefined && !input.identities().isDisjointFrom(other.identities());
  });
}

function areIndependent<R>(a: EdgeNode<R>, b: EdgeNode<R>): boolean {
  return !dependsOn(a, b) && !dependsOn(b, a);
}

/** True if `edge` waits for `on`, directly or not. Merged edges are followed. */
function dependsOn<R>(edge: EdgeNode<R>, on: EdgeNode<R>): boolean {
  const visited = new Set([edge]);
  for (const dependency of visited) {
    if (dependency === on) return true;
    for (const input of dependency.inputs) visited.add(input.edge);
  }
  return false;
}
