import type { EdgeNode, EdgeRegister } from "./nodes.ts";

/** The edges at work, by the digest of their op, to find those whose cache keys turn out to be equal. */
export class EdgeIndex<R> implements EdgeRegister<R> {
  readonly #edges = new Map<string, Set<EdgeNode<R>>>();

  /** Enters an edge under every key it has. */
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
   * Another edge that has the same key and may stand for this one. An edge that ignores the cache is not replaced by one
   * that does not, and neither may depend on the other.
   */
  twinOf(edge: EdgeNode<R>): EdgeNode<R> | undefined {
    for (const { record } of edge.keys)
      for (const other of this.#edges.get(record) ?? []) {
        const isCandidate = other !== edge && other.state.kind !== "merged" && other.state.kind !== "failed";
        if (isCandidate && (other.isIgnored || !edge.isIgnored) && sameInputs(edge, other) && areApart(edge, other))
          return other;
      }
    return undefined;
  }
}

function sameInputs<R>(a: EdgeNode<R>, b: EdgeNode<R>): boolean {
  return a.inputs.every((input, index) => {
    const twin = b.inputs[index];
    return twin !== undefined && !input.identities().isDisjointFrom(twin.identities());
  });
}

function areApart<R>(a: EdgeNode<R>, b: EdgeNode<R>): boolean {
  return !dependsOn(a, b) && !dependsOn(b, a);
}

/** Follows merges: what counts is who waits for whom. */
function dependsOn<R>(edge: EdgeNode<R>, on: EdgeNode<R>): boolean {
  const seen = new Set([edge]);
  for (const at of seen) {
    if (at === on) return true;
    for (const input of at.inputs) seen.add(input.edge);
  }
  return false;
}
