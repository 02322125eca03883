import type { Digest } from "../../core/index.ts";
import type { SourceRange } from "../../dockerfile/index.ts";
import type { Edge, Vertex } from "../../llb/index.ts";

/** Maps the vertices of a graph to Dockerfile lines. No digest depends on it, so equal instructions may share one vertex. */
export class SourceMap {
  readonly ranges: ReadonlyMap<Digest, readonly SourceRange[]>;
  readonly #ranges = new Map<Digest, SourceRange[]>();
  /** The main context, which no instruction creates. */
  readonly #context: Digest | undefined;

  constructor(context: Edge | undefined) {
    this.ranges = this.#ranges;
    this.#context = context?.vertex.digest;
  }

  /** Records that an instruction created a vertex, and those of its inputs that no earlier instruction created. */
  add(edge: Edge | undefined, range: SourceRange): void {
    if (edge === undefined || edge.vertex.digest === this.#context) return;
    const known = this.#ranges.get(edge.vertex.digest);
    if (known === undefined) this.#addNew(edge.vertex, range);
    else if (!known.includes(range)) known.push(range);
  }

  #addNew(top: Vertex, range: SourceRange): void {
    const waiting = [top];
    for (let vertex = waiting.pop(); vertex !== undefined; vertex = waiting.pop()) {
      if (vertex.digest === this.#context || this.#ranges.has(vertex.digest)) continue;
      this.#ranges.set(vertex.digest, [range]);
      waiting.push(...vertex.inputs.map((input) => input.vertex));
    }
  }
}
