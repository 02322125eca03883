import type { Filesystem } from "./filesystem.ts";
import { EMPTY, type Edge } from "../model/op.ts";

/** Numbers the inputs of an op in the order of their first use. Equal inputs share a number. */
export class InputNumbers {
  readonly edges: Edge[] = [];
  readonly #numbers = new Map<string, number>();

  /** Returns the number of an input, or `EMPTY` for scratch. Adds the input if it is new. */
  number(source: Filesystem | undefined): number {
    const edge = source?.edge;
    if (edge === undefined) return EMPTY;
    const name = `${edge.vertex.digest} ${edge.output}`;
    const number = this.#numbers.get(name) ?? this.edges.push(edge) - 1;
    this.#numbers.set(name, number);
    return number;
  }
}
