import type { EdgeNode, EdgesByKey } from "./nodes.ts";

/**
 * The active edges by the record digests of their keys and the identities of their first inputs. It finds edges whose cache keys
 * turn out to be equal. Many edges may have the same record digest, for example all steps `WORKDIR /app`; few have the same
 * first input as well.
 */
export class EdgeIndex<R> implements EdgesByKey<R> {
  readonly #buckets = new Map<string, Set<EdgeNode<R>>>();
  /** The names of the buckets that contain an edge. */
  readonly #names = new Map<EdgeNode<R>, Set<string>>();

  /** Adds an edge under every key it has. Call it again when the keys or the inputs have changed. */
  add(edge: EdgeNode<R>): void {
    const names = this.#names.get(edge) ?? new Set();
    for (const name of namesOf(edge)) {
      if (names.has(name)) continue;
      this.#names.set(edge, names.add(name));
      const bucket = this.#buckets.get(name) ?? new Set();
      this.#buckets.set(name, bucket.add(edge));
    }
  }

  remove(edge: EdgeNode<R>): void {
    for (const name of this.#names.get(edge) ?? []) {
      const bucket = this.#buckets.get(name);
      bucket?.delete(edge);
      if (bucket?.size === 0) this.#buckets.delete(name);
    }
    this.#names.delete(edge);
  }

  /**
   * Returns another edge with the same key that `edge` can be merged into. An edge that ignores the cache is not merged into
   * one that uses it, and neither edge may depend on the other. Also adds `edge` under the keys that it has now, so that of two
   * edges whose inputs become equal, the one that notices it later finds the other.
   */
  findMergeTarget(edge: EdgeNode<R>): EdgeNode<R> | undefined {
    this.add(edge);
    for (const name of namesOf(edge))
      for (const other of this.#buckets.get(name) ?? []) {
        const isCandidate = other !== edge && other.state.kind !== "merged" && other.state.kind !== "failed";
        if (
          isCandidate &&
          (other.isIgnored || !edge.isIgnored) &&
          isAsStrict(other, edge) &&
          sameInputs(edge, other) &&
          areIndependent(edge, other)
        )
          return other;
      }
    return undefined;
  }
}

function* namesOf<R>({ keys, inputs: [first] }: EdgeNode<R>): Generator<string> {
  const identities = first?.identities() ?? [""];
  for (const { record } of keys) for (const identity of identities) yield `${record} ${identity}`;
}

/** True if every result that `other` may use is young enough for `edge`. */
function isAsStrict<R>(other: EdgeNode<R>, edge: EdgeNode<R>): boolean {
  return (other.vertex.maxAge ?? Infinity) <= (edge.vertex.maxAge ?? Infinity);
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
