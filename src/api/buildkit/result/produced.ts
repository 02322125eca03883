import type { RequestRecord } from "../../../attest/index.ts";
import type { Digest } from "../../../core/index.ts";

/** Returns the record of a request. It is made when somebody asks for it. */
export type ProducerOf = () => Promise<RequestRecord>;

/**
 * The requests that made the results of the builds that run: a build that gets such a result as an input says in its provenance which
 * request made it.
 */
export class ProducedResults {
  readonly #producers = new Map<Digest, Set<ProducerOf>>();

  /** Adds a result, by the digest of its vertex. It is removed when the returned value is disposed of. */
  add(vertex: Digest, producer: ProducerOf): Disposable {
    const known = this.#producers.get(vertex) ?? new Set<ProducerOf>();
    this.#producers.set(vertex, known.add(producer));
    return {
      [Symbol.dispose]: () => {
        known.delete(producer);
        if (known.size === 0 && this.#producers.get(vertex) === known) this.#producers.delete(vertex);
      },
    };
  }

  /** Returns the request that made a result; undefined if none is known, or if several different ones are. */
  async find(vertex: Digest): Promise<RequestRecord | undefined> {
    const producers = this.#producers.get(vertex);
    if (producers === undefined) return undefined;
    const { isSameRequest } = await import("../../../attest/index.ts");
    const [first, ...others] = await Promise.all([...producers].map((producer) => producer()));
    return first !== undefined && others.every((other) => isSameRequest(first, other)) ? first : undefined;
  }

  /** Returns the requests that made inputs. Inputs of unknown origin are left out. */
  async inputs(
    edges: ReadonlyMap<string, { readonly vertex: { readonly digest: Digest } } | undefined>,
  ): Promise<ReadonlyMap<string, RequestRecord>> {
    const found = new Map<string, RequestRecord>();
    for (const [name, edge] of edges) {
      const record = edge && (await this.find(edge.vertex.digest));
      if (record !== undefined) found.set(name, record);
    }
    return found;
  }
}
